package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// long is the time of a stage, or bake, in which leaders fall at a given time: a
// node that starts again must not miss it.
const long = 9 * time.Second

// whole is a rollout that waits for all that one can wait for, and succeeds.
type whole struct {
	s         *scene
	r         *receiver
	first     string // the rollout that it waits for
	id        string
	candidate *lab.Origin
	silent    *lab.Node // that does not hear of etcd
}

// wholeRollout kills the leader in every phase of such a rollout.
func (s *scene) wholeRollout(r *receiver) (err error) {
	w := &whole{s: s, r: r}
	if w.first, err = s.begin(time.Minute); err != nil {
		return err
	}
	to, err := s.candidate()
	if err != nil {
		return err
	}
	w.candidate = s.origins[to]
	if _, err := w.candidate.Fail("unhealthy=1&smoky=1"); err != nil {
		return err
	}
	r.answer("gate", http.StatusConflict)
	if w.id, err = s.nodes[0].API.Begin(gated(to, r.url)); err != nil {
		return err
	}
	all, err := s.fell(w.id, w.falls())
	if err != nil {
		return err
	}
	if asked := keysOf(r.of("gate", w.id)); len(asked) != 1 {
		all[len(all)-1].row.state = fmt.Sprintf("the gate was asked under %d keys", len(asked))
	}
	return s.tell(all, w.id, "succeeded", r, "told", "ops")
}

// falls are the moments in their order.
func (w *whole) falls() []fall {
	return []fall{
		{"queued", w.in("queued", -1, 0, ""), func(api *lab.API) error { return api.Act(w.first, "abort") }},
		{"pending, no healthy endpoint", w.in("pending", -1, 0, "health"), w.heal("smoky=1")},
		{"pending, in a smoke check", func(*lab.Node, *lab.API) error { time.Sleep(1500 * time.Millisecond); return nil }, w.heal("")},
		{"waiting for approval", w.in("pending", -1, 0, "approval"), func(api *lab.API) error { return api.Act(w.id, "approve") }},
		{"in stage 1, its notifier down", func(leader *lab.Node, api *lab.API) error {
			w.r.answer("ops", http.StatusServiceUnavailable)
			return w.in("progressing", 0, time.Second, "")(leader, api)
		}, nil},
		{"waiting for a gate", w.in("progressing", 0, 0, "hook"), func(*lab.API) error { w.r.answer("gate", 0); return nil }},
		{"in stage 2", w.in("progressing", 1, time.Second, ""), nil},
		{"waiting for an acknowledgement", w.unacknowledged, w.freeze},
		{"waiting for a freeze to end", w.in("progressing", 2, 0, "freeze"), w.thaw},
		{"in the last stage", w.in("progressing", 3, time.Second, ""), nil},
		{"about to be promoted", w.ending(3), nil},
		{"baking", w.in("baking", 3, time.Second, ""), func(*lab.API) error { w.r.answer("ops", 0); return nil }},
	}
}

// in waits until the rollout is in a stage for so long, or waits there.
func (w *whole) in(phase string, stage int, elapsed time.Duration, waits string) func(*lab.Node, *lab.API) error {
	return func(_ *lab.Node, api *lab.API) error {
		what := fmt.Sprintf("%s in stage %d for %s, waiting for %q", phase, stage, elapsed, waits)
		_, err := api.AwaitRollout(w.id, what, 30*time.Second, func(r *lab.Rollout) bool {
			return r.Phase == phase && r.Stage == stage && r.StageElapsed >= elapsed.Seconds() && (waits == "" || r.WaitingFor == waits)
		})
		return err
	}
}

// ending waits for the last second of a stage, of which the leader knows best.
func (w *whole) ending(stage int) func(*lab.Node, *lab.API) error {
	return func(leader *lab.Node, _ *lab.API) error {
		return w.in("progressing", stage, long-time.Second, "")(nil, leader.API)
	}
}

func (w *whole) heal(fault string) func(*lab.API) error {
	return func(*lab.API) error { _, err := w.candidate.Fail(fault); return err }
}

// unacknowledged waits until a raise waits for a node that does not hear of etcd.
func (w *whole) unacknowledged(leader *lab.Node, api *lab.API) error {
	if err := w.ending(1)(leader, api); err != nil {
		return err
	}
	w.silent = w.s.others(leader)[1]
	for _, wire := range w.s.wiresOf(w.silent) {
		wire.Deafen()
	}
	return w.in("progressing", 2, 0, "ack")(leader, api)
}

// freeze makes the raise wait for something else before that node hears again.
func (w *whole) freeze(api *lab.API) error {
	a, err := api.Call(http.MethodPut, "/v1/freezes/lunch", lab.Document("kind: Freeze\nname: lunch\nservices: [shop]\n"))
	for _, wire := range w.s.wiresOf(w.silent) {
		wire.Hear()
	}
	if err != nil || a.Status >= 300 {
		return fmt.Errorf("cannot put a freeze: %w, %+v", err, a)
	}
	return nil
}

func (w *whole) thaw(api *lab.API) error {
	a, err := api.Call(http.MethodDelete, "/v1/freezes/lunch", nil)
	if err == nil && a.Status >= 300 {
		err = fmt.Errorf("cannot end a freeze: %d %s", a.Status, a.Body)
	}
	return err
}

func keysOf(calls []heard) map[string]bool {
	keys := map[string]bool{}
	for _, h := range calls {
		keys[h.key] = true
	}
	return keys
}

// gated is a rollout that waits for everything that one can wait for.
func gated(to, hooks string) lab.Document {
	var b strings.Builder
	fmt.Fprintf(&b, "kind: Rollout\nservice: shop\nto: %s\nstrategy: canary\nconcurrency: queue\nholdback: 10%%\nbake: %s\n", to, long)
	b.WriteString("smoke: [{get: /smoke, expect: {status: 200, within: 30s}}]\n")
	fmt.Fprintf(&b, "hooks:\n  - {name: told, at: any, mode: notify, url: %q}\nstages:\n", hooks+"/told")
	fmt.Fprintf(&b, "  - {weight: 10%%, duration: %s, approval: manual}\n", stageTime)
	fmt.Fprintf(&b, "  - {weight: 30%%, duration: %s, hooks: [{name: gate, at: start, mode: gate, url: %q, interval: 1s}]}\n", long, hooks+"/gate")
	fmt.Fprintf(&b, "  - {weight: 50%%, duration: %s}\n  - {weight: 70%%, duration: %s}\n", stageTime, long)
	b.WriteString("rollback: {triggers: [{condition: error_rate > 1%, duration: 30s}]}\n")
	return lab.Document(b.String())
}
