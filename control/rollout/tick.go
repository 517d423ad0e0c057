package rollout

import (
	"cmp"
	"fmt"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
)

// tick is the only event by which time and evidence move a rollout.
func (m *machine) tick(t Tick) {
	if m.Rollout.Ending != nil {
		m.tickRamp(t)
		return
	}
	m.observe(t)
	switch m.Rollout.Phase {
	case Pending:
		if !m.overdue(t) {
			m.tickPending(t)
		}
	case Progressing, Baking:
		if !m.judge(t) && !m.watch(t) && !m.overdue(t) {
			m.tickStage(t)
		}
	case Paused:
		if !m.judge(t) {
			m.watch(t)
		}
	}
}

// tickPending waits until the candidate can take traffic.
func (m *machine) tickPending(t Tick) {
	r := &m.Rollout
	m.gates(m.ahead(), t) // all that is missing is said at once, whatever is waited for first
	if !t.CandidateUp && r.WaitingFor != WaitHealth {
		r.HoldFrom = configs.Duration(m.elapsed)
	}
	switch {
	case !t.CandidateUp && m.elapsed-r.HoldFrom.Std() >= PendingLimit:
		m.fallBack(Failed, AnnounceFailed, self, fmt.Sprintf("%s had no healthy endpoint for %s", r.To, PendingLimit), nil)
	case !t.CandidateUp:
		m.unask(m.ahead())
		m.wait(WaitHealth, "%s has no healthy endpoint yet", r.To)
	case !t.StableUp:
		m.wait(WaitHealth, "stable version %s has no healthy endpoint", r.From)
	case !m.batchUp(t):
		m.wait(WaitHealth, "%s", m.batchDown())
	case !m.smoked():
		m.runSmoke()
	case m.held(t): // before the acknowledgements: to write that it is held needs new ones
	case !t.Acked:
		m.wait(WaitAck, "not every node has applied the present state")
	default:
		reason := r.To + " is healthy"
		if r.Smoke != nil {
			reason += " and passed its smoke checks"
		}
		m.enterStage(0, self, reason)
	}
}

// judge acts on broken rules. It reports whether the rest of the tick is off.
func (m *machine) judge(t Tick) bool {
	if t.Candidates == nil {
		return m.judgeOne(m.Rollout.To, t.Verdict, t.StableUp)
	}
	acted := false
	for _, version := range m.Rollout.Candidates {
		if v, ok := t.Candidates[version]; ok && m.judgeOne(version, v, t.StableUp) {
			acted = true
		}
	}
	return acted
}

func (m *machine) judgeOne(version string, v analysis.Verdict, stableUp bool) bool {
	r := &m.Rollout
	if v.Kind != analysis.Fail || v.Action == analysis.Notify || !m.Service.Reaches(version) {
		return false
	}
	switch {
	case v.Action == analysis.Pause:
		if r.Phase != Paused && r.Ending == nil {
			m.hold(self, v.Text, &v)
		}
	case !stableUp:
		// Nothing would be gained: stable could not take the traffic.
		if r.Phase == Paused {
			break
		}
		m.wait(WaitHealth, "%s; held, because stable version %s has no healthy endpoint", v.Text, r.From)
	default:
		c := m.cut(version, "", v.Text, m.at)
		c.Verdict = v
		m.emit(CutNow{c})
	}
	return true
}

