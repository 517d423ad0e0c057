package control

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
	"github.com/weirproxy/weir/proxy/route"
)

// update takes in what the store delivered and publishes what follows from it.
func (c *Controller) update(u store.Update, now time.Time) {
	c.stirred++
	before := make(map[string]rollout.State)
	for _, kv := range u.Puts {
		if prefix, id := split(kv.Key); prefix == store.Rollouts {
			before[id] = c.mirror.rollouts[id].value
		}
	}
	source := c.mirror.source
	ch := c.mirror.apply(u)
	c.dropKills()
	c.reportBad()
	c.logAudit(u)
	if !c.loaded || source != u.Source {
		c.log.Info("state loaded", zap.Stringer("source", u.Source), zap.Int64("revision", u.Revision),
			zap.Int("services", len(c.mirror.services)), zap.Int("rollouts", len(c.mirror.rollouts)))
	}
	first := !c.loaded
	c.loaded = true
	if u.Full {
		c.forgetRevisions()
		clear(c.postman.sent) // what etcd brought back from before is told again
	}
	if ch.served || u.Full {
		c.syncTrials(now, first || source != u.Source)
		c.publish()
		c.dropCuts()
	}
	if u.Full && u.Source == store.SourceEtcd {
		c.sweepFuses()
	}
	c.stepCuts(ch.cuts, now)
	if ch.told {
		c.frost = freezes{}
	}
	c.unshown = c.unshown || ch.served || ch.audit || ch.told
	if first || len(ch.rollouts) > 0 {
		c.show(now) // who hears of it looks it up
	}
	for _, id := range ch.rollouts {
		if !first {
			c.tell(before[id], c.mirror.rollouts[id].value, now)
		}
	}
	c.ensureKeys(now)
	c.announce(now)
	c.wake()
}

// stepCuts answers new cuts at once instead of at the next look.
func (c *Controller) stepCuts(ids []string, now time.Time) {
	fence, leading := c.opts.Store.Leader()
	for _, id := range ids {
		t := c.trials[id]
		if pair, ok := c.mirror.pair(id); ok && leading && t != nil {
			c.hurry(t.service)
			c.step(t, pair, now, fence)
		}
	}
}

// reportBad logs every stored value that cannot be read, once.
func (c *Controller) reportBad() {
	for key, why := range c.mirror.bad {
		if !c.known[key] {
			c.known[key], c.unsaid = true, true
			c.log.Error("stored value kept at its last good form", zap.String("key", key), zap.String("reason", why))
		}
	}
	for key := range c.known {
		if _, ok := c.mirror.bad[key]; !ok {
			delete(c.known, key)
			c.unsaid = true
		}
	}
}

// ensureKeys makes the cluster's cookie keys where there are none: new ones, or
// those that this node signed with before etcd lost them. Whoever comes first wins.
func (c *Controller) ensureKeys(now time.Time) {
	if !c.loaded || c.mirror.source != store.SourceEtcd || c.mirror.keysStored || c.creatingKeys || now.Sub(c.keysTried) < time.Second {
		return
	}
	c.creatingKeys, c.keysTried = true, now
	value := c.mirror.rawKeys
	c.work(func(ctx context.Context) func() {
		err := c.createKeys(ctx, value)
		return func() {
			c.creatingKeys = false
			if err != nil {
				c.log.Error("cookie keys not created; it is tried again", zap.Error(err))
			}
		}
	})
}

// createKeys puts value back as it was, down to what this release cannot read
// of it; nil makes new keys.
func (c *Controller) createKeys(ctx context.Context, value []byte) error {
	if value == nil {
		keys, err := route.NewKeyring(rand.Reader)
		if err != nil {
			return err
		}
		if value, err = keys.Marshal(); err != nil {
			return err
		}
	}
	_, err := c.opts.Store.Commit(ctx, store.Txn{
		If:   []store.Compare{store.Absent(store.CookieKey)},
		Then: []store.Op{store.Put(store.CookieKey, value)},
	})
	return err
}

// announce writes what this node has applied under its lease, so that raises
// and `?wait=applied` know.
func (c *Controller) announce(now time.Time) {
	// Ten a second keep up with a person's waits and spare etcd in a burst.
	if c.mirror.source != store.SourceEtcd || c.mirror.relevant == c.announced && !c.unsaid || now.Sub(c.said) < sayEvery {
		return
	}
	c.announced, c.said, c.unsaid = c.mirror.relevant, now, false
	value, err := json.Marshal(nodeRecord{
		Boot: c.opts.Boot, Version: c.opts.Version, Revision: c.announced, Refused: c.unread(), SchemaMax: c.mirror.schema, At: now,
	})
	if err != nil {
		panic(fmt.Sprintf("BUG: cannot encode the node's record: %v", err))
	}
	c.opts.Store.Announce(value)
}

// tell logs and publishes how a rollout changed.
func (c *Controller) tell(was, is rollout.State, now time.Time) {
	if is.ID == "" || (was.Phase == is.Phase && was.Stage == is.Stage && sameWeights(was.Weights, is.Weights) && was.WaitingFor == is.WaitingFor) {
		return
	}
	fields := []zap.Field{
		zap.String("service", is.Service), zap.String("rollout", is.ID), zap.String("from", string(was.Phase)),
		zap.String("to", string(is.Phase)), zap.Int("stage", is.Stage), zap.String("reason", is.Reason),
	}
	if is.Phase == rollout.RolledBack {
		c.log.Warn("rollout changed", fields...)
	} else {
		c.log.Info("rollout changed", fields...)
	}
	c.hub.publish(Event{At: now, Kind: "rollout", Service: is.Service, Rollout: is.ID, Phase: is.Phase, Verdict: is.Verdict, Text: describe(is)})
}

// describe is one line about where a rollout stands.
func describe(s rollout.State) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s → %s: %s", s.From, s.To, s.Phase)
	if n := len(s.Plan.Stages); n > 0 && s.Stage >= 0 && !s.Phase.Final() {
		fmt.Fprintf(&b, ", stage %d of %d", s.Stage+1, n)
	}
	if w, ok := s.Weights[s.To]; ok {
		fmt.Fprintf(&b, ", %s at %s", s.To, w)
	}
	if s.WaitingFor != rollout.WaitNothing {
		fmt.Fprintf(&b, ", waiting for %s", s.WaitingFor)
	}
	if s.Reason != "" {
		fmt.Fprintf(&b, " (%s)", s.Reason)
	}
	return b.String()
}

// failed reports whether v asks for the traffic to be put back.
func failed(v analysis.Verdict) bool {
	return v.Kind == analysis.Fail && (v.Action == "" || v.Action == analysis.Rollback)
}
