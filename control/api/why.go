package api

import (
	"fmt"
	"slices"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/rollout"
)

// Why explains a rollout: what was measured, what followed, who did it.
type Why struct {
	Text     string       `json:"text" doc:"What happened, in a few sentences"`
	Rollout  Rollout      `json:"rollout"`
	Decision *Decision    `json:"decision,omitempty" doc:"What decided it; absent while nothing has"`
	Rules    []Rule       `json:"rules" doc:"The deciding rule first"`
	Evidence []Evidence   `json:"evidence" doc:"How the evidence of each counted rule went; empty: this node kept nothing"`
	Around   *Around      `json:"around,omitempty" doc:"What both versions did in the ten seconds up to the decision, by its rule"`
	Cuts     []Cut        `json:"cuts"`
	History  []Transition `json:"history" doc:"Oldest first"`
	Actor    string       `json:"actor" doc:"Who made the last change: a person, or weir"`
	Revision int64        `json:"revision" doc:"Of the rollout's state"`
}

func whyOf(v *control.RolloutView, recording *control.Recording) Why {
	w := Why{
		Rollout:  summaryOf(v),
		Rules:    rulesOf(v.Rules),
		Evidence: evidenceOf(recording),
		Cuts:     cutsOf(v.Cuts),
		History:  historyOf(v.State.History),
		Actor:    actorWeir,
		Revision: v.ModRevision,
	}
	w.Decision = w.Rollout.Decision
	w.Around = aroundOf(recording, v.State.To, w.Decision)
	if n := len(w.History); n > 0 {
		w.Actor = w.History[n-1].Actor
	}
	if w.Decision != nil {
		slices.SortStableFunc(w.Rules, func(x, y Rule) int { return order(x, w.Decision) - order(y, w.Decision) })
	}
	w.Text = storyOf(&w)
	return w
}

// order puts the deciding rule first.
func order(r Rule, d *Decision) int {
	if r.Rule == d.Rule {
		return 0
	}
	return 1
}

// storyOf is the first thing that a person on call reads.
func storyOf(w *Why) string {
	r := &w.Rollout
	text := outcomeOf(r)
	switch {
	case w.Decision != nil && w.Decision.Verdict == analysis.Fail && w.Decision.Text != "":
		text += " " + sentence(w.Decision.Text)
	default:
		for _, reason := range r.Standing() {
			text += " " + sentence(reason)
		}
	}
	if r.InForce && len(w.Cuts) > 0 {
		text += fmt.Sprintf(" %s took %s to 0 ahead of the shared state.", w.Cuts[0].Node, w.Cuts[0].Version)
	}
	return text
}

func outcomeOf(r *Rollout) string {
	switch r.Phase {
	case rollout.RolledBack:
		return fmt.Sprintf("weir put all traffic of %s back on %s: %s was proven worse.", r.Service, r.From, r.To)
	case rollout.Aborted:
		return fmt.Sprintf("A person put all traffic of %s back on %s.", r.Service, r.From)
	case rollout.Succeeded:
		return fmt.Sprintf("%s became the stable version of %s.", r.To, r.Service)
	case rollout.Failed:
		return fmt.Sprintf("%s never got user traffic of %s.", r.To, r.Service)
	case rollout.Superseded:
		return fmt.Sprintf("Another rollout of %s took the place of this one.", r.Service)
	case rollout.Paused:
		return fmt.Sprintf("%s is paused with %s at %s.", r.Service, r.To, r.Weights[r.To])
	case rollout.Baking:
		return fmt.Sprintf("%s has %s of %s and is watched before it becomes stable.", r.To, r.Weights[r.To], r.Service)
	case rollout.Progressing:
		return fmt.Sprintf("%s has %s of %s.", r.To, r.Weights[r.To], r.Service)
	}
	return fmt.Sprintf("%s of %s has no traffic yet.", r.To, r.Service)
}

// sentence ends a text with a full stop.
func sentence(s string) string {
	switch s[len(s)-1] {
	case '.', '!', '?':
		return s
	}
	return s + "."
}
