package dashboard

import (
	"fmt"
	"strings"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/rollout"
)

// stage is one step on the way of a rollout.
type stage struct {
	Name  string
	What  string // weight, copies, chosen users
	Lasts string
	State string // done, now, broken, skipped or next
	Done  int    // of the time of the present one, in basis points
	Note  string
}

// stagesOf are the steps of a plan: its stages, the bake, and that the candidate
// is stable. Weights by hand have none.
func stagesOf(r *api.Rollout) []stage {
	if r.Plan == nil || len(r.Plan.Stages) == 0 {
		return nil
	}
	var out []stage
	for i := range r.Plan.Stages {
		s := &r.Plan.Stages[i]
		one := stage{Name: s.Name, What: whatOf(r.Plan.Stages, i), State: stateOf(r, i)}
		if one.Name == "" {
			one.Name = fmt.Sprintf("Stage %d", i+1)
		}
		if s.Duration > 0 {
			one.Lasts = span(s.Duration.Std())
		}
		if i == 0 && len(r.Plan.Requires) > 0 {
			one.Note = "after " + environments(r.Plan.Requires)
		}
		if s.Approval != "" {
			one.Note = strings.TrimPrefix(one.Note+", after approval", ", ")
		}
		if s.Pause {
			one.Note = "then waits for a person"
		}
		if one.State == "now" && r.StageLength > 0 {
			one.Done = int(10_000 * min(1, r.StageElapsed/r.StageLength))
		}
		out = append(out, one)
	}
	if r.Plan.Bake > 0 {
		out = append(out, bakeOf(r))
	}
	last := stage{Name: r.To + " is stable", State: "next"}
	switch {
	case r.Phase == rollout.Succeeded:
		last.State = "done"
	case r.Phase.Final():
		last.State = "skipped"
	}
	return append(out, last)
}

// environments are the names of those that a plan requires.
func environments(requires []configs.Require) string {
	var names []string
	for _, q := range requires {
		names = append(names, q.Environment)
	}
	return strings.Join(names, " and ")
}

func bakeOf(r *api.Rollout) stage {
	s := stage{Name: "Bake", What: "watched before it is stable", Lasts: span(r.Plan.Bake.Std()), State: "next"}
	switch {
	case r.Phase == rollout.Baking:
		s.State, s.Done = "now", int(10_000*min(1, r.StageElapsed/r.Plan.Bake.Std().Seconds()))
	case r.Phase == rollout.Succeeded:
		s.State = "done"
	case r.Phase.Final():
		s.State = "skipped"
	}
	return s
}

// stateOf is where stage i stands.
func stateOf(r *api.Rollout, i int) string {
	passed := r.Phase == rollout.Succeeded || r.Phase == rollout.Baking && !r.Plan.Switches()
	switch {
	case i < r.Stage || passed:
		return "done"
	case r.Phase.Final() && i == r.Stage:
		return "broken"
	case r.Phase.Final():
		return "skipped"
	case i == r.Stage && r.Phase != rollout.Baking:
		return "now"
	case i == r.Stage:
		return "done"
	}
	return "next"
}

// whatOf says what a stage gives the candidate.
func whatOf(stages []configs.Stage, i int) string {
	text := ""
	if s := &stages[i]; s.Mirror > 0 {
		text = "copies of " + s.Mirror.String()
	} else if len(s.Match) > 0 {
		text = "chosen users"
	}
	w, ok := weightAt(stages, i)
	switch {
	case ok && text != "" && w > 0:
		return w.String() + ", " + text
	case text != "":
		return text
	case ok:
		return w.String()
	}
	return "as before"
}

// weightAt is the weight of stage i: its own, or that of the one before.
func weightAt(stages []configs.Stage, i int) (configs.Weight, bool) {
	for ; i >= 0; i-- {
		if stages[i].Weight != nil {
			return *stages[i].Weight, true
		}
	}
	return 0, false
}
