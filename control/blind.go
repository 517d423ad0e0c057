package control

import (
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

// blindness is a node's knowledge of being cut off from the state. What it does
// not hear of might be an abort, so that after BlindAfter candidates under trial
// get nothing from it until it knows the present state again. That is the promise: an
// abort reaches connected nodes at once, and all others within BlindAfter.
type blindness struct {
	since time.Time // cut off since; zero: it is not
	blind bool      // longer than BlindAfter
	cuts  int       // candidates that get nothing for that
}

// look is what b becomes when the store is as status says and the state up to
// the given revision has been taken in.
func (b blindness) look(status store.Status, known int64, after time.Duration, now time.Time) blindness {
	if connected := status.Connected && status.Age < after; !connected && b.since.IsZero() {
		b.since = now
	} else if connected && known >= status.Revision { // else what it missed is on its way
		b.since = time.Time{}
	}
	b.blind = !b.since.IsZero() && now.Sub(b.since) >= after
	return b
}

// watchBlindness notices when this node is cut off, and when it is not any more.
func (c *Controller) watchBlindness(now time.Time) {
	if c.opts.BlindAfter <= 0 || !c.loaded {
		return
	}
	was := c.sight
	c.sight = was.look(c.opts.Store.Status(), c.mirror.revision, c.opts.BlindAfter, now)
	c.sight.cuts = len(c.blindCuts()) // changes when stable's health does
	if c.sight.blind != was.blind || c.sight.cuts != was.cuts {
		c.publish()
		c.unshown = true
	}
	if c.sight.blind == was.blind {
		return
	}
	text := "this node knows the state again: candidates get their weights"
	if c.sight.blind {
		text = "this node is cut off from the state: candidates under trial get nothing until it is back"
		c.log.Warn("cut off from the state", zap.Duration("for", now.Sub(c.sight.since)), zap.Int("candidates", c.sight.cuts))
	} else {
		c.log.Info("no longer cut off from the state")
	}
	c.hub.publish(Event{At: now, Kind: "state", Text: text})
}

// blindCuts take the candidates of all rollouts in force to 0 whose stable
// version is healthy. They are this table's alone: no fact about the candidate,
// neither on disk nor in etcd.
func (c *Controller) blindCuts() []rollout.Cut {
	if !c.sight.blind {
		return nil
	}
	var cuts []rollout.Cut
	for _, t := range c.trials {
		r := c.mirror.rollouts[t.id].value
		if r.Phase.Final() || !c.versionUp(t.service, t.from) {
			continue
		}
		candidates := r.Candidates
		if !slices.Contains(candidates, r.To) && r.To != "" {
			candidates = append(slices.Clone(candidates), r.To)
		}
		for _, version := range candidates {
			cuts = append(cuts, rollout.Cut{Rollout: t.id, Service: t.service, Version: version, Generation: r.Generation, Node: c.opts.Node})
		}
	}
	return cuts
}
