package control

import (
	"time"

	"github.com/weirproxy/weir/control/rollout"
)

// nap is why looks at a trial may be left out until the next dispatch tick: the last
// one found nothing that could ripen before, and nobody to tell. On one processor a
// look keeps requests waiting, so that three of four are best not taken.
type nap struct {
	tick    uint32        // in which it holds; 0: it does not
	stirred uint64        // the Controller's, while which it holds
	until   time.Duration // stage time at which the state machine is to be asked again
	runs    bool          // stage time passes
}

// naps reports whether a look at the trial would find nothing, and counts its time.
func (t *trial) naps(tick uint32, delta time.Duration, stirred uint64) bool {
	n := &t.nap
	if n.tick != tick || n.tick == 0 || n.stirred != stirred || n.runs && t.stageElapsed+delta >= n.until {
		return false
	}
	if n.runs {
		t.elapsed += delta
		t.stageElapsed += delta
	}
	return true
}

// mayNap decides, after a look at a trial, whether it may nap until the tick ends.
func (c *Controller) mayNap(t *trial, pair *rollout.Pair, tick uint32) {
	t.nap = nap{}
	if c.leading && !c.rests(t, pair) || t.broken() || !t.ended.IsZero() || !t.gauges.nothing() {
		return
	}
	for _, s := range t.judging() {
		if s.unready > 0 || !s.collector.Idle(int64(tick)) {
			return
		}
	}
	t.nap = nap{tick: tick, stirred: c.stirred, until: pair.Rest(), runs: c.leading && t.runs(pair)}
}

// rests reports whether the state machine would say nothing: it did so when it was
// last asked about this state, which time alone does not move yet, and there is
// nothing to tell it.
func (c *Controller) rests(t *trial, pair *rollout.Pair) bool {
	switch {
	case t.asked != c.mirror.standing(t.id), !t.ended.IsZero(), t.broken():
		return false
	case len(c.mirror.cuts[t.id]) > 0, len(c.cuts[t.id]) > 0, len(c.questions) > 0, t.gauges.run != nil:
		return false
	}
	return t.stageElapsed < pair.Rest()
}

// runs reports whether stage time passes: not in a pause, and not after the end.
func (t *trial) runs(pair *rollout.Pair) bool {
	return t.ended.IsZero() && (pair.Rollout.Phase != rollout.Paused || pair.Rollout.Ending != nil)
}
