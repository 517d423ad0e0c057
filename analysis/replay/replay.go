package replay

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/weirproxy/weir/analysis"
)

// aftermath is how long after a candidate failed stable may break the same rule,
// which says that the candidate was not to blame.
const aftermath = 10 * time.Second

// closeTicks is how many ticks are looked at one by one for a change of verdict.
// To put a verdict into words costs more than to judge a tick, so that in longer
// files every tenth is looked at, but for a failure.
const closeTicks = 10_000

// maxMarks bounds how many marks may wait for their time.
const maxMarks = 10_000

// Plan is what the counts are judged by.
type Plan struct {
	Policy analysis.Policy // must be valid
	To     string          // the candidate
	From   string          // stable; empty: the file's one other version
	// Weights are the candidate's in each stage, in basis points. Marks of stages
	// beyond them are refused. None means one stage of unknown weight.
	Weights []int
}

// Verdict is what the judge says from T on.
type Verdict struct {
	Verdict analysis.Kind `json:"verdict"`
	T       float64       `json:"t"`    // seconds since the trial began
	Rule    string        `json:"rule"` // the deciding condition, such as "error_rate > 1%"; empty: none
	Path    analysis.Path `json:"path"` // of fail and shared

	CandidateRequests uint64  `json:"candidate_requests"` // up to T
	StableRequests    uint64  `json:"stable_requests"`
	Evidence          float64 `json:"evidence"` // of the deciding rule; without one, the largest
	Threshold         float64 `json:"threshold,omitempty"`

	RuleID string `json:"rule_id,omitempty"` // of the rule in its policy
	Text   string `json:"text"`              // one sentence for a person
}

// Run judges the counts of a file. It calls emit with the first verdict and at
// every change, and returns the one at the end of the data: for fail, at the
// moment it fell. The error is a *SyntaxError for what the file says, or what the
// reading failed with; the verdicts up to there were emitted.
func Run(plan Plan, in io.Reader, emit func(Verdict)) (Verdict, error) {
	p := &player{plan: plan, in: NewReader(in), emit: emit, stage: -1, seen: map[source]time.Duration{}}
	for {
		row, mark, err := p.in.Next()
		switch {
		case errors.Is(err, io.EOF):
			return p.end()
		case err != nil:
			return Verdict{}, err
		case mark != nil:
			err = p.wait(*mark)
		default:
			err = p.take(row)
		}
		if err != nil {
			return Verdict{}, err
		}
	}
}

// player feeds a judge from a file. It gathers the rows of one tick, of however
// many nodes, and judges them together.
type player struct {
	plan  Plan
	in    *Reader
	emit  func(Verdict)
	judge *analysis.Judge // nil until the first row
	marks []Mark          // of times to come, rising

	open              bool          // a tick is being gathered
	at                time.Duration // its end
	now               time.Duration // of the last row or mark
	stable, candidate Row           // summed over nodes
	seen              map[source]time.Duration
	guessed           bool  // plan.From is what the file showed
	limits, levels    []int // of the policy, as indices of the columns
	baseline          *float64

	stage   int // -1: no mark told
	stageAt time.Duration
	down    [2]bool // stable, candidate: their probes fail

	stableN, candidateN uint64   // up to now
	failed              *Verdict // the verdict, from when the candidate failed
	failedAt            time.Duration
	ticks               int           // that were judged
	last                analysis.Kind // that was told; empty: none yet
}

// source is what may have one row a tick.
type source struct{ version, node string }

// take adds a row to its tick.
func (p *player) take(row *Row) error {
	if p.judge == nil {
		p.begin()
	}
	if p.open && row.T > p.at {
		p.close()
	}
	p.open, p.at, p.now = true, row.T, row.T
	into := &p.stable
	switch row.Version {
	case p.plan.To:
		into = &p.candidate
	case p.plan.From:
	default:
		if p.plan.From != "" && p.guessed {
			return p.in.bad(1, "the file has the versions %s, %s and %s: say which was stable", p.plan.To, p.plan.From, row.Version)
		}
		if p.plan.From != "" {
			return nil // neither of the two
		}
		p.plan.From, p.guessed = row.Version, true
	}
	key := source{row.Version, row.Node}
	if t, ok := p.seen[key]; ok && t == row.T {
		return p.in.bad(1, "%s has two rows at %s", row.Version, seconds(row.T))
	}
	p.seen[key] = row.T
	into.add(row)
	return nil
}

// add sums the rows of several nodes.
func (r *Row) add(o *Row) {
	r.Requests += o.Requests
	r.Errors.add(o.Errors)
	r.ClientErrors.add(o.ClientErrors)
	for i := range r.Over {
		r.Over[i].add(o.Over[i])
	}
	for i := range r.Slow {
		r.Slow[i].add(o.Slow[i])
	}
}

func (b *Bad) add(o Bad) {
	b.All += o.All
	b.Unique += o.Unique
}

