package control

import (
	"context"
	"encoding/json"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/control/rollout"
)

// find looks for what is known of a rollout that came into force here, on this
// node's disk and in etcd, and then opens its trial. Nothing is judged until
// then: a judge that began without its past would spend its promise twice.
// Running says that the rollout may have been judged here before.
func (c *Controller) find(id string, running bool) {
	c.opening[id] = true
	c.work(func(context.Context) func() {
		raw, ok, err := c.opts.Store.LoadFuse(id)
		return func() {
			delete(c.opening, id)
			var known *evidence
			if ok && err == nil {
				known = new(evidence)
				err = json.Unmarshal(raw, known)
			}
			if err != nil {
				c.log.Error("fuse cannot be read", zap.String("rollout", id), zap.Error(err))
				known, running = nil, true
			}
			if stored, ok := c.mirror.evidence[id]; ok && c.mine(c.mirror.rollouts[id].value, stored.value) &&
				(known == nil || newerEvidence(stored.value, *known)) {
				known = &stored.value
			}
			c.open(id, known, running)
		}
	})
}

// mine reports whether evidence in etcd is this node's to go on from: its own,
// or that of the one node whose place it takes. In a fleet each node bets for
// itself, and what another won would count twice.
func (c *Controller) mine(r rollout.State, e evidence) bool {
	return r.Nodes <= 1 || e.Node == c.opts.Node
}

func newerEvidence(a, b evidence) bool {
	if a.Stretch.Generation != b.Stretch.Generation {
		return a.Stretch.Generation > b.Stretch.Generation
	}
	return a.Judged > b.Judged
}

// open begins or resumes the trial of a rollout in force. Known is what to go on
// from. Nil with running says that it is lost: a fuse of a fleet then has no say
// until the rollout ends, and a node alone begins again, loudly.
func (c *Controller) open(id string, known *evidence, running bool) {
	r, ok := c.mirror.rollouts[id]
	if !ok || c.trials[id] != nil || r.value.Phase.Final() || c.mirror.states[r.value.Service].value.Rollout != id {
		return
	}
	doc := c.mirror.services[r.value.Service].value
	t, err := newTrial(r.value, doc, c.tick(), known)
	if err != nil {
		c.log.Error("evidence cannot be used", zap.String("rollout", id), zap.Error(err))
		known, running = nil, true
		if t, err = newTrial(r.value, doc, c.tick(), nil); err != nil {
			c.log.Error("rollout not judged", zap.String("rollout", id), zap.Error(err))
			return
		}
	}
	running = running && r.value.Phase != rollout.Pending
	t.lost = known == nil && running && r.value.Nodes > 1
	t.follow(r.value)
	t.arm(c.opts.Recorders)
	t.place = len(c.trials)
	c.trials[id] = t
	switch {
	case t.lost:
		c.log.Error("evidence lost: this node has no fuse until the rollout ends", zap.String("rollout", id))
	case known == nil && running:
		c.log.Error("evidence lost: the promise of the rollout starts anew", zap.String("rollout", id))
	case known != nil:
		c.log.Info("trial resumed", zap.String("rollout", id), zap.Duration("stage_elapsed", t.stageElapsed), zap.Duration("elapsed", t.elapsed))
	}
}
