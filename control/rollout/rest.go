package rollout

import (
	"math"
	"slices"
	"time"

	"github.com/weirproxy/weir/configs"
)

// Rest returns the stage time before which a Tick has no effect and nothing to write,
// whatever it says, unless a verdict in it is a failure or Observed has one; 0: it may
// have at any time. Who looks many times a second at a rollout in the middle of its
// stage need not take it through a Step each time. It promises nothing of a pair that
// Step does not take.
func (p *Pair) Rest() time.Duration {
	const always = time.Duration(math.MaxInt64)
	r := &p.Rollout
	if r.Ending != nil || r.asks() {
		return 0
	}
	switch {
	case r.Phase == Paused:
		return always
	case r.WaitingFor != WaitNothing, len(r.Missing) > 0:
		return 0
	case r.Phase == Baking:
		return r.Plan.Bake.Std()
	case r.Phase != Progressing:
		return 0
	case r.manual():
		return always
	}
	stage := &r.Plan.Stages[r.Stage]
	if stage.Early {
		return 0
	}
	return stage.Duration.Std()
}

// asks reports whether the plan has hooks, which may be asked at any time.
func (s *State) asks() bool {
	return len(s.Plan.Hooks) > 0 || slices.ContainsFunc(s.Plan.Stages, func(stage configs.Stage) bool { return len(stage.Hooks) > 0 })
}