// begin makes the judge, once the columns and what stands before the first row
// are known.
func (p *player) begin() {
	columns := p.in.Columns()
	p.plan.Policy.Keyed = columns.there(colErrorsUnique, 0)
	p.plan.Policy.Rules = slices.Clone(p.plan.Policy.Rules)
	if !slices.ContainsFunc(p.marks, func(m Mark) bool { return m.Kind == MarkStage }) {
		for i := range p.plan.Policy.Rules {
			p.plan.Policy.Rules[i].FromStage = 0
		}
	}
	p.judge = analysis.NewJudge(p.plan.Policy)
	for _, r := range p.plan.Policy.Rules {
		if c := r.Condition; c.Valued() || c.Metric == analysis.SmokeTest {
			p.judge.CannotMeasure(r.ID, "counts do not hold it")
		} else if missing := columns.missing(r); missing != "" {
			p.judge.CannotMeasure(r.ID, fmt.Sprintf("the file has no column %q", missing))
		}
		if r.Condition.Metric == analysis.ErrorRate && p.baseline != nil {
			p.judge.SetBaseline(r.ID, *p.baseline)
		}
	}
	// A column that is missing stands for none: its rules are not judged.
	for _, limit := range p.plan.Policy.Limits() {
		p.limits = append(p.limits, max(0, slices.Index(columns.Limits, limit)))
	}
	for _, level := range p.plan.Policy.Levels() {
		p.levels = append(p.levels, max(0, slices.Index(columns.Quantiles, level.Quantile)))
	}
}

// wait takes a mark. Those with a time wait for it.
func (p *player) wait(m Mark) error {
	switch m.Kind {
	case MarkBaseline, MarkNodes, MarkCandidates:
		if p.judge != nil {
			return p.in.bad(1, "%q must stand before the first row", m)
		}
		switch m.Kind {
		case MarkBaseline:
			p.baseline = &m.Rate
		case MarkNodes:
			p.plan.Policy.LiveNodes, p.plan.Policy.Fuse = m.N, m.N > 1
		default:
			p.plan.Policy.Candidates = m.N
		}
		return nil
	case MarkStage:
		if stages := max(1, len(p.plan.Weights)); m.N >= stages {
			return p.in.bad(1, "%q: the plan has %d stages, counted from 0", m, stages)
		}
	}
	if p.open && m.T < p.at {
		return p.in.bad(1, "%q stands after rows of %s: put it before them", m, seconds(p.at))
	}
	if len(p.marks) == maxMarks {
		return p.in.bad(1, "more than %d comments wait for their time", maxMarks)
	}
	after := func(other Mark, t time.Duration) int {
		if other.T > t {
			return 1
		}
		return -1
	}
	i, _ := slices.BinarySearchFunc(p.marks, m.T, after)
	p.marks = slices.Insert(p.marks, i, m)
	return nil
}

// close judges the tick that was gathered.
func (p *player) close() {
	p.tell(p.at)
	t := max(p.at, 1) // a tick that ends at 0 is the first
	p.judge.Advance(t)
	if p.stage >= 0 {
		p.setStage(t)
	} else {
		p.judge.SetStage(analysis.Stage{Elapsed: t})
	}
	p.stableN += p.stable.Requests
	p.candidateN += p.candidate.Requests
	p.observe(t)
	p.open, p.stable, p.candidate = false, Row{}, Row{}
	if p.ticks++; p.judge.Failed() || p.ticks <= closeTicks || p.ticks%10 == 0 {
		p.look(p.at)
	}
}

// tell gives the judge the marks before t.
func (p *player) tell(t time.Duration) {
	told := 0
	for _, m := range p.marks {
		if m.T >= t {
			break
		}
		told++
		p.now = max(p.now, m.T)
		p.apply(m)
	}
	p.marks = slices.Delete(p.marks, 0, told)
}

func (p *player) apply(m Mark) {
	p.judge.Advance(m.T)
	switch m.Kind {
	case MarkStage:
		p.stage, p.stageAt = m.N, m.T
		p.setStage(m.T)
	case MarkFailing, MarkPassing:
		switch m.Version {
		case p.plan.From:
			p.down[0] = m.Kind == MarkFailing
		case p.plan.To:
			p.down[1] = m.Kind == MarkFailing
		}
		rounds := 0
		if p.down[1] {
			rounds = analysis.NoEndpoint
		}
		p.judge.Health(rounds, !p.down[0])
	}
	p.look(m.T)
}

func (p *player) setStage(t time.Duration) {
	s := analysis.Stage{Index: p.stage, Elapsed: t - p.stageAt}
	if p.stage < len(p.plan.Weights) {
		s.Weight = p.plan.Weights[p.stage]
	}
	p.judge.SetStage(s)
}

// end judges what is left, and says how it ended.
func (p *player) end() (Verdict, error) {
	if p.judge == nil {
		p.begin()
	}
	if p.open {
		p.close()
	}
	p.tell(maxTime + 1)
	// A patience that ends with the data has been measured in full: the moment
	// after it closes its window.
	p.observe(max(p.now, 1) + 1)
	p.look(p.now)
	end := p.verdict(p.now)
	if p.last == "" {
		p.emit(end)
	}
	if p.failed == nil {
		for _, r := range p.judge.Report() {
			end.Evidence = max(end.Evidence, finite(r.Evidence))
		}
	}
	return end, nil
}
