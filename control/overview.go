package control

import (
	"context"
	"slices"
	"time"

	"github.com/weirproxy/weir/analysis"
)

const (
	// overviewRows is how many rows an overview has of each version, at most.
	overviewRows = 240

	// overviewLeast is the least that a row of an overview sums, in ticks: a
	// person sees no more.
	overviewLeast = 10
)

// overview is the recording in few rows of one length, from the oldest count
// that is kept until now. It reads the finest layer that goes back that far and
// what is younger by tick, and copies nothing else: it is asked for once a second
// by everybody who looks at the rollout.
func (r *record) overview(node, id string, tick uint32) *Recording {
	l := &r.layers[0]
	for i := range r.layers {
		if l = &r.layers[i]; l.oldest() == 0 {
			break
		}
	}
	end := tick
	if r.until > 0 {
		end = min(end, r.until)
	}
	begin := l.oldest() * l.ticks
	least := max(l.ticks, overviewLeast)
	ticks := max(1, int(end-min(end, r.first))-begin)
	each := least * (1 + (ticks-1)/(least*overviewRows))
	s := span{begin: r.at(begin), step: r.at(each) - r.at(0)}
	sum := func(at int, cells []uint32) {
		row := (at - begin) / each * len(cells)
		for len(s.rows) < row+len(cells) {
			s.rows = append(s.rows, 0)
		}
		for i, n := range cells {
			s.rows[row+i] += n
		}
	}
	for k := l.oldest(); k < l.count; k++ {
		sum(k*l.ticks, l.row(k))
	}
	fine := &r.layers[0]
	for k := max(l.count*l.ticks, fine.oldest()); k < fine.count; k++ {
		sum(k, fine.row(k))
	}
	for next := max(r.next, tick-min(tick, finalTicks)); next < end; next++ {
		r.read(next, tick-next-1)
		sum(int(next-r.first), r.cells)
	}
	k := &kept{shape: r.shape, node: node, versions: r.versions, spans: []span{s}}
	return &Recording{
		Rollout: id, From: r.versions[0], Candidates: r.versions[1:],
		Header: r.header(node, id, s.begin), Rows: k.rows, Evidence: r.evidence.copy(),
	}
}

// CoursePoint is what both versions did in a stretch of time that ended at T.
type CoursePoint struct {
	T                 time.Duration // since the trial began
	Stable, Candidate Tally
}

// Course is how the bad requests of both versions went, as a condition sees them.
// Nil for one that is not counted in requests, or a version that was not on
// trial. Of an overview it has few points.
func (r *Recording) Course(condition analysis.Condition, candidate string) []CoursePoint {
	bad := r.bad(condition)
	if bad == nil || !slices.Contains(r.Candidates, candidate) {
		return nil
	}
	var points []CoursePoint
	for row := range r.Rows {
		if n := len(points); n == 0 || points[n-1].T != row.T {
			points = append(points, CoursePoint{T: row.T})
		}
		p := &points[len(points)-1]
		switch row.Version {
		case r.From:
			p.Stable.add(row.Requests, bad(row).All)
		case candidate:
			p.Candidate.add(row.Requests, bad(row).All)
		}
	}
	return points
}

// Overview is a Recording of at most 240 rows a version, over all that is kept. It
// is cheap enough to be asked for by everybody who watches.
func (c *Controller) Overview(ctx context.Context, id string) (*Recording, error) {
	return c.recorded(ctx, func() *Recording {
		if t := c.trials[id]; t != nil {
			return t.record.overview(c.opts.Node, id, c.tick())
		}
		if r := c.shelf.byID[id]; r != nil {
			return r.overview
		}
		return nil
	})
}
