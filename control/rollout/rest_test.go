package rollout

import (
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
)

// That a rollout which rests is not moved by a tick is held in the walks and the
// transcripts; here is that those rest which are mostly looked at.
func TestPair_RestsInTheMiddleOfAStage(t *testing.T) {
	f := func(name string, change func(p *Pair), elapsed time.Duration, want bool) {
		t.Helper()
		p := beginnings(t)["bake"]
		p.Rollout.Phase, p.Rollout.Stage, p.Rollout.WaitingFor = Progressing, 1, WaitNothing
		change(&p)
		if got := elapsed < p.Rest(); got != want {
			t.Errorf("%s: rests %v, want %v", name, got, want)
		}
	}
	within, over := 10*time.Second-1, 10*time.Second
	f("a stage under way", func(*Pair) {}, within, true)
	f("a stage that had its time", func(*Pair) {}, over, false)
	f("a stage that may end early", func(p *Pair) { p.Rollout.Plan.Stages[1].Early = true }, within, false)
	f("a bake under way", func(p *Pair) { p.Rollout.Phase = Baking }, within, true)
	f("a bake that had its time", func(p *Pair) { p.Rollout.Phase = Baking }, over, false)
	f("weights by hand", func(p *Pair) { *p = beginnings(t)["manual"] }, time.Hour, true)
	f("a pause", func(p *Pair) { p.Rollout.Phase, p.Rollout.Resume = Paused, Progressing }, over, true)
	f("a candidate that must come up", func(p *Pair) { p.Rollout.Phase = Pending }, 0, false)
	f("an end", func(p *Pair) { p.Rollout.Phase = Succeeded }, 0, false)
	f("a wait", func(p *Pair) { p.Rollout.WaitingFor = WaitHealth }, within, false)
	f("an abort in steps", func(p *Pair) { p.Rollout.Ending = &Ending{} }, within, false)
	f("a hook of the plan", func(p *Pair) { p.Rollout.Plan.Hooks = []configs.Hook{{}} }, within, false)
	f("a hook of a stage", func(p *Pair) { p.Rollout.Plan.Stages[1].Hooks = []configs.Hook{{}} }, within, false)
}
