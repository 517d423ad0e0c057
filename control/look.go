package control

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
	"github.com/weirproxy/weir/proxy/stats"
)

// maxDelta bounds what one look adds to a stage's time: a process that was
// stopped did not watch meanwhile.
const maxDelta = time.Second

// saveEvery is how often evidence is stored.
const saveEvery = time.Second

// look judges every rollout in force and, on the leader, moves them on.
func (c *Controller) look(now time.Time) {
	delta := min(now.Sub(c.lastLook), maxDelta)
	if c.lastLook.IsZero() {
		delta = 0
	}
	c.lastLook = now
	fence, leading := c.opts.Store.Leader()
	if leading != c.leading {
		c.leading = leading
		c.log.Info("leadership changed", zap.String("node", c.opts.Node), zap.Bool("leading", leading))
	}
	tick := stats.TickOf(c.opts.Now())
	for _, t := range c.trials {
		if pair, ok := c.mirror.pair(t.id); ok {
			c.lookAt(t, pair, tick, delta, now, fence)
		}
	}
	if leading {
		c.prune(now, fence)
	}
	c.announce(now)
	if now.Sub(c.lastView) >= showEvery {
		c.show(now)
	}
	c.wake()
}

// lookAt judges one rollout. What puts traffic back needs no leader; what
// moves a plan on does.
func (c *Controller) lookAt(t *trial, pair rollout.Pair, tick uint32, delta time.Duration, now time.Time, fence store.Compare) {
	running := pair.Rollout.Phase == rollout.Progressing || pair.Rollout.Phase == rollout.Baking
	if c.leading && running {
		t.elapsed += delta
		t.stageElapsed += delta
	}
	t.advance(tick)
	c.probeVerdicts(t, delta)
	if t.ended.IsZero() {
		for _, s := range t.sides {
			if v := s.judge.Verdict(); failed(v) && !s.cut && c.weighs(t.service, s.version) && c.versionUp(t.service, t.from) {
				c.cut(rollout.Cut{
					Rollout: t.id, Service: t.service, Version: s.version, Generation: t.stretch.Generation,
					At: now, Reason: v.Text, Verdict: v,
				})
			}
		}
	} else if now.Sub(t.ended) > aftermath {
		t.disarm(c.opts.Recorders)
		delete(c.trials, t.id)
		return
	}
	if c.leading {
		c.step(t, pair, now, fence)
	}
	if now.Sub(t.saved) >= saveEvery && t.ended.IsZero() {
		c.save(t, now)
	}
}

// probeVerdicts hands the judges what the probes say.
func (c *Controller) probeVerdicts(t *trial, delta time.Duration) {
	stableUp := c.versionUp(t.service, t.from)
	for _, s := range t.sides {
		rounds := c.failingRounds(t.service, s.version)
		if c.versionUp(t.service, s.version) || !stableUp || !c.weighs(t.service, s.version) {
			s.unready = 0
		} else if s.unready += delta; s.unready >= t.unreadyFor {
			rounds = -1
		}
		s.judge.Health(rounds, stableUp)
	}
}

// step asks the state machine what follows and writes it.
func (c *Controller) step(t *trial, pair rollout.Pair, now time.Time, fence store.Compare) {
	if _, busy := c.busy[t.service]; busy {
		return
	}
	event := c.eventFor(t, pair, now)
	if event == nil {
		return
	}
	next, effects, err := rollout.Step(pair, event, t.sinceStep(now))
	if err != nil {
		c.log.Error("rollout not moved", zap.String("rollout", t.id), zap.Error(err))
		return
	}
	c.carryOut(effects)
	if !worth(pair, next, effects) {
		return
	}
	txn, err := c.transaction(change{before: pair, after: next, effects: effects, actor: "weir", at: now, fence: &fence})
	if err != nil {
		c.log.Error("rollout not moved", zap.String("rollout", t.id), zap.Error(err))
		return
	}
	c.commit(t.service, t.id, txn)
}

