package control

import (
	"cmp"
	"fmt"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/release"
	"github.com/weirproxy/weir/control/rollout"
)

// requiresEvery is how often it is looked up what environments lack while nothing
// changes: time passes, and endpoints come and go.
const requiresEvery = time.Second

// lacking is what the environments that a trial's plan requires lack, as of a moment.
type lacking struct {
	at      time.Time
	board   *release.Board
	missing []rollout.Missing
}

// required is what environments lack for a rollout in force.
func (c *Controller) required(t *trial, plan *configs.Rollout, now time.Time) []rollout.Missing {
	if len(plan.Requires) == 0 {
		return nil
	}
	board := c.mirror.whereabouts()
	if since := now.Sub(t.lacks.at); t.lacks.board != board || since < 0 || since >= requiresEvery {
		t.lacks = lacking{now, board, c.lacks(plan, now)}
	}
	return t.lacks.missing
}

// lacks is what the environments that a plan requires lack now; empty: nothing.
func (c *Controller) lacks(plan *configs.Rollout, now time.Time) []rollout.Missing {
	if len(plan.Requires) == 0 {
		return nil
	}
	up := func(service string) bool { return c.ready(service, c.mirror.states[service].value.Stable) }
	application := c.mirror.services[plan.Service].value.Application
	return c.mirror.whereabouts().Requires(application, cmp.Or(plan.Release, plan.To), plan.Requires, up, now)
}

// notReady says what keeps a plan from beginning that has nothing to do with its
// candidate, one sentence each.
func (c *Controller) notReady(plan *configs.Rollout, now time.Time) []string {
	var all []string
	for _, m := range c.lacks(plan, now) {
		all = append(all, m.At(now))
	}
	if f := c.frozen(plan.Service, now); f != nil {
		all = append(all, f.String())
	}
	return all
}

// requireLine is one environment that a plan requires, as a step of it.
func requireLine(q configs.Require, version string) string {
	if q.Application != "" {
		version += " of " + q.Application
	}
	line := fmt.Sprintf("before the first user: %s live in %s", version, q.Environment)
	if q.For > 0 {
		line += fmt.Sprintf(" for %s", q.For)
	}
	return line
}
