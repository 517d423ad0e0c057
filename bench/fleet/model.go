package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/anishathalye/porcupine"
)

// asked is what a client asked of the weights of one service.
type asked struct {
	service string
	verb    string // weigh, read, pause, resume, promote or abort
	green   int    // percent that weigh gives green; blue has the rest
	match   int64  // If-Match of weigh: revision of the service's state; 0: none
	rollout string // that a verb is for
}

// answered is what became of it.
type answered struct {
	status   status
	revision int64  // of the state after a change, or as it was read
	green    int    // as it was read
	stable   string // as it was read
	rollout  string // in force then; empty: none
}

type status int

const (
	done     status = iota
	nothing         // there was nothing to do
	stale           // If-Match named another revision: 412
	forbids         // the state of things forbids it: 404, 409
	refused         // nothing was changed: 503
	doubtful        // it may have been done or not
)

// weights is a service as the model has it: what its state in etcd must be, were
// everything done one after the other.
type weights struct {
	revision int64 // 0: unknown, after a change whose answer was lost
	green    int
	rollout  string // in force; empty: none
	paused   bool
	swapped  bool   // green is stable
	promoted string // the rollout that made it so last; empty: another has begun since
}

// takenBack is w without its last promotion. What puts all back on stable and was
// under way when the rollout succeeded takes the success back: a cut wins.
func (w weights) takenBack(revision int64) weights {
	next := weights{revision: revision, swapped: !w.swapped}
	next.green = next.home()
	return next
}

// home is green's weight with all on stable.
func (w weights) home() int {
	if w.swapped {
		return 100
	}
	return 0
}

func (w weights) stable() string {
	if w.swapped {
		return "green"
	}
	return "blue"
}

// unnamed is a rollout whose id was lost with an answer.
const unnamed = "?"

// model says what a service's weights may answer. A doubtful change has no end:
// that it was never done is that it is done after all else.
func model() porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) (parts [][]porcupine.Operation) {
			byService := map[string][]porcupine.Operation{}
			for _, op := range history {
				service := op.Input.(asked).service
				byService[service] = append(byService[service], op)
			}
			for _, service := range slices.Sorted(maps.Keys(byService)) {
				parts = append(parts, byService[service])
			}
			return parts
		},
		Init: func() any { return weights{} },
		Step: func(state, input, output any) (bool, any) {
			ok, next := state.(weights).step(input.(asked), output.(answered))
			return ok, next
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v → %+v", input, output) },
		DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
	}
}

// step reports whether w may give an answer, and what it is then.
func (w weights) step(in asked, out answered) (bool, weights) {
	if out.status == refused {
		return true, w
	}
	switch in.verb {
	case "read":
		return w.read(out)
	case "weigh":
		return w.weigh(in, out)
	}
	return w.act(in, out)
}

func (w weights) read(out answered) (bool, weights) {
	if out.status != done {
		return out.status == doubtful, w
	}
	same := w.green == out.green && w.stable() == out.stable && (w.revision == 0 || w.revision == out.revision) && w.is(out.rollout)
	w.revision, w.rollout = out.revision, out.rollout
	return same, w
}

// is reports whether the rollout in force may be the one with this id.
func (w weights) is(rollout string) bool {
	return w.rollout == rollout || w.rollout == unnamed && rollout != ""
}

func (w weights) weigh(in asked, out answered) (bool, weights) {
	matches := in.match == 0 || w.revision == 0 || in.match == w.revision
	back := in.green == w.home()
	next := weights{revision: out.revision, green: in.green, paused: w.paused, rollout: w.rollout, swapped: w.swapped}
	if w.rollout == "" {
		next.paused, next.rollout = false, cmp.Or(out.rollout, unnamed)
	} else if out.rollout != "" {
		next.rollout = out.rollout
	}
	if back { // all is stable's again: the rollout is over
		next.paused, next.rollout = false, ""
	}
	switch out.status {
	case done:
		if w.ended(back && in.match == 0, out) {
			return true, w
		}
		if w.rollout == "" && w.promoted != "" && w.promoted == out.rollout && in.match == 0 && in.green != w.home() {
			return out.revision > w.revision, w.takenBack(out.revision)
		}
		continues := w.rollout == "" || back || w.is(out.rollout)
		return matches && w.green != in.green && out.revision > w.revision && continues, next
	case nothing:
		if back && in.match == 0 && w.green != in.green {
			// Its cut had the effect, and the leader was quicker to write it down.
			next.revision = 0
			return true, next
		}
		return matches && w.green == in.green, w
	case stale:
		return in.match != 0 && (w.revision == 0 || in.match != w.revision), w
	case doubtful:
		if !matches || w.green == in.green {
			return true, w
		}
		next.revision = 0
		return true, next
	}
	return false, w // weights by hand are never forbidden here
}

// ended reports whether a change that takes all back to stable was done together
// with another one that does: one transaction answers both.
func (w weights) ended(back bool, out answered) bool {
	return back && w.rollout == "" && w.green == w.home() && (out.revision == w.revision || w.revision == 0)
}

func (w weights) act(in asked, out answered) (bool, weights) {
	mine := w.rollout != "" && w.is(in.rollout)
	allowed := mine
	next := weights{revision: out.revision, green: w.green, rollout: in.rollout, paused: w.paused, swapped: w.swapped}
	switch in.verb {
	case "pause":
		allowed, next.paused = mine && !w.paused, true
	case "resume":
		allowed, next.paused = mine && w.paused, false
	case "abort":
		next = weights{revision: out.revision, green: w.home(), swapped: w.swapped}
	case "promote":
		next = weights{revision: out.revision, swapped: !w.swapped}
		next.green, next.promoted = next.home(), in.rollout
	}
	late := in.verb == "abort" && w.rollout == "" && w.promoted == in.rollout
	switch out.status {
	case done:
		if late && out.revision > w.revision {
			return true, w.takenBack(out.revision)
		}
		return w.ended(in.verb == "abort", out) || allowed && (out.revision > w.revision || w.revision == 0), next
	case forbids:
		return !allowed || w.rollout == unnamed, w
	case doubtful:
		if late {
			return true, w.takenBack(0)
		}
		if !allowed {
			return true, w
		}
		next.revision = 0
		return true, next
	}
	return false, w
}
