package control

import (
	"bytes"
	"context"
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

// saveEvery is how often evidence is stored, unless many rollouts are in force:
// then all of them together have it stored no more than savedAtMost times a
// second. Whoever goes on from it lacks so much more.
const (
	saveEvery   = time.Second
	savedAtMost = 20
)

// More than aFew rollouts in force take turns: each is looked at once a dispatch
// tick, which delays a decision by half a tick.
const (
	aFew       = 20
	looksATick = int(stats.TickLength / lookEvery)
)

// look judges every rollout in force and, on the leader, moves them on.
func (c *Controller) look(now time.Time) {
	fence, leading := c.opts.Store.Leader()
	c.lookAs(leading, fence, now)
}

// lookAs is look of a node that leads, or does not.
func (c *Controller) lookAs(leading bool, fence store.Compare, now time.Time) {
	delta := min(now.Sub(c.lastLook), maxDelta)
	if c.lastLook.IsZero() {
		delta = 0
	}
	c.lastLook = now
	if leading != c.leading {
		c.leading = leading
		c.stirred++
		c.questions = map[string]*question{}
		c.postman = newPostman() // what another leader did meanwhile is not known here
		c.log.Info("leadership changed", zap.String("node", c.opts.Node), zap.Bool("leading", leading))
	}
	c.watchBlindness(now)
	c.forms = c.forms.look(c.readByAll(), now)
	c.hear()
	tick := stats.TickOf(c.opts.Now())
	c.looks++
	for _, t := range c.trials {
		t.unseen += delta
		if len(c.trials) > aFew && (c.looks+t.place)%looksATick != 0 {
			continue
		}
		if !t.ended.IsZero() && now.Sub(t.ended) > aftermath {
			c.endTrial(t)
		} else if t.naps(tick, t.unseen, c.stirred) {
			t.unseen = 0
		} else if pair, ok := c.mirror.pair(t.id); ok {
			c.lookAt(t, pair, tick, t.unseen, now, fence)
			t.unseen = 0
		}
		c.saveDue(t, now)
	}
	if c.unretained {
		c.retain(now)
	}
	c.resolve(now)
	c.eject(now)
	c.warm(now)
	c.watchFiles(now)
	if leading {
		c.prune(now, fence)
		c.deliver(now, fence)
		c.endKilled(now)
		c.beginQueued(now, fence)
		c.forgetQuestions(now)
		c.turnKeys(now, fence)
	}
	c.settleKills(now)
	c.ensureKeys(now)
	c.announce(now)
	c.tally(now)
	c.measure(now)
	c.keepShowing(now)
	c.wake()
}

// lookAt judges one rollout. What puts traffic back needs no leader; what
// moves a plan on does.
func (c *Controller) lookAt(t *trial, pair rollout.Pair, tick uint32, delta time.Duration, now time.Time, fence store.Compare) {
	if !c.leading {
		t.followLeader(c.mirror.evidence[t.id].value)
	} else if t.runs(&pair) {
		t.elapsed += delta
		t.stageElapsed += delta
	}
	t.advance(tick)
	c.lead(t)
	c.probeVerdicts(t, delta)
	if c.leading && t.ended.IsZero() {
		c.gauge(t, now)
	}
	t.record.look(t, tick, c.versionUp(t.service, t.from))
	if t.ended.IsZero() {
		c.cutFailed(t, now)
	}
	if c.leading {
		c.step(t, pair, now, fence)
	}
	c.mayNap(t, &pair, tick)
}

// cutFailed cuts the candidates that are proven bad.
func (c *Controller) cutFailed(t *trial, now time.Time) {
	for _, s := range t.judging() {
		if !s.decides().Failed() {
			continue
		}
		if v := s.decides().Verdict(); failed(v) && c.reaches(t.service, s.version) && c.versionUp(t.service, t.from) {
			c.cut(rollout.Cut{
				Rollout: t.id, Service: t.service, Version: s.version, Generation: t.stretch.Generation,
				At: now, Reason: v.Text, Verdict: v,
			})
		}
	}
}

// probeVerdicts hands the judges what the probes say.
func (c *Controller) probeVerdicts(t *trial, delta time.Duration) {
	stableUp := c.versionUp(t.service, t.from)
	stableRounds := c.failingRounds(t.service, t.from)
	for _, s := range t.sides {
		rounds := s.shared.alone(c.failingRounds(t.service, s.version), stableRounds)
		if c.versionUp(t.service, s.version) || !stableUp || !c.reaches(t.service, s.version) {
			s.unready = 0
		} else if s.unready += delta; s.unready >= t.unreadyFor {
			rounds = -1
		}
		s.judge.Health(rounds, stableUp)
		if s.fleet != nil {
			s.fleet.judge.Health(rounds, stableUp)
		}
	}
	for _, s := range t.besides {
		s.judge.Health(0, stableUp)
		if s.fleet != nil {
			s.fleet.judge.Health(0, stableUp)
		}
	}
}

// sharedRounds are the candidate's failed probe rounds, of those in a row up to
// now, that came before stable last failed one.
type sharedRounds int

// alone is how many rounds in a row the candidate has failed while stable failed
// none. The probes of two versions take turns: in an outage of both the candidate
// may be the first to fail its last allowed round, and the last to pass one again.
func (s *sharedRounds) alone(candidate, stable int) int {
	if stable > 0 || candidate == 0 {
		*s = sharedRounds(candidate)
	}
	return candidate - int(*s)
}

// step asks the state machine what follows and writes it.
func (c *Controller) step(t *trial, pair rollout.Pair, now time.Time, fence store.Compare) {
	if c.waits(t.service, now) {
		return
	}
	if c.rests(t, &pair) {
		c.acked(t.service, now) // silent nodes are noticed all the same
		return
	}
	event := c.eventFor(t, pair, now)
	if event == nil {
		return
	}
	next, effects, err := rollout.Step(pair, event, t.sinceStep(now))
	if err != nil {
		c.stuck(t, err, now)
		return
	}
	if _, looked := event.(rollout.Tick); looked && c.cold(t, pair, next, now) {
		return // the next look gives the step again; other events would be lost
	}
	c.carryOut(effects)
	c.askHooks(effects, next.Rollout, now)
	if !worth(pair, next, effects) {
		t.asked = c.mirror.standing(t.id)
		return
	}
	txn, err := c.transaction(change{before: pair, after: next, effects: effects, actor: "weir", at: now, fence: &fence})
	if err != nil {
		c.stuck(t, err, now)
		return
	}
	c.commit(t.service, t.id, txn)
}

// stuck is for a state that no step can be taken from: somebody else wrote it.
func (c *Controller) stuck(t *trial, err error, now time.Time) {
	turn := c.turns[t.service].failed(now)
	c.turns[t.service] = turn
	c.log.Error("rollout not moved", zap.String("rollout", t.id), zap.Int("failures", turn.failures), zap.Error(err))
}

// eventFor is what the leader has to tell the state machine: a cut first, then
// how stable fares after one, else the plain look.
func (c *Controller) eventFor(t *trial, pair rollout.Pair, now time.Time) rollout.Event {
	r := pair.Rollout
	if cut := c.unanswered(t, pair, now); cut != nil {
		return *cut
	}
	if !t.ended.IsZero() {
		return c.afterwards(t, pair, now)
	}
	if len(c.cuts[t.id]) > 0 {
		return nil // the cut is on its way to etcd; nothing may overtake it
	}
	if answer := c.answered(t, now); answer != nil {
		return answer
	}
	if done := t.smokeDone(r); done != nil {
		return *done
	}
	tick := rollout.Tick{
		At: now, Freeze: c.frozen(t.service, now), StableUp: c.versionUp(t.service, t.from),
		CandidateUp: c.versionUp(t.service, r.To), Acked: c.acked(t.service, now),
	}
	tick.Observed, tick.Requires = t.observed(), c.required(t, &r.Plan, now)
	if admits, spare, ok := r.Batch(); ok {
		// The document may have lost endpoints since the rollout counted them.
		there := len(pair.Service.Merge(c.mirror.services[t.service].value)[r.To].Endpoints)
		admits = min(admits, there)
		tick.BatchUp = c.healthyOf(t.service, r.To, admits) >= max(1, admits-spare)
	}
	if r.Phase == rollout.Pending {
		tick.CandidateUp = c.ready(t.service, r.To)
	}
	if verdicts := t.verdicts(); len(r.Candidates) > 1 {
		tick.Candidates = verdicts
	} else {
		tick.Verdict = verdicts[r.To]
	}
	return tick
}

// afterwards says whether stable breaks the rule that a candidate was just put
// back for; nil: it does not.
func (c *Controller) afterwards(t *trial, pair rollout.Pair, now time.Time) rollout.Event {
	r := pair.Rollout
	if r.Phase != rollout.RolledBack || pair.Service.Rollout != "" || r.Verdict == nil {
		return nil
	}
	for _, s := range t.judging() {
		if s.stableBreaks(r.Verdict.Rule) {
			return rollout.StableBreaks{At: now, Rule: r.Verdict.Rule}
		}
	}
	return nil
}

// unanswered is a cut that the state does not say yet. One that comes within
// moments of a success takes it back, whether or not etcd has it by then.
func (c *Controller) unanswered(t *trial, pair rollout.Pair, now time.Time) *rollout.CutSeen {
	cuts := c.mirror.cutsOf(t.id)
	if pair.Rollout.Phase == rollout.Succeeded {
		cuts = c.cutsOf(t.id)
	}
	for _, cut := range cuts {
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

// saveDue stores what the trial knows when it is time for it, one trial a look:
// requests may be waiting for this processor.
func (c *Controller) saveDue(t *trial, now time.Time) {
	every := max(saveEvery, time.Duration(len(c.trials))*time.Second/savedAtMost)
	if now.Sub(t.saved) >= every && t.ended.IsZero() && c.savedIn != c.looks {
		c.savedIn = c.looks
		c.save(t, now)
	}
}

// save stores what the trial knows: on this node's disk, and in etcd if it leads.
func (c *Controller) save(t *trial, now time.Time) {
	t.saved = now
	fresh, err := t.encode(c.opts.Node, c.opts.Boot)
	if err != nil {
		c.log.Error("evidence not saved", zap.String("rollout", t.id), zap.Error(err))
		return
	}
	fence, leading := c.opts.Store.Leader()
	id := t.id
	c.opts.Store.SaveFuse(id, fresh)
	if !leading || t.saving {
		return // a slow etcd gets one write at a time
	}
	t.saving = true
	var old []byte // of the same evidence, of which a newer leader may have known more
	if stored := c.mirror.evidence[id]; stored.value.Stretch.Generation == t.stretch.Generation && !bytes.Equal(stored.raw, t.wrote) {
		old = stored.raw
	}
	schema := c.schema()
	c.work(func(ctx context.Context) func() {
		value, err := inForm(schema, old, fresh, evidence{})
		if err != nil {
			panic(fmt.Sprintf("BUG: cannot encode evidence: %v", err))
		}
		// A lost write is made good a second later, and the disk has it.
		_, _ = c.opts.Store.Commit(ctx, store.Txn{
			If:   []store.Compare{fence},
			Then: []store.Op{store.Put(store.EvidenceKey(id), value)},
		})
		return func() { t.saving, t.wrote = false, own(value, fresh) }
	})
}

// own is a value that was written if it is nothing but what this release made: then
// there is no field of a newer one in it, to be kept when it is written again.
func own(written, made []byte) []byte {
	if bytes.Equal(written, made) {
		return written
	}
	return nil
}
