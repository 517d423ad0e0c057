package control

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/analysis/replay"
	"github.com/weirproxy/weir/proxy/stats"
)

// Recording is what this node counted of a rollout since its evidence began: the
// last two minutes by tick of 100 ms, the last six hours by second, the last week
// by minute. It does not change, and lives as long as the process: a node keeps
// those of the rollouts in force and of the last 50 that ended.
type Recording struct {
	Rollout    string
	From       string   // stable
	Candidates []string // all that were on trial
	Header     replay.Header
	Rows       iter.Seq[*replay.Row] // in the order of time; a row stands until the next
	Evidence   []Evidence

	overview *Recording // of one whose rollout is over; nil in it
}

// kept are the rows of a Recording in a small space.
type kept struct {
	shape    shape
	node     string
	versions []string
	spans    []span
}

// span are rows of one length that follow each other.
type span struct {
	begin time.Duration // trial time at the start of the first row
	step  time.Duration
	rows  []uint32 // one after the other
}

// recording copies what is known by tick.
func (r *record) recording(node, id string, tick uint32) *Recording {
	k := &kept{shape: r.shape, node: node, versions: r.versions, spans: append(r.final(), r.open(tick))}
	return &Recording{
		Rollout: id, From: r.versions[0], Candidates: r.versions[1:],
		Header: r.header(node, id, k.spans[0].begin), Rows: k.rows, Evidence: r.evidence.copy(),
	}
}

// header says what the rows are.
func (r *record) header(node, id string, begin time.Duration) replay.Header {
	h := replay.Header{
		Notes:  []string{fmt.Sprintf("rollout %s, %s to %s, counted by node %s", id, r.versions[0], strings.Join(r.versions[1:], " and "), node)},
		Limits: r.shape.limits, Quantiles: r.shape.quantiles, Unique: r.policy.Keyed, Node: r.policy.LiveNodes > 1, Marks: slices.Clone(r.marks),
	}
	for _, rule := range r.policy.Rules {
		h.Client = h.Client || rule.Condition.Metric == analysis.ClientErrorRate
	}
	if begin > 0 {
		h.Notes = append(h.Notes, fmt.Sprintf("counts before %s are not kept", begin))
	}
	if h.Node {
		h.Marks = append(h.Marks, replay.Mark{Kind: replay.MarkNodes, N: r.policy.LiveNodes})
	}
	if r.policy.Candidates > 1 {
		h.Marks = append(h.Marks, replay.Mark{Kind: replay.MarkCandidates, N: r.policy.Candidates})
	}
	return h
}

// at is the trial time at the start of a tick, counted from the first.
func (r *record) at(tick int) time.Duration {
	return r.began + time.Duration(tick)*stats.TickLength
}

// final are the rows that will not change. Each layer serves from its oldest row
// up to where a finer one begins.
func (r *record) final() []span {
	var spans []span
	var from [len(r.layers)]int // in ticks
	for i := range r.layers {
		from[i] = r.layers[i].oldest() * r.layers[i].ticks
		if i+1 < len(r.layers) {
			coarse := r.layers[i+1].ticks
			from[i] = (from[i] + coarse - 1) / coarse * coarse
		}
	}
	for i := len(r.layers) - 1; i >= 0; i-- {
		l := &r.layers[i]
		to := int(r.next - r.first)
		if i > 0 {
			to = from[i-1]
		}
		s := span{begin: r.at(from[i]), step: time.Duration(l.ticks) * stats.TickLength}
		for k := from[i] / l.ticks; k < min(to/l.ticks, l.count); k++ {
			s.rows = append(s.rows, l.row(k)...)
		}
		spans = append(spans, s)
	}
	return spans
}

// open are the ticks that are not final, as they stand.
func (r *record) open(tick uint32) span {
	first := max(r.next, tick-min(tick, finalTicks))
	s := span{begin: r.at(int(first - r.first)), step: stats.TickLength}
	for next := first; next < tick && (r.until == 0 || next < r.until); next++ {
		r.read(next, tick-next-1)
		s.rows = append(s.rows, r.cells...)
	}
	return s
}

// rows yields all rows, those of one time together.
func (k *kept) rows(yield func(*replay.Row) bool) {
	width := k.shape.width()
	row := replay.Row{Node: k.node}
	for _, s := range k.spans {
		row.T = s.begin
		for cells := s.rows; len(cells) > 0; {
			row.T += s.step
			for _, row.Version = range k.versions {
				k.shape.row(&row, cells)
				if !yield(&row) {
					return
				}
				cells = cells[width:]
			}
		}
	}
}

// WriteCSV writes the recording in the form that a replay reads.
func (r *Recording) WriteCSV(out io.Writer) error {
	w := replay.NewWriter(out, r.Header)
	for row := range r.Rows {
		w.Row(row)
	}
	return w.Flush()
}

// Tally are requests and the bad ones among them.
type Tally struct{ Requests, Bad uint64 }

// Around counts what both versions did in the time before a moment, as a
// condition sees it: errors, or requests slower than its limit. It is false for
// a condition that is not counted so, or a version that was not on trial.
func (r *Recording) Around(condition analysis.Condition, candidate string, at, back time.Duration) (stable, tried Tally, ok bool) {
	bad := r.bad(condition)
	if bad == nil || !slices.Contains(r.Candidates, candidate) {
		return Tally{}, Tally{}, false
	}
	for row := range r.Rows {
		if row.T <= at-back || row.T > at {
			continue
		}
		switch row.Version {
		case r.From:
			stable.add(row.Requests, bad(row).All)
		case candidate:
			tried.add(row.Requests, bad(row).All)
		}
	}
	return stable, tried, true
}

// Rate is the share of bad requests, 0 without requests.
func (t Tally) Rate() float64 {
	if t.Requests == 0 {
		return 0
	}
	return float64(t.Bad) / float64(t.Requests)
}

func (t *Tally) add(requests, bad uint64) {
	t.Requests += requests
	t.Bad += bad
}

// bad is what a condition counts of a row, or nil.
func (r *Recording) bad(c analysis.Condition) func(*replay.Row) replay.Bad {
	limit, quantile := slices.Index(r.Header.Limits, c.Latency), slices.Index(r.Header.Quantiles, c.Percentile)
	switch {
	case c.Metric == analysis.ErrorRate:
		return func(row *replay.Row) replay.Bad { return row.Errors }
	case c.Metric == analysis.ClientErrorRate:
		return func(row *replay.Row) replay.Bad { return row.ClientErrors }
	case c.Metric == analysis.LatencyQuantile && limit >= 0:
		return func(row *replay.Row) replay.Bad { return row.Over[limit] }
	case c.Metric == analysis.LatencyQuantile && c.Relative() && quantile >= 0:
		return func(row *replay.Row) replay.Bad { return row.Slow[quantile] }
	}
	return nil
}

// Recording returns what this node counted of a rollout, or nil if it keeps
// nothing of it. The error is that ctx ended or the node is stopping.
func (c *Controller) Recording(ctx context.Context, id string) (*Recording, error) {
	return c.recorded(ctx, func() *Recording {
		if t := c.trials[id]; t != nil {
			return t.record.recording(c.opts.Node, id, c.tick())
		}
		return c.shelf.byID[id]
	})
}

// recorded asks on the Controller's goroutine.
func (c *Controller) recorded(ctx context.Context, read func() *Recording) (*Recording, error) {
	var found *Recording
	done := make(chan struct{})
	c.post(func() {
		defer close(done)
		found = read()
	})
	select {
	case <-done:
		return found, nil
	case <-c.stopped:
		return nil, refuse(Unavailable, "ask another node", "this node is stopping")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
