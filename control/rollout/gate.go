package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
)

// Freeze is a window in which no stage begins and nothing is promoted. It never
// delays what puts traffic back.
type Freeze struct {
	Name   string
	Reason string    // a person's; may be empty
	Until  time.Time // zero: without end
}

// String is the freeze with its end: `freeze "no-fridays" until …`.
func (f Freeze) String() string {
	text := fmt.Sprintf("freeze %q until it is deleted", f.Name)
	if !f.Until.IsZero() {
		text = fmt.Sprintf("freeze %q until %s", f.Name, f.Until.Format("2006-01-02 15:04 MST"))
	}
	if f.Reason != "" {
		text += ": " + f.Reason
	}
	return text
}

// Approval is a person's yes to one step of a rollout.
type Approval struct {
	Actor  string    `json:"actor"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"`

	// Stage is the stage that may begin; one beyond the last: the candidate may
	// become stable.
	Stage int `json:"stage"`
}

// move is what follows the present stage or bake.
type move struct {
	leaves int // the stage that ends; -1: none
	enters int // the stage that begins, one beyond the last: becoming stable; -1: the bake
	raises bool
}

// ahead is the move that the rollout makes next.
func (m *machine) ahead() move {
	r := &m.Rollout
	last := len(r.Plan.Stages)
	next := move{leaves: -1, enters: last, raises: m.nextRaises()}
	switch {
	case m.phase() == Pending:
		next.enters = 0
		next.raises = m.stageWeights(0)[r.To] > 0
	case m.phase() == Progressing && !r.manual():
		next.leaves = r.Stage
		next.enters = r.Stage + 1
		if next.enters == last && r.Plan.Bake > 0 {
			next.enters = -1
		}
	}
	return next
}

// phase is that of the rollout, or the one that its pause goes back to.
func (m *machine) phase() Phase {
	if m.Rollout.Phase == Paused {
		return m.Rollout.Resume
	}
	return m.Rollout.Phase
}

// held reports whether a person, an environment, a freeze or a hook keeps the
// rollout from its next move, and says all that it waits for.
func (m *machine) held(t Tick) bool {
	next := m.ahead()
	missing := m.gates(next, t)
	if len(missing) == 0 {
		return m.asks(next)
	}
	m.unask(next) // who said go before a weekend is asked again after it
	m.await(missing[0].Wait, "%s", Sentences(missing))
	if missing[0].Wait == WaitApproval {
		m.tellApprovers(next.enters)
	}
	return true
}

// await is wait for what people act on: another reason is news.
func (m *machine) await(w Wait, format string, args ...any) {
	r := &m.Rollout
	reason := fmt.Sprintf(format, args...)
	if r.WaitingFor != w || r.Reason != reason {
		m.waits(w, reason)
	}
}

// tellApprovers announces once that a stage waits for people.
func (m *machine) tellApprovers(stage int) {
	if r := &m.Rollout; r.Asked != stage+1 {
		r.Asked = stage + 1
		m.announce(AnnounceApproval, "%s", r.Reason)
	}
}

// needs is how many people must agree before a stage begins.
func (m *machine) needs(stage int) int {
	plan := &m.Rollout.Plan
	asked := stage >= 0 && stage < len(plan.Stages) && plan.Stages[stage].Approval != ""
	if plan.Approval != "" && stage == m.wholeAt() {
		asked = true
	}
	if !asked {
		return 0
	}
	return max(1, plan.Approvers)
}

// wholeAt is the stage that gives the candidate everything that it can have, or
// one beyond the last: what a rollout's own approval is for.
func (m *machine) wholeAt() int {
	plan := &m.Rollout.Plan
	if plan.Strategy == configs.StrategyRolling {
		return 0 // each batch takes endpoints out of stable: asked before the first
	}
	for i := range plan.Stages {
		if m.stageWeights(i)[m.Rollout.To] >= configs.Whole-plan.Holdback {
			return i
		}
	}
	return len(plan.Stages)
}

