package control

import (
	"context"
	"encoding/json"

	"go.uber.org/zap"
)

// find looks for what is known of a rollout that came into force here, on this
// node's disk and in etcd, and then opens its trial. Nothing is judged until
// then: a judge that began without its past would spend its promise twice.
func (c *Controller) find(id string) {
	c.opening[id] = true
	c.work(func(context.Context) func() {
		raw, ok, err := c.opts.Store.LoadFuse(id)
		return func() {
			delete(c.opening, id)
			if err != nil {
				c.log.Warn("fuse not read", zap.String("rollout", id), zap.Error(err))
			}
			var known *evidence
			if ok && err == nil {
				var e evidence
				if err := json.Unmarshal(raw, &e); err == nil {
					known = &e
				}
			}
			// The leader's evidence stands for this node too if it is newer: it
			// led before, or etcd has seen more than its disk.
			if stored, ok := c.mirror.evidence[id]; ok && (known == nil || newerEvidence(stored.value, *known)) {
				known = &stored.value
			}
			c.open(id, known)
		}
	})
}

func newerEvidence(a, b evidence) bool {
	if a.Stretch.Generation != b.Stretch.Generation {
		return a.Stretch.Generation > b.Stretch.Generation
	}
	return a.Judged > b.Judged
}

// open begins or resumes the trial of a rollout in force.
func (c *Controller) open(id string, known *evidence) {
	r, ok := c.mirror.rollouts[id]
	if !ok || c.trials[id] != nil || r.value.Phase.Final() || c.mirror.states[r.value.Service].value.Rollout != id {
		return
	}
	doc := c.mirror.services[r.value.Service].value
	t, err := newTrial(r.value, doc, c.tick(), known)
	if err != nil {
		// Evidence of another policy proves nothing here; the promise starts anew.
		c.log.Error("evidence started anew", zap.String("rollout", id), zap.Error(err))
		if t, err = newTrial(r.value, doc, c.tick(), nil); err != nil {
			c.log.Error("rollout not judged", zap.String("rollout", id), zap.Error(err))
			return
		}
	}
	for version := range c.cuts[id] {
		for _, s := range t.sides {
			s.cut = s.cut || s.version == version
		}
	}
	t.follow(r.value)
	t.arm(c.opts.Recorders)
	c.trials[id] = t
	if known != nil {
		c.log.Info("trial resumed", zap.String("rollout", id), zap.Duration("stage_elapsed", t.stageElapsed), zap.Duration("elapsed", t.elapsed))
	}
}
