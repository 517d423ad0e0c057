package control

import (
	"context"
	"time"

	"github.com/weirproxy/weir/control/measure"
	"github.com/weirproxy/weir/control/rollout"
)

// runSmoke makes the smoke checks of a candidate that no user is on yet. The
// state machine asks until it is answered: one run is under way at a time.
func (c *Controller) runSmoke(run rollout.RunSmoke) {
	t := c.trials[c.mirror.states[run.Service].value.Rollout]
	if t == nil || !c.leading {
		return
	}
	const what = "smoke run"
	if g := t.gauges; g.busy[what] || g.run != nil && g.run.Run == run.Run && g.run.Generation == run.Generation {
		return
	}
	t.gauges.busy[what] = true
	doc := c.mirror.services[run.Service].value
	endpoints := c.askable(doc, run.Version)
	c.work(func(ctx context.Context) func() {
		failed := "there is no endpoint"
		if len(endpoints) > 0 {
			failed = measure.SmokeAll(ctx, c.calls, endpoints, run.Checks, doc.Timeout.Std())
		}
		if ctx.Err() != nil {
			return nil
		}
		return c.whileOf(t, what, func() {
			t.gauges.run = &rollout.SmokeDone{At: time.Now(), Generation: run.Generation, Run: run.Run, Passed: failed == "", Text: failed}
		})
	})
}

// smokeDone is a run that the state does not say yet.
func (t *trial) smokeDone(r rollout.State) *rollout.SmokeDone {
	run := t.gauges.run
	if run == nil || run.Generation != r.Generation || r.Smoke != nil && r.Smoke.Runs >= run.Run {
		t.gauges.run = nil
		return nil
	}
	return run
}
