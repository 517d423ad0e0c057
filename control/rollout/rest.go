package rollout

import (
	"slices"
	"time"

	"github.com/weirproxy/weir/configs"
)

// Rests reports whether a Tick at this stage time has no effect and nothing to
// write, whatever it says, unless a verdict in it is a failure or Observed has one.
// It costs a hundredth of that Step: who looks many times a second at a rollout in
// the middle of its stage need not take it through each. False promises nothing, and
// true nothing of a pair that Step does not take.
func (p Pair) Rests(elapsed time.Duration) bool {
	r := &p.Rollout
	if r.Ending != nil || r.asks() {
		return false
	}
	switch {
	case r.Phase == Paused:
		return true
	case r.WaitingFor != WaitNothing, len(r.Missing) > 0:
		return false
	case r.Phase == Baking:
		return elapsed < r.Plan.Bake.Std()
	case r.Phase != Progressing:
		return false
	case r.manual():
		return true
	}
	stage := &r.Plan.Stages[r.Stage]
	return !stage.Early && elapsed < stage.Duration.Std()
}

// asks reports whether the plan has hooks, which may be asked at any time.
func (s *State) asks() bool {
	return len(s.Plan.Hooks) > 0 || slices.ContainsFunc(s.Plan.Stages, func(stage configs.Stage) bool { return len(stage.Hooks) > 0 })
}
