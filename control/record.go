package control

import (
	"slices"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/analysis/replay"
	"github.com/weirproxy/weir/proxy/stats"
)

const (
	// finalTicks is the age at which a tick is recorded as it stands, although a
	// request of it has not ended: a little less than recorders hold it for.
	finalTicks = 960

	// maxMarks bounds how many changes of stages and health are recorded.
	maxMarks = 1000
)

// record keeps the counts of a trial since its evidence began, so that a person
// can look at them and judge them again. Its memory is bounded: the last two
// minutes by tick, the last six hours by second, the last week by minute; what is
// older is dropped. It belongs to the Controller's goroutine.
type record struct {
	trials     []*stats.Trial // by version: stable first
	versions   []string
	shape      shape
	policy     analysis.Policy
	began      time.Duration // trial time at the start of the first tick
	first      uint32
	next       uint32 // the first tick that is not kept yet
	until      uint32 // the first tick that is nobody's evidence any more; 0: none
	stageKnown bool
	stage      int
	stableDown bool
	failed     []bool // by candidate
	marks      []replay.Mark
	layers     [3]layer
	evidence   evidenceLog
	cells      []uint32 // scratch: one row
}

// layer holds the newest rows of one length, one after the other.
type layer struct {
	ticks int // that a row sums
	most  int // rows that are kept
	rows  []uint32
	count int // rows since the beginning
	open  []uint32
	in    int // ticks in open
}

// newRecord returns the record of a trial that has measured nothing yet.
func newRecord(t *trial, policy analysis.Policy) *record {
	r := &record{
		trials: []*stats.Trial{t.stable}, versions: []string{t.from}, shape: shapeOf(policy), policy: policy,
		began: t.began, first: t.first, next: t.first, failed: make([]bool, len(t.sides)),
		layers: [3]layer{{ticks: 1, most: 1200}, {ticks: 10, most: 6 * 3600}, {ticks: 600, most: 7 * 24 * 60}},
	}
	for _, s := range t.sides {
		r.trials = append(r.trials, s.recorded)
		r.versions = append(r.versions, s.version)
	}
	r.cells = make([]uint32, len(r.versions)*r.shape.width())
	for i := range r.layers {
		r.layers[i].open = make([]uint32, len(r.cells))
	}
	return r
}

// look takes in what has become final by tick, where the stages stand, and
// whether stable has a healthy endpoint.
func (r *record) look(t *trial, tick uint32, stableUp bool) {
	failed := false
	for i, s := range t.sides {
		failed = failed || s.judge.Failed()
		if s.judge.Failed() == r.failed[i] {
			continue
		}
		r.failed[i] = s.judge.Failed()
		if v := s.judge.Verdict(); v.Path == analysis.PathHealth {
			r.mark(replay.Mark{Kind: replay.MarkFailing, Version: s.version, T: v.At})
		}
	}
	if !t.ended.IsZero() && !failed {
		if r.until == 0 {
			r.until = tick
		}
	} else if t.ended.IsZero() {
		r.until = 0
		r.follow(t, !stableUp)
	}
	r.keep(tick)
	r.evidence.look(t, failed)
}

// follow notes changes of the stage and of stable's health.
func (r *record) follow(t *trial, stableDown bool) {
	if stage := max(t.stretch.Stage, 0); !r.stageKnown || stage != r.stage {
		r.stageKnown, r.stage = true, stage
		r.mark(replay.Mark{Kind: replay.MarkStage, N: stage, T: max(0, t.judged-t.stageElapsed)})
	}
	if stableDown == r.stableDown {
		return
	}
	r.stableDown = stableDown
	kind := replay.MarkPassing
	if stableDown {
		kind = replay.MarkFailing
	}
	r.mark(replay.Mark{Kind: kind, Version: t.from, T: t.judged})
}

func (r *record) mark(m replay.Mark) {
	if len(r.marks) < maxMarks {
		m.T = m.T.Round(time.Millisecond)
		r.marks = append(r.marks, m)
	}
}

// keep takes in the ticks before tick of which every request has ended.
func (r *record) keep(tick uint32) {
	for r.next < tick && (r.until == 0 || r.next < r.until) {
		age := tick - r.next - 1
		if !r.read(r.next, age) && age < finalTicks {
			return
		}
		r.next++
		for i := range r.layers {
			r.layers[i].add(r.cells)
		}
	}
}

// read sets cells to what is known of a tick that ended age ticks ago. It
// reports whether all its requests have ended.
func (r *record) read(tick, age uint32) bool {
	ended := true
	clear(r.cells)
	for i, trial := range r.trials {
		var o stats.Outcomes
		if !trial.Outcomes(tick, &o) {
			continue // longer ago than recorders remember
		}
		ended = ended && o.Ended >= o.Started
		r.shape.fill(r.cells[i*r.shape.width():], &o, age)
	}
	return ended
}

// add takes in one tick.
func (l *layer) add(cells []uint32) {
	for i, n := range cells {
		l.open[i] += n
	}
	if l.in++; l.in < l.ticks {
		return
	}
	l.in = 0
	if l.count < l.most {
		l.rows = append(l.rows, l.open...)
	} else {
		copy(l.row(l.count), l.open)
	}
	l.count++
	clear(l.open)
}

// row is the i-th row since the beginning, which must be kept still.
func (l *layer) row(i int) []uint32 {
	at := i % l.most * len(l.open)
	return l.rows[at : at+len(l.open)]
}

// oldest is the first row that is kept still.
func (l *layer) oldest() int { return max(0, l.count-l.most) }

// shelved bounds how many ended rollouts keep their recording.
const shelved = 50

// shelf holds the recordings of the rollouts that ended last.
type shelf struct {
	order []string // oldest first
	byID  map[string]*Recording
}

// shelve keeps the recording of a trial that is over.
func (c *Controller) shelve(t *trial) {
	s := &c.shelf
	if s.byID == nil {
		s.byID = make(map[string]*Recording)
	}
	if i := slices.Index(s.order, t.id); i >= 0 {
		s.order = slices.Delete(s.order, i, i+1)
	}
	s.order = append(s.order, t.id)
	r := t.record.recording(c.opts.Node, t.id, c.tick())
	r.overview = t.record.overview(c.opts.Node, t.id, c.tick())
	s.byID[t.id] = r
	if len(s.order) > shelved {
		delete(s.byID, s.order[0])
		s.order = slices.Delete(s.order, 0, 1)
	}
}
