package control

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

// maxQueued bounds the rollouts that wait for one service.
const maxQueued = 10

// queued returns the rollouts that wait for a service, the first to start first.
func (m *mirror) queuedOf(service string) []rollout.State {
	var all []rollout.State
	for id := range m.queued {
		if r := m.rollouts[id].value; r.Service == service {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b rollout.State) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// requeue notes whether a rollout waits.
func (m *mirror) requeue(id string) {
	delete(m.queued, id)
	if m.rollouts[id].value.Phase == rollout.Queued {
		m.queued[id] = true
	}
}

// enqueue writes a rollout that waits for the one in force.
func (c *Controller) enqueue(cmd StartRollout, doc entry[configs.Service], state entry[rollout.Service], random string, now time.Time) (plan, error) {
	service := cmd.Plan.Service
	waiting := c.mirror.queuedOf(service)
	if len(waiting) >= maxQueued {
		return plan{}, refuse(Conflict, "abort one of them", "%d rollouts of %q wait already", len(waiting), service)
	}
	id := newID(service, random, now)
	s, err := rollout.NewQueued(id, cmd.Plan, doc.value, state.value, now, cmd.Actor)
	if err != nil {
		return plan{}, refusal(err)
	}
	s.Retries = cmd.retries
	value, err := c.encode(nil, s)
	if err != nil {
		return plan{}, err
	}
	text := fmt.Sprintf("%s; %d before it", describe(s), len(waiting)+1)
	txn := store.Txn{
		If: []store.Compare{store.Absent(store.RolloutKey(id)), store.ModRevision(documentKey(service), doc.mod)},
		Then: []store.Op{store.Put(store.RolloutKey(id), value), c.audit(AuditView{
			At: now, Actor: cmd.Actor, Action: "rollout queued", Object: "rollouts/" + id, Text: text,
		})},
	}
	// No contract gets leave for what it would break while it waits.
	if err := c.mayGain(&txn, &doc.value, rollout.Pair{Service: state.value}, rollout.Pair{Rollout: s, Service: state.value}); err != nil {
		return plan{}, err
	}
	return plan{write: true, reply: Reply{Name: service, ID: id, Created: true, Text: text}, txn: txn}, nil
}

// beginQueued starts the rollouts whose turn it is. Only the leader does.
func (c *Controller) beginQueued(now time.Time, fence store.Compare) {
	tried := map[string]bool{}
	for id := range c.mirror.queued {
		service := c.mirror.rollouts[id].value.Service
		state, ok := c.mirror.states[service]
		doc, known := c.mirror.services[service]
		if tried[service] || !ok || !known || state.value.Rollout != "" || c.waits(service, now) || c.alive(service) != nil {
			continue
		}
		tried[service] = true
		first := c.mirror.queuedOf(service)[0]
		before := rollout.Pair{Rollout: first, Service: state.value}
		after, effects, err := rollout.Begin(first, doc.value, state.value, now)
		if err != nil {
			c.stuckQueue(first, err, now)
			continue
		}
		after.Rollout.Nodes = max(1, len(c.mirror.nodes))
		txn, err := c.transaction(change{before: before, after: after, effects: effects, actor: "weir", at: now, fence: &fence})
		if err != nil {
			c.stuckQueue(first, err, now)
			continue
		}
		txn.If = append(txn.If, store.ModRevision(documentKey(service), doc.mod))
		c.commit(service, first.ID, txn)
	}
}

func (c *Controller) stuckQueue(r rollout.State, err error, now time.Time) {
	turn := c.turns[r.Service].failed(now)
	c.turns[r.Service] = turn
	c.log.Error("queued rollout not begun", zap.String("rollout", r.ID), zap.Int("failures", turn.failures), zap.Error(err))
}

// unqueue ends the rollouts that wait for a service which another takes over: it
// was asked for last.
func (c *Controller) unqueue(p *plan, by rollout.State, actor string, now time.Time) error {
	if by.Strategy == configs.StrategyManual {
		return nil
	}
	for _, r := range c.mirror.queuedOf(by.Service) {
		before := rollout.Pair{Rollout: r, Service: c.mirror.states[by.Service].value}
		after, effects, err := rollout.Step(before, rollout.Supersede{At: now, Actor: actor, By: by.ID}, 0)
		if err != nil {
			return refusal(err)
		}
		old := c.mirror.rollouts[r.ID]
		value, err := c.encode(old.raw, after.Rollout)
		if err != nil {
			return err
		}
		p.txn.If = append(p.txn.If, store.ModRevision(store.RolloutKey(r.ID), old.mod))
		p.txn.Then = append(p.txn.Then, store.Put(store.RolloutKey(r.ID), value))
		c.enqueueEvents(&p.txn, change{before: before, after: after, effects: effects, actor: actor, at: now})
	}
	return nil
}
