package control

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/control/release"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

// Retention of what nobody acts on any more.
const (
	keepRollouts = 1000
	keepAudit    = 90 * 24 * time.Hour
	maxAudit     = 5000
	pruneEvery   = 10 * time.Second
	pruneBatch   = 100 // etcd takes 128 writes in a transaction
)

// pruneRollouts deletes the oldest of too many rollouts, but those that tell which
// release a version in use is. What they were as deployments stays: figures reach
// further back than anybody asks why.
func (c *Controller) pruneRollouts() []store.Op {
	var ops []store.Op
	brought := map[versionID]bool{} // an older rollout says nothing of that version any more
	for i, id := range c.mirror.newestFirst() {
		r := c.mirror.rollouts[id].value
		to := versionID{r.Service, r.To}
		needed := !brought[to] && c.mirror.tells(&r)
		brought[to] = brought[to] || r.Phase == rollout.Succeeded
		if i < keepRollouts || !r.Phase.Final() || needed {
			continue
		}
		doc := c.mirror.services[r.Service].value
		if d, counts := release.FromRollout(&r, &doc); counts {
			if value, err := c.encode(nil, d); err == nil {
				ops = append(ops, store.Put(store.DeploymentKey(id), value))
			}
		}
		ops = append(ops, store.Delete(store.RolloutKey(id)))
	}
	return ops
}

// tells reports whether a rollout tells which release a version in use is.
func (m *mirror) tells(r *rollout.State) bool {
	s := m.states[r.Service].value
	return r.Plan.Release != "" && (s.Stable == r.To || s.Previous == r.To || s.Weights[r.To] > 0)
}

// prune deletes what is past its retention, and the cuts and evidence of
// rollouts that are over. Only the leader does it, a batch at a time.
func (c *Controller) prune(now time.Time, fence store.Compare) {
	if now.Sub(c.pruned) < pruneEvery {
		return
	}
	c.pruned = now
	ops := c.pruneRollouts()
	for id, byNode := range c.mirror.cuts {
		r, ok := c.mirror.rollouts[id]
		if ok && (!r.value.Phase.Final() || c.trials[id] != nil) {
			continue
		}
		for node := range byNode {
			ops = append(ops, store.Delete(store.CutKey(id, node)))
		}
	}
	for id := range c.mirror.evidence {
		if r, ok := c.mirror.rollouts[id]; !ok || r.value.Phase.Final() && c.trials[id] == nil {
			ops = append(ops, store.Delete(store.EvidenceKey(id)))
		}
	}
	keys := c.mirror.auditKeys()
	for i, k := range keys {
		if len(keys)-i <= maxAudit && now.Sub(c.mirror.audit[k].value.At) <= keepAudit {
			break // what comes after it is newer
		}
		ops = append(ops, store.Delete(store.Audit+k))
	}
	ops = append(ops, c.pruneOutbox(now)...)
	ops = append(ops, c.mirror.pruneDeployments()...)
	ops = append(ops, c.mirror.pruneReleases()...)
	if len(ops) == 0 {
		return
	}
	if len(ops) > pruneBatch {
		ops = ops[:pruneBatch]
		c.pruned = now.Add(sayEvery - pruneEvery) // the rest soon
	}
	c.work(func(ctx context.Context) func() {
		if _, err := c.opts.Store.Commit(ctx, store.Txn{If: []store.Compare{fence}, Then: ops}); err != nil {
			return func() { c.log.Warn("old entries not pruned", zap.Error(err)) }
		}
		return nil
	})
}
