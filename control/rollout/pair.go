package rollout

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/weirproxy/weir/configs"
)

// Pair is what one transaction writes: a rollout and the state of its service.
// Step never changes the maps and slices of a Pair that it was given.
type Pair struct {
	Rollout State
	Service Service
}

// Equal reports whether there is nothing to write.
func (p Pair) Equal(q Pair) bool { return reflect.DeepEqual(p, q) }

// InForce reports whether the rollout decides the weights of its service.
func (p Pair) InForce() bool {
	return !p.Rollout.Phase.Final() && p.Service.Rollout == p.Rollout.ID
}

// Raises reports whether writing p over before could give traffic to a version
// that a cut, not seen yet, took it from: any version but the stable one gets
// more weight, the stable one changes, the rollout leaves force with weight off
// stable, or older cuts become void. The transaction must then also compare that
// no cut of before's rollout exists; with DropCuts, none but those that it deletes.
func (p Pair) Raises(before Pair) bool {
	if p.Service.Stable != before.Service.Stable {
		return true
	}
	left := before.Service.Rollout != "" && p.Service.Rollout != before.Service.Rollout
	renewed := before.Service.Rollout != "" && p.Service.Generation > before.Service.Generation
	if p.Service.raisesBeside(before.Service) {
		return true
	}
	for version, weight := range p.Service.Weights {
		if version == before.Service.Stable || weight == 0 {
			continue
		}
		if weight > before.Service.Weights[version] || left || renewed {
			return true
		}
	}
	return false
}

// Voids reports whether c says nothing about the rollout in force any more: it
// is of another one, of an older generation, or its version has no weight left.
// A cut that does not count any more may be deleted; one that is merely spent
// (no weight left) still counts in a table.
func (s Service) Voids(c Cut) bool {
	return !s.Counts(c) || !s.Reaches(c.Version)
}

// Counts reports whether c is of the rollout in force and of its present
// generation: its version gets nothing, whatever the weights say. A person's
// abort is of the whole rollout, so it counts in every generation.
func (s Service) Counts(c Cut) bool {
	if c.Rollout == "" || c.Rollout != s.Rollout || c.Version == s.Stable {
		return false
	}
	return c.Actor != "" || c.Generation >= s.Generation
}

// Stretch names the span that stage time is measured over. When it differs from
// the one before, elapsed starts at 0; a pause does not change it, and stage time
// stands still meanwhile.
type Stretch struct {
	Generation int   `json:"generation"`
	Stage      int   `json:"stage"`
	Phase      Phase `json:"phase"`
}

// Stretch returns the present span.
func (s State) Stretch() Stretch {
	phase := s.Phase
	switch {
	case s.Ending != nil:
		phase = Aborted
	case phase == Paused:
		phase = s.Resume
	}
	return Stretch{Generation: s.Generation, Stage: s.Stage, Phase: phase}
}

// Allowed returns the verbs that the rollout takes now. `retry` is a new rollout
// of the same plan, made with New.
func (s State) Allowed() []string {
	var verbs []string
	if s.Ending != nil {
		return []string{"abort", "undo"}
	}
	switch s.Phase {
	case Queued:
		return []string{"abort", "undo"}
	case Pending, Progressing, Baking:
		verbs = []string{"pause", "promote", "abort", "undo"}
	case Paused:
		verbs = []string{"resume", "promote", "abort", "undo"}
	case Succeeded:
		return []string{"undo"}
	case RolledBack, Aborted, Failed, Superseded:
		if s.Strategy != configs.StrategyManual {
			return []string{"retry"}
		}
		return nil
	}
	if s.WaitingFor == WaitApproval {
		verbs = append([]string{"approve"}, verbs...)
	}
	if slices.ContainsFunc(s.Missing, ofEnvironment) {
		verbs = append([]string{"override"}, verbs...)
	}
	if !s.promotable() {
		verbs = slices.DeleteFunc(verbs, func(v string) bool { return v == "promote" })
	}
	return verbs
}

// promotable reports whether a person may promote a rollout that is not final.
func (s State) promotable() bool {
	switch {
	case s.Phase == Queued, s.Phase == Pending && s.WaitingFor == WaitHealth:
		return false
	case s.onStable():
		return false // a shared break: it must be resumed and judged first
	}
	return !s.manual() || len(onTrial(s.Weights, s.From)) == 1
}

// onStable reports whether the rollout is paused after a break that stable shared.
func (s State) onStable() bool { return s.Phase == Paused && s.Held != nil }

// manual reports whether weights are moved by hand.
func (s State) manual() bool { return s.Strategy == configs.StrategyManual }

// AbortCuts returns what a person's abort takes to 0 on a node, before and
// whether or not the state can be written: one cut a candidate.
func AbortCuts(p Pair, node, boot, actor, reason string, at time.Time) []Cut {
	cuts := make([]Cut, 0, len(p.Rollout.Candidates))
	for _, version := range p.Rollout.Candidates {
		c := p.cut(version, person(actor), byWhom("aborted", actor, reason), at)
		c.Node, c.Boot = node, boot
		cuts = append(cuts, c)
	}
	return cuts
}

func (p Pair) cut(version, actor, reason string, at time.Time) Cut {
	return Cut{
		Rollout:    p.Rollout.ID,
		Service:    p.Rollout.Service,
		Version:    version,
		Generation: p.Rollout.Generation,
		At:         at,
		Actor:      actor,
		Reason:     reason,
	}
}

// byWhom is a sentence: "aborted by ana: reason".
func byWhom(what, actor, reason string) string {
	text := fmt.Sprintf("%s by %s", what, person(actor))
	if reason != "" {
		text += ": " + reason
	}
	return text
}

// person is the actor of what a person did. It is never empty: a cut without an
// actor is the judge's.
func person(actor string) string { return cmp.Or(actor, "somebody") }
