package control

import (
	"context"
	"fmt"
	"io"
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
	Node, Rollout string
	From          string   // stable
	Candidates    []string // all that were on trial
	Evidence      []Evidence

	shape  shape
	policy analysis.Policy
	marks  []replay.Mark
	spans  []span
}

// span are rows of one length that follow each other.
type span struct {
	begin time.Duration // trial time at the start of the first row
	step  time.Duration
	rows  []uint32 // one after the other
}

// recording copies what is known by tick, the ticks that are not final as they
// stand.
func (r *record) recording(node, id string, tick uint32) *Recording {
	out := &Recording{
		Node: node, Rollout: id, From: r.versions[0], Candidates: r.versions[1:], Evidence: r.evidence.copy(),
		shape: r.shape, policy: r.policy, marks: slices.Clone(r.marks),
	}
	at := func(tick int) time.Duration { return r.began + time.Duration(tick)*stats.TickLength }
	// Each layer serves from its oldest row up to where a finer one begins.
	var from [len(r.layers)]int // in ticks
	end := int(r.next - r.first)
	for i := range r.layers {
		l := &r.layers[i]
		from[i] = l.oldest() * l.ticks
		if i+1 < len(r.layers) {
			coarse := r.layers[i+1].ticks
			from[i] = (from[i] + coarse - 1) / coarse * coarse
		}
	}
	for i := len(r.layers) - 1; i >= 0; i-- {
		l := &r.layers[i]
		to := end
		if i > 0 {
			to = from[i-1]
		}
		s := span{begin: at(from[i]), step: time.Duration(l.ticks) * stats.TickLength}
		for k := from[i] / l.ticks; k < min(to/l.ticks, l.count); k++ {
			s.rows = append(s.rows, l.row(k)...)
		}
		out.spans = append(out.spans, s)
	}
	open := span{begin: at(end), step: stats.TickLength}
	for next := max(r.next, tick-min(tick, finalTicks)); next < tick && (r.until == 0 || next < r.until); next++ {
		if next == max(r.next, tick-min(tick, finalTicks)) {
			open.begin = at(int(next - r.first))
		}
		r.read(next, tick-next-1)
		open.rows = append(open.rows, r.cells...)
	}
	out.spans = append(out.spans, open)
	return out
}

// each calls f with every row in the order of time.
func (r *Recording) each(f func(end time.Duration, cells []uint32)) {
	stride := r.shape.width() * (1 + len(r.Candidates))
	for _, s := range r.spans {
		for i := 0; (i+1)*stride <= len(s.rows); i++ {
			f(s.begin+time.Duration(i+1)*s.step, s.rows[i*stride:(i+1)*stride])
		}
	}
}

// WriteCSV writes the recording in the form that a replay reads.
func (r *Recording) WriteCSV(out io.Writer) error {
	width, fleet := r.shape.width(), r.policy.LiveNodes > 1
	header := replay.Header{
		Notes:  []string{fmt.Sprintf("rollout %s, %s to %s, counted by node %s", r.Rollout, r.From, strings.Join(r.Candidates, " and "), r.Node)},
		Limits: r.shape.limits, Quantiles: r.shape.quantiles, Client: r.counts(analysis.ClientErrorRate),
		Unique: r.policy.Keyed, Node: fleet, Marks: slices.Clone(r.marks),
	}
	if began := r.spans[0].begin; began > 0 {
		header.Notes = append(header.Notes, fmt.Sprintf("counts before %s are not kept", began))
	}
	if fleet {
		header.Marks = append(header.Marks, replay.Mark{Kind: replay.MarkNodes, N: r.policy.LiveNodes})
	}
	if r.policy.Candidates > 1 {
		header.Marks = append(header.Marks, replay.Mark{Kind: replay.MarkCandidates, N: r.policy.Candidates})
	}
	w := replay.NewWriter(out, header)
	versions := append([]string{r.From}, r.Candidates...)
	row := replay.Row{Node: r.Node}
	r.each(func(end time.Duration, cells []uint32) {
		for i, version := range versions {
			row.T, row.Version = end, version
			r.shape.row(&row, cells[i*width:])
			w.Row(&row)
		}
	})
	return w.Flush()
}

// counts reports whether a rule is about the metric.
func (r *Recording) counts(m analysis.Metric) bool {
	return slices.ContainsFunc(r.policy.Rules, func(rule analysis.Rule) bool { return rule.Condition.Metric == m })
}

// Tally are requests and the bad ones among them.
type Tally struct{ Requests, Bad uint64 }

// Around counts what both versions did in the time before a moment, as a
// condition sees it: errors, or requests slower than its limit. It is false for
// a condition that is not counted so, or a version that was not on trial.
func (r *Recording) Around(condition analysis.Condition, candidate string, at, back time.Duration) (stable, tried Tally, ok bool) {
	width, cell, side := r.shape.width(), r.shape.cellOf(condition), 1+slices.Index(r.Candidates, candidate)
	if cell == 0 || side == 0 {
		return Tally{}, Tally{}, false
	}
	r.each(func(end time.Duration, cells []uint32) {
		if end <= at-back || end > at {
			return
		}
		stable.Requests += uint64(cells[0])
		stable.Bad += uint64(cells[cell])
		tried.Requests += uint64(cells[side*width])
		tried.Bad += uint64(cells[side*width+cell])
	})
	return stable, tried, true
}

// Recording returns what this node counted of a rollout, or nil if it keeps
// nothing of it. The error is that ctx ended or the node is stopping.
func (c *Controller) Recording(ctx context.Context, id string) (*Recording, error) {
	var found *Recording
	done := make(chan struct{})
	c.post(func() {
		defer close(done)
		if t := c.trials[id]; t != nil {
			found = t.record.recording(c.opts.Node, id, c.tick())
			return
		}
		found = c.shelf.byID[id]
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