// missing is how many people must still agree before a stage begins.
func (m *machine) missing(stage int) int {
	n := m.needs(stage)
	for _, a := range m.Rollout.Approvals {
		if a.Stage == stage {
			n--
		}
	}
	return max(0, n)
}

func (m *machine) approvalText(stage, missing int) string {
	what := "making " + m.Rollout.To + " stable"
	if stage < len(m.Rollout.Plan.Stages) {
		what = fmt.Sprintf("%s, %s at %s", m.stageName(stage), m.Rollout.To, percent(m.stageWeights(stage)[m.Rollout.To]))
	}
	text := "a person's approval is needed for " + what
	if n := m.needs(stage); n > 1 {
		text = fmt.Sprintf("the approval of %d people is needed for %s", n, what)
		if by := m.approvers(stage); len(by) > 0 {
			text += fmt.Sprintf("; approved by %s, %d missing", strings.Join(by, " and "), missing)
		}
	}
	return text
}

func (m *machine) approvers(stage int) []string {
	var names []string
	for _, a := range m.Rollout.Approvals {
		if a.Stage == stage {
			names = append(names, a.Actor)
		}
	}
	return names
}

// approve is a person's yes to what the rollout waits for. It is only taken
// while it waits, so that a click too many never approves the stage after.
func (m *machine) approve(c Command) error {
	r := &m.Rollout
	if r.WaitingFor != WaitApproval {
		return r.illegal("", "cannot approve rollout %q: it waits for no approval", r.ID)
	}
	stage := m.ahead().enters
	actor := person(c.Actor)
	if slices.Contains(m.approvers(stage), actor) {
		return r.illegal("another person must approve too", "cannot approve rollout %q: %s has approved already", r.ID, actor)
	}
	m.agree(stage, c)
	if missing := m.missing(stage); missing > 0 {
		m.settle(WaitApproval, m.approvalText(stage, missing))
		m.await(WaitApproval, "%s", Sentences(r.Missing))
	} else {
		m.settle(WaitApproval, "")
		m.waits(WaitNothing, byWhom("approved", c.Actor, c.Reason))
	}
	m.record(Transition{
		At: m.at, From: r.Phase, To: r.Phase, Stage: r.Stage, Weights: r.Weights,
		Actor: actor, Reason: byWhom("approved", c.Actor, c.Reason),
	})
	m.announce(AnnounceApproved, "%s", byWhom("approved", c.Actor, c.Reason))
	return nil
}

func (m *machine) agree(stage int, c Command) {
	m.Rollout.Approvals = append(slices.Clip(m.Rollout.Approvals), Approval{Actor: person(c.Actor), At: m.at, Reason: c.Reason, Stage: stage})
}

// mayPromote refuses a person's promote that a freeze, an environment or other
// people's missing approval stands against. The promoter's own is given by it.
func (m *machine) mayPromote(c Command) error {
	r := &m.Rollout
	first := m.ahead().enters
	if first < 0 {
		first = len(r.Plan.Stages) // there is no promoting into a bake
	}
	enters := []int{first}
	for stage := first + 1; c.Full && stage <= len(r.Plan.Stages); stage++ {
		enters = append(enters, stage)
	}
	if c.Freeze != nil {
		return r.illegal("wait for its end, or delete it", "cannot promote rollout %q: %s", r.ID, *c.Freeze)
	}
	onward := m.ahead()
	onward.enters, onward.raises = enters[0], true
	if missing := m.required(onward, c.Requires); len(missing) > 0 {
		return r.illegal("wait for it, or override it with a reason", "cannot promote rollout %q: %s", r.ID, m.sentences(missing))
	}
	actor := person(c.Actor)
	for _, stage := range enters {
		missing := m.missing(stage)
		if missing > 0 && !slices.Contains(m.approvers(stage), actor) {
			missing--
		}
		if missing > 0 {
			return r.illegal("approve it, by that many other people", "cannot promote rollout %q: the approval of %d more is missing", r.ID, missing)
		}
	}
	for _, stage := range enters {
		if m.missing(stage) > 0 {
			m.agree(stage, c)
		}
	}
	return nil
}
