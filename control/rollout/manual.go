package rollout

import (
	"slices"

	"github.com/weirproxy/weir/configs"
)

// setWeights moves the weights of a manual rollout. Its set of candidates stays:
// another set is another trial, with its own evidence.
func (m *machine) setWeights(ev SetWeights) error {
	r := &m.Rollout
	if r.Phase.Final() {
		return &Refusal{Kind: NeedsNew, Text: "rollout " + r.ID + " is over", Hint: "the weights open a new rollout"}
	}
	if !r.manual() {
		return r.illegal("", "cannot set weights of service %q by hand: rollout %q moves them by its plan", r.Service, r.ID)
	}
	if err := checkWeights(ev.Weights); err != nil {
		return invalid(hintWeights, "cannot set weights of service %q: %s", r.Service, err)
	}
	trial := onTrial(ev.Weights, r.From)
	if len(trial) == 0 {
		// As in an abort: what leaves the candidates need not wait for the state.
		for _, version := range onTrial(r.Weights, r.From) {
			m.emit(CutNow{m.cut(version, person(ev.Actor), returned, m.at)})
		}
		m.fallBack(Aborted, AnnounceAborted, ev.Actor, returned, nil)
		return nil
	}
	if !slices.Equal(trial, onTrial(r.Weights, r.From)) {
		return &Refusal{
			Kind: NeedsNew,
			Text: "other versions than those of rollout " + r.ID + " would be under trial",
			Hint: "a new rollout supersedes it",
		}
	}
	if sameWeights(ev.Weights, r.Weights) {
		return nil
	}
	m.weighAll(ev.Weights)
	m.reweighed(ev.Actor)
	return nil
}

// returned is why a manual rollout ended on stable.
const returned = "all weight returned to stable by hand"

// reweighed enters the phase that the new weights call for. A pause stays one.
func (m *machine) reweighed(actor string) {
	r := &m.Rollout
	phase := m.phaseOf(r.Weights)
	reason := byWhom("weights set", actor, "")
	paused := r.Phase == Paused
	if !paused {
		r.HoldFrom = 0
		m.become(phase, actor, reason, nil)
	} else {
		m.become(Paused, actor, reason, nil)
		r.Resume = phase
	}
	m.announce(AnnounceWeights, "%s; %s", describe(r.Weights), reason)
}

// weighAll sets weights by hand; versions left out are shown with none.
func (m *machine) weighAll(weights map[string]configs.Weight) {
	full := map[string]configs.Weight{m.Rollout.From: 0}
	for _, version := range m.Rollout.Candidates {
		full[version] = 0
	}
	for version, weight := range weights {
		if weight > 0 {
			full[version] = weight
		}
	}
	m.weigh(full)
}