// eventFor is what the leader has to tell the state machine: a cut first, then
// how stable fares after one, else the plain look.
func (c *Controller) eventFor(t *trial, pair rollout.Pair, now time.Time) rollout.Event {
	r := pair.Rollout
	if cut := c.unanswered(t, pair, now); cut != nil {
		return *cut
	}
	if !t.ended.IsZero() {
		if r.Phase != rollout.RolledBack || pair.Service.Rollout != "" || r.Verdict == nil {
			return nil
		}
		for _, s := range t.sides {
			if s.judge.StableBreaks(r.Verdict.Rule) {
				return rollout.StableBreaks{At: now, Rule: r.Verdict.Rule}
			}
		}
		return nil
	}
	if len(c.cuts[t.id]) > 0 {
		return nil // the cut is on its way to etcd; nothing may overtake it
	}
	tick := rollout.Tick{
		At: now, StableUp: c.versionUp(t.service, t.from),
		CandidateUp: c.versionUp(t.service, r.To), Acked: c.acked(t.service, now),
	}
	if verdicts := t.verdicts(); len(r.Candidates) > 1 {
		tick.Candidates = verdicts
	} else {
		tick.Verdict = verdicts[r.To]
	}
	return tick
}

// unanswered is a cut in etcd that the state does not say yet. One that comes
// within moments of a success takes it back.
func (c *Controller) unanswered(t *trial, pair rollout.Pair, now time.Time) *rollout.CutSeen {
	for _, cut := range c.mirror.cutsOf(t.id) {
		event := rollout.CutSeen{At: now, Cut: cut}
		if next, effects, err := rollout.Step(pair, event, t.sinceStep(now)); err == nil && worth(pair, next, effects) {
			return &event
		}
	}
	return nil
}

// worth reports whether a step has anything to write.
func worth(before, after rollout.Pair, effects []rollout.Effect) bool {
	return changed(before, after) || slices.Contains(effects, rollout.Effect(rollout.DropCuts{}))
}

// acked reports whether a raise may follow: every leased node has applied the
// service's present state, or has been silent for AckTimeout.
func (c *Controller) acked(service string, now time.Time) bool {
	s, ok := c.mirror.states[service]
	if !ok {
		return false
	}
	return c.acknowledged(s.mod) || now.Sub(c.raisedAt[service]) >= c.opts.AckTimeout
}

// commit writes txn in a worker. The service takes no further step until what
// came of it has arrived through the watch.
func (c *Controller) commit(service, id string, txn store.Txn) {
	c.busy[service] = -1
	c.work(func(ctx context.Context) func() {
		res, err := c.opts.Store.Commit(ctx, txn)
		return func() {
			delete(c.busy, service)
			if err != nil {
				c.log.Warn("rollout not written; it is tried again", zap.String("rollout", id), zap.Error(err))
				return
			}
			if res.Revision > c.mirror.revision {
				c.busy[service] = res.Revision
			}
		}
	})
}

// save stores what the trial knows: on this node's disk, and in etcd if it leads.
func (c *Controller) save(t *trial, now time.Time) {
	t.saved = now
	e, err := t.evidence(c.opts.Node, c.opts.Boot)
	if err != nil {
		c.log.Error("evidence not saved", zap.String("rollout", t.id), zap.Error(err))
		return
	}
	value, err := json.Marshal(e)
	if err != nil {
		panic(fmt.Sprintf("BUG: cannot encode evidence: %v", err))
	}
	fence, leading := c.opts.Store.Leader()
	id := t.id
	c.opts.Store.SaveFuse(id, value)
	if !leading {
		return
	}
	c.work(func(ctx context.Context) func() {
		// A lost write is made good a second later, and the disk has it.
		_, _ = c.opts.Store.Commit(ctx, store.Txn{
			If:   []store.Compare{fence},
			Then: []store.Op{store.Put(store.EvidenceKey(id), value)},
		})
		return nil
	})
}
