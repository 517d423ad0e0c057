package control

import (
	"maps"
	"slices"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/proxy/stats"
)

// syncTrials makes the trials those of the rollouts in force.
// Fresh says that the state was not followed until now.
func (c *Controller) syncTrials(now time.Time, fresh bool) {
	for id, t := range c.trials {
		r, ok := c.mirror.rollouts[id]
		inForce := ok && !r.value.Phase.Final() && c.mirror.states[r.value.Service].value.Rollout == id
		switch {
		case inForce && r.value.Generation != t.stretch.Generation:
			t.disarm()
			delete(c.trials, id)
			c.open(id, nil, false)
		case inForce:
			t.ended = time.Time{}
			t.follow(r.value)
		case t.ended.IsZero():
			t.ended = now
			c.keepReport(t)
		}
	}
	for service, state := range c.mirror.states {
		id := state.value.Rollout
		r, ok := c.mirror.rollouts[id]
		if id == "" || !ok || r.value.Phase.Final() || c.trials[id] != nil || c.opening[id] {
			continue
		}
		if _, ok := c.mirror.services[service]; ok {
			c.find(id, fresh)
		}
	}
	for name, state := range c.mirror.states {
		if was, ok := c.seen[name]; !ok || was != state.mod {
			c.seen[name], c.raisedAt[name] = state.mod, now
		}
	}
	for name := range c.seen {
		if _, ok := c.mirror.states[name]; !ok {
			delete(c.seen, name)
			delete(c.raisedAt, name)
			delete(c.turns, name)
		}
	}
}

// endTrial lets go of a rollout whose aftermath is over.
func (c *Controller) endTrial(t *trial) {
	t.disarm()
	c.shelve(t)
	delete(c.trials, t.id)
	if len(c.cuts[t.id]) > 0 {
		c.dropCuts()
		return
	}
	c.forget(t.id)
}

// lastReport is how a rollout's rules stood when it left force.
type lastReport struct {
	rules   []analysis.RuleReport
	elapsed time.Duration
}

// maxReports bounds how many ended rollouts keep their rules for `why`.
const maxReports = 50

func (c *Controller) keepReport(t *trial) {
	c.reports[t.id] = lastReport{rules: t.report(), elapsed: t.elapsed}
	if len(c.reports) <= maxReports {
		return
	}
	ids := slices.SortedFunc(maps.Keys(c.reports), func(a, b string) int {
		return c.mirror.rollouts[a].value.StartedAt.Compare(c.mirror.rollouts[b].value.StartedAt)
	})
	delete(c.reports, ids[0])
}

// tick is the dispatch tick that is being filled.
func (c *Controller) tick() uint32 { return stats.TickOf(c.opts.Now()) }
