package control

import (
	"maps"
	"slices"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

// change is one move of a rollout and its service, to be written as a whole.
type change struct {
	before, after rollout.Pair
	effects       []rollout.Effect
	actor         string
	at            time.Time

	// fence is the leader's. Nil for a person's verb, which needs no leader.
	fence *store.Compare
}

// transaction writes ch if nothing that it was derived from has changed, and,
// if it gives a candidate more or ends the rollout, only while no node has cut
// the candidate.
func (c *Controller) transaction(ch change) (store.Txn, error) {
	var txn store.Txn
	id, service := ch.after.Rollout.ID, ch.after.Service.Name
	old := c.mirror.rollouts[id]
	oldService := c.mirror.states[service]
	txn.If = append(txn.If, store.ModRevision(store.RolloutKey(id), old.mod))
	apart := ch.before.Rollout.Phase == rollout.Queued && ch.after.Rollout.Phase.Final() // the service is another's
	if !apart {
		txn.If = append(txn.If, store.ModRevision(store.StateKey(service), oldService.mod))
	}
	if ch.fence != nil {
		txn.If = append(txn.If, *ch.fence)
	}
	c.guardCuts(&txn, ch)
	value, err := c.encode(old.raw, ch.after.Rollout)
	if err != nil {
		return txn, err
	}
	state, err := c.encode(oldService.raw, ch.after.Service)
	if err != nil {
		return txn, err
	}
	txn.Then = append(txn.Then, store.Put(store.RolloutKey(id), value))
	if !apart {
		txn.Then = append(txn.Then, store.Put(store.StateKey(service), state))
	}
	if ch.after.Rollout.Phase.Final() && !ch.before.Rollout.Phase.Final() {
		txn.Then = append(txn.Then, store.Delete(store.EvidenceKey(id)))
	}
	text := describe(ch.after.Rollout)
	txn.Then = append(txn.Then, c.audit(AuditView{
		At: ch.at, Actor: ch.actor, Action: "rollout " + string(ch.after.Rollout.Phase), Object: "rollouts/" + id, Text: text,
		Changes: moved(ch.before, ch.after),
	}))
	c.enqueueEvents(&txn, ch)
	c.moveTasks(&txn, ch)
	c.forwardRollout(&txn, ch)
	return txn, nil
}

// guardCuts makes txn obey the cuts of the rollout that ch starts from: it
// raises nothing and ends nothing while one exists that it does not know of.
func (c *Controller) guardCuts(txn *store.Txn, ch change) {
	id := ch.before.Service.Rollout
	if id == "" {
		return
	}
	raises := ch.after.Raises(ch.before)
	if !slices.ContainsFunc(ch.effects, func(e rollout.Effect) bool { _, ok := e.(rollout.DropCuts); return ok }) {
		if raises {
			txn.If = append(txn.If, store.Empty(store.CutsOf(id)))
		}
		return
	}
	if raises {
		txn.If = append(txn.If, store.NoneSince(store.CutsOf(id), c.mirror.revision))
	}
	for node, cut := range c.mirror.cuts[id] {
		if ch.after.Service.Voids(cut.value) {
			key := store.CutKey(id, node)
			txn.If = append(txn.If, store.ModRevision(key, cut.mod))
			txn.Then = append(txn.Then, store.Delete(key))
		} else if raises {
			// It still counts: the move must not go through.
			txn.If = append(txn.If, store.Empty(store.CutsOf(id)))
		}
	}
}

// changed reports whether after is worth a write.
func changed(before, after rollout.Pair) bool { return !after.Equal(before) }

func sameWeights(a, b map[string]configs.Weight) bool {
	drop := func(w map[string]configs.Weight) map[string]configs.Weight {
		w = maps.Clone(w)
		maps.DeleteFunc(w, func(_ string, w configs.Weight) bool { return w == 0 })
		return w
	}
	return maps.Equal(drop(a), drop(b))
}
