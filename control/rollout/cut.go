package rollout

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
)

// cutSeen makes the state say what a cut did.
func (m *machine) cutSeen(c Cut) {
	r := &m.Rollout
	if c.Rollout == r.ID && r.Phase == Succeeded {
		m.cutTooLate(c)
		return
	}
	if r.Phase.Final() || r.Phase == Queued || c.Rollout != r.ID {
		return
	}
	if c.Actor == "" && c.Generation < r.Generation {
		// A node that was cut off found it in its journal. It would hold up
		// every raise.
		m.emit(DropCuts{})
		return
	}
	spent := c.Actor == "" && r.onStable() || len(r.Candidates) > 1
	if !slices.Contains(r.Candidates, c.Version) || r.Weights[c.Version] == 0 && spent {
		m.emit(DropCuts{})
		return
	}
	var v *analysis.Verdict
	if c.Verdict.Kind != "" {
		v = &c.Verdict
	}
	others := onTrial(r.Weights, r.From)
	if len(others) > 1 {
		m.cutOne(c, v)
		return
	}
	if end := r.Ending; end != nil && c.Actor == "" {
		m.fallBack(Aborted, AnnounceAborted, end.Actor, fmt.Sprintf("%s; at once: %s (cut by node %s)", end.Reason, c.Reason, c.Node), v)
		return
	}
	if c.Actor != "" {
		m.fallBack(Aborted, AnnounceAborted, c.Actor, cmp.Or(c.Reason, byWhom("aborted", c.Actor, "")), v)
		return
	}
	m.fallBack(RolledBack, AnnounceRolledBack, self, fmt.Sprintf("%s (cut by node %s)", c.Reason, c.Node), v)
}

// cutTooLate takes back a success that was written while a node found the
// candidate bad, and before its cut reached etcd. Elapsed is the time since.
func (m *machine) cutTooLate(c Cut) {
	r, s := &m.Rollout, &m.Service
	stale := c.Actor == "" && c.Generation < r.Generation
	if stale || c.Version != r.To || m.elapsed > SharedWindow || m.notUndoable() != nil {
		return
	}
	s.Stable, s.Previous, s.KeepUntil = r.From, "", time.Time{}
	var v *analysis.Verdict
	if c.Verdict.Kind != "" {
		v = &c.Verdict
	}
	phase, kind, actor := RolledBack, AnnounceRolledBack, self
	if c.Actor != "" {
		phase, kind, actor = Aborted, AnnounceAborted, c.Actor
	}
	m.fallBack(phase, kind, actor, fmt.Sprintf("%s (cut by node %s as the rollout ended)", c.Reason, c.Node), v)
	r.Held = nil // it had passed every stage: there is none to go back to
}

// cutOne gives the share of one of several candidates to stable.
func (m *machine) cutOne(c Cut, v *analysis.Verdict) {
	r := &m.Rollout
	weights := maps.Clone(r.Weights)
	weights[r.From] += weights[c.Version]
	weights[c.Version] = 0
	m.weigh(weights)
	r.UpdatedAt = m.at
	r.Reason = c.Reason
	if v != nil {
		r.Verdict = v
	}
	m.record(Transition{
		At: m.at, From: r.Phase, To: r.Phase, Stage: r.Stage, Weights: r.Weights,
		Actor: cmp.Or(c.Actor, self), Reason: c.Reason, Verdict: v,
	})
	m.announce(AnnounceCut, "%s is at 0%%, its share is on %s; %s", c.Version, r.From, c.Reason)
	// The state says it now; left in place the cut would hold up every raise of
	// the candidates that are still under trial.
	m.emit(DropCuts{})
}

// stableBreaks turns a roll-back that stable's own trouble explains into a pause
// on stable.
func (m *machine) stableBreaks(rule string) {
	r, s := &m.Rollout, &m.Service
	switch {
	case r.Phase != RolledBack || m.elapsed > SharedWindow:
		return
	case r.Verdict == nil || r.Verdict.Rule != rule || r.Held == nil:
		return
	case s.Rollout != "" || s.Stable != r.From || s.Weights[s.Stable] != configs.Whole:
		return
	}
	m.weigh(m.allOn(r.From))
	v := *r.Verdict
	v.Kind = analysis.Shared
	reason := fmt.Sprintf("shared: stable version %s broke %s too, within %s of the cut; on stable until a person resumes or aborts", r.From, rule, SharedWindow)
	m.become(Paused, self, reason, &v)
	r.Resume = m.phaseOf(r.Held)
	m.announce(AnnouncePaused, "%s", reason)
}

// revisionChanged starts over with another build of the candidate.
func (m *machine) revisionChanged(ev RevisionChanged) {
	r := &m.Rollout
	if r.Phase.Final() || r.Phase == Queued || r.Ending != nil || !slices.Contains(r.Candidates, ev.Version) || ev.Version == r.To && ev.Revision == r.Revision {
		return
	}
	if ev.Version == r.To {
		r.Revision = ev.Revision
	}
	reason := fmt.Sprintf("%s is another build now (revision %q): starting over", ev.Version, ev.Revision)
	phase := r.Phase
	m.freshen()
	m.askAnew()
	r.Approvals, r.Asked, r.Told, r.Overridden = nil, 0, 0, nil // they were for the build before
	switch {
	case m.gated():
		// What was checked and approved is another build.
		m.backToPending(reason)
		return
	case r.onStable():
		m.emit(DropCuts{})
		r.Stage = 0
		if r.manual() {
			break
		}
		r.Held = m.stageWeights(0)
	case !r.manual() && r.Stage >= 0:
		r.Stage, r.Passed = 0, false
		m.weigh(m.stageWeights(0))
	}
	m.restart(phase, reason)
}

// restart records a start over in the phase that follows from the one before: a
// pause stays a pause, a bake is a stage again.
func (m *machine) restart(phase Phase, reason string) {
	r := &m.Rollout
	resume := r.Resume
	if !r.manual() && phase == Baking {
		phase = m.phaseOf(r.Weights)
	}
	if !r.manual() && resume == Baking {
		resume = m.phaseOf(r.Weights)
	}
	m.repin()
	m.become(phase, self, reason, nil)
	r.Resume = resume
	m.announce(AnnounceRestarted, "%s", reason)
}

// supersede ends the rollout for another. Its weights are for the other to take over.
func (m *machine) supersede(ev Supersede) error {
	r := &m.Rollout
	if r.Phase.Final() {
		return r.illegal("", "cannot supersede rollout %q: it is over (%s)", r.ID, r.Phase)
	}
	reason := fmt.Sprintf("superseded by %s", ev.By)
	if r.Phase == Queued {
		m.leave(Superseded, AnnounceSuperseded, cmp.Or(ev.Actor, self), reason)
		return nil
	}
	m.become(Superseded, cmp.Or(ev.Actor, self), reason, nil)
	m.announce(AnnounceSuperseded, "%s", reason)
	return nil
}
