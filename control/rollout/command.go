package rollout

import (
	"fmt"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
)

func (m *machine) command(c Command) error {
	r := &m.Rollout
	switch c.Verb {
	case "abort":
		return m.abort(c)
	case "undo":
		return m.undo(c)
	}
	if r.Phase.Final() {
		return r.illegal("", "cannot %s rollout %q: it is over (%s)", c.Verb, r.ID, r.Phase)
	}
	if r.Ending != nil {
		return r.illegal("abort it again to end it at once", "cannot %s rollout %q: it is being aborted", c.Verb, r.ID)
	}
	switch c.Verb {
	case "approve":
		return m.approve(c)
	case "override":
		return m.override(c)
	case "pause":
		return m.pause(c)
	case "resume":
		return m.resume(c)
	case "promote":
		return m.promote(c)
	case "retry":
		return r.illegal("", "cannot retry rollout %q: it is not over (%s)", r.ID, r.Phase)
	}
	return r.illegal("", "cannot %s rollout %q: there is no such verb", c.Verb, r.ID)
}

// abort is taken from every phase that is not final.
func (m *machine) abort(c Command) error {
	r := &m.Rollout
	if r.Phase == Succeeded {
		return r.illegal("undo makes the version before stable again", "cannot abort rollout %q: it succeeded", r.ID)
	}
	if r.Phase.Final() {
		return r.illegal("", "cannot abort rollout %q: it is over (%s)", r.ID, r.Phase)
	}
	reason := byWhom("aborted", c.Actor, c.Reason)
	if r.Phase == Queued {
		m.leave(Aborted, AnnounceAborted, c.Actor, reason)
		return nil
	}
	if m.ramps(c, reason) {
		return nil
	}
	for _, version := range m.reached() {
		m.emit(CutNow{m.cut(version, person(c.Actor), reason, m.at)})
	}
	m.fallBack(Aborted, AnnounceAborted, c.Actor, reason, nil)
	return nil
}

// undo makes the version before stable again. Of a rollout that is not over it
// is abort.
func (m *machine) undo(c Command) error {
	r, s := &m.Rollout, &m.Service
	if !r.Phase.Final() {
		return m.abort(c)
	}
	if refusal := m.notUndoable(); refusal != nil {
		return refusal
	}
	reason := byWhom("undone", c.Actor, c.Reason)
	s.Stable, s.Previous = r.From, ""
	s.KeepUntil = time.Time{}
	m.weigh(m.allOn(r.From))
	m.become(Aborted, c.Actor, reason, nil)
	m.announce(AnnounceAborted, "all on %s; %s", r.From, reason)
	return nil
}

// notUndoable says why the version before is not to be stable again; nil: it may.
func (m *machine) notUndoable() error {
	r, s := &m.Rollout, &m.Service
	why, hint := "", ""
	switch {
	case r.Phase != Succeeded:
		why = fmt.Sprintf("it is over (%s) and %s is stable", r.Phase, s.Stable)
	case s.Rollout != "":
		why, hint = fmt.Sprintf("rollout %q is in force", s.Rollout), "abort that one first"
	case s.Stable != r.To:
		why = s.Stable + " is stable by now"
	case s.Previous != r.From || m.at.After(s.KeepUntil):
		why, hint = r.From+" is not kept any more", "start a rollout to "+r.From+" instead"
	}
	if why == "" {
		return nil
	}
	return &Refusal{Kind: Illegal, Text: fmt.Sprintf("cannot undo rollout %q: %s", r.ID, why), Hint: hint}
}

// pause keeps the weights and stops the stage time.
func (m *machine) pause(c Command) error {
	r := &m.Rollout
	if r.Phase == Paused || r.Phase == Queued {
		return r.illegal("", "cannot pause rollout %q: it is %s already", r.ID, r.Phase)
	}
	m.hold(c.Actor, byWhom("paused", c.Actor, c.Reason), nil)
	return nil
}

func (m *machine) hold(actor, reason string, v *analysis.Verdict) {
	m.become(Paused, actor, reason, v)
	m.announce(AnnouncePaused, "paused at %s; %s", describe(m.Rollout.Weights), reason)
}

// resume goes on where the pause began. After a break, which would only pause
// it again, the evidence starts anew.
func (m *machine) resume(c Command) error {
	r := &m.Rollout
	if r.Phase != Paused {
		return r.illegal("", "cannot resume rollout %q: it is not paused (%s)", r.ID, r.Phase)
	}
	phase := r.Resume
	if r.onStable() {
		held := r.Held
		r.Held = nil
		m.weigh(held)
		phase = m.phaseOf(held)
		m.freshen()
		m.emit(DropCuts{})
	} else {
		m.forgive()
		m.forgiveSmoke()
		r.HoldFrom = configs.Duration(m.elapsed)
	}
	r.ProgressFrom = configs.Duration(m.elapsed)
	m.askAnew()
	reason := byWhom("resumed", c.Actor, c.Reason)
	m.become(phase, c.Actor, reason, nil)
	m.announce(AnnounceResumed, "resumed at %s; %s", describe(r.Weights), reason)
	return nil
}

// forgive drops the verdict that paused the rollout, if one did: a person has
// looked at it and wants to go on.
func (m *machine) forgive() {
	if v := m.Rollout.Verdict; m.Rollout.Phase == Paused && v != nil && v.Kind == analysis.Fail {
		m.freshen()
	}
}

// phaseOf is the phase that weights put a running rollout in.
func (m *machine) phaseOf(weights map[string]configs.Weight) Phase {
	if m.Rollout.Plan.Switches() {
		return Baking
	}
	if version, ok := whole(weights); ok && m.Rollout.manual() && version != m.Rollout.From {
		return Baking
	}
	return Progressing
}

// promote goes on at once, whatever time and evidence say.
func (m *machine) promote(c Command) error {
	r := &m.Rollout
	if !r.promotable() {
		hint, why := m.notPromotable()
		return r.illegal(hint, "cannot promote rollout %q: %s", r.ID, why)
	}
	if err := m.mayPromote(c); err != nil {
		return err
	}
	what := "promoted"
	if c.Full {
		what = "promoted to 100%"
	}
	reason := byWhom(what, c.Actor, c.Reason)
	m.forgive()
	phase := r.Phase
	if phase == Paused {
		phase = r.Resume
	}
	switch {
	case c.Full, r.manual():
		m.succeed(c.Actor, reason)
	case phase == Pending:
		m.enterStage(0, c.Actor, reason)
	case phase == Progressing && r.Stage+1 < len(r.Plan.Stages):
		m.enterStage(r.Stage+1, c.Actor, reason)
	default:
		m.succeed(c.Actor, reason)
	}
	return nil
}

// notPromotable says what a person can do, and why promote is refused.
func (m *machine) notPromotable() (hint, why string) {
	r := &m.Rollout
	switch {
	case r.Phase == Queued:
		return "", "it waits for another rollout"
	case r.Phase == Pending:
		return "start the candidate, or abort", "the candidate has no healthy endpoint"
	case r.onStable():
		return "resume it, so that it is judged anew", "it was cut while stable broke the same rule"
	}
	return "set the weights instead", "it has several candidates"
}