// tickStage ends a stage or a bake that has had its time and its evidence.
func (m *machine) tickStage(t Tick) {
	r := &m.Rollout
	if r.Phase == Progressing && r.manual() {
		m.wait(WaitNothing, "the weights are set by hand")
		return
	}
	length := m.length()
	v := m.whole(t)
	if m.besides() && v.Kind != analysis.Fail {
		v = analysis.Verdict{Kind: analysis.Pass, At: v.At, Text: "No rule is broken beside the split."}
	}
	passed := m.where() + " passed"
	switch early := m.early(v); {
	case m.elapsed < length && !early:
		m.wait(WaitNothing, "%s", m.where())
		r.Missing = nil
		return
	case m.elapsed < length:
		passed += fmt.Sprintf(" after %s of %s: every check is proven to hold", m.elapsed.Round(time.Second), length)
	}
	limit, then := r.Plan.Hold(m.span())
	m.gates(m.ahead(), t)
	out := v.Kind == analysis.Inconclusive && m.elapsed-r.HoldFrom.Std() >= limit
	if out && then == "proceed" {
		passed = fmt.Sprintf("%s could not be decided, and the plan proceeds: %s", m.where(), undecided(v))
	}
	switch {
	case !t.CandidateUp:
		m.unask(m.ahead()) // who said go meant a candidate that was well
		m.wait(WaitHealth, "%s has no healthy endpoint", r.To)
	case v.Kind == analysis.Shared:
		m.wait(WaitEvidence, "%s", v.Text)
	case v.Kind != analysis.Pass && !(out && then == "proceed"):
		m.waitEvidence(t, v, limit, then)
	case m.nextRaises() && !t.StableUp:
		m.wait(WaitHealth, "stable version %s has no healthy endpoint", r.From)
	case m.nextRaises() && !m.batchUp(t):
		m.wait(WaitHealth, "%s", m.batchDown())
	case m.stops():
		r.Passed = true
		m.hold(self, passed+"; the plan waits for a person to resume or promote it", &v)
	case m.held(t):
	case !t.Acked:
		m.wait(WaitAck, "not every node has applied the present state")
	default:
		r.Verdict = &v
		m.next(self, passed)
	}
}

// early reports whether the stage may end before its time.
func (m *machine) early(v analysis.Verdict) bool {
	r := &m.Rollout
	if r.Phase != Progressing || r.manual() || !r.Plan.Stages[r.Stage].Early {
		return false
	}
	soak := cmp.Or(r.Plan.Stages[r.Stage].MinSoak.Std(), DefaultSoak)
	return v.Kind == analysis.Pass && v.Proven && m.elapsed >= soak
}

// span is the index of the present stage, or one beyond the last for the bake.
func (m *machine) span() int {
	if m.Rollout.Phase == Baking {
		return len(m.Rollout.Plan.Stages)
	}
	return m.Rollout.Stage
}

// whole returns the verdict of the version that the stage is about.
func (m *machine) whole(t Tick) analysis.Verdict {
	if t.Candidates == nil {
		return t.Verdict
	}
	version, _ := whole(m.Rollout.Weights)
	return t.Candidates[version]
}

// waitEvidence extends a stage that could not be decided, then does what the plan
// says: asks a person or puts the traffic back. What could not be measured always
// asks a person.
func (m *machine) waitEvidence(t Tick, v analysis.Verdict, limit time.Duration, then string) {
	r := &m.Rollout
	reason := fmt.Sprintf("%s could not be decided: %s", m.where(), undecided(v))
	switch {
	case m.elapsed-r.HoldFrom.Std() < limit:
		m.wait(WaitEvidence, "%s", undecided(v))
	case then != "rollback" || v.Kind != analysis.Inconclusive:
		m.hold(self, reason, &v)
	case !t.StableUp:
		m.wait(WaitHealth, "%s; held, because stable version %s has no healthy endpoint", reason, r.From)
	default:
		c := m.cut(r.To, "", reason, m.at)
		c.Verdict = v
		m.emit(CutNow{c})
	}
}

// undecided says what is missing for a verdict.
func undecided(v analysis.Verdict) string {
	switch {
	case v.Kind == analysis.Inconclusive && v.Needed > v.Seen:
		return fmt.Sprintf("%s (about %d more requests are needed)", v.Text, v.Needed-v.Seen)
	case v.Text != "":
		return v.Text
	}
	return "nothing was measured"
}

// nextRaises reports whether what follows gives the candidate more weight.
func (m *machine) nextRaises() bool {
	r := &m.Rollout
	if r.Phase == Progressing && r.Stage+1 < len(r.Plan.Stages) {
		return m.stageWeights(r.Stage + 1)[r.To] > r.Weights[r.To]
	}
	if r.Phase == Progressing && r.Plan.Bake > 0 {
		return false
	}
	return r.Weights[r.From] > 0
}

func (m *machine) where() string {
	if m.Rollout.Phase == Baking {
		return "the bake"
	}
	return m.stageName(m.Rollout.Stage)
}
