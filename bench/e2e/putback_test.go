//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

func TestPutBack_ABadVersionLosesItsTraffic(t *testing.T) {
	f := func(name, rule, path string, within time.Duration, breaks func(*world) time.Time) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, options{external: true})
			w.putBack(rule, path, within, breaks)
		})
	}

	f("errors", "error_rate > 1%", "fast", 3*time.Second,
		func(w *world) time.Time { return w.fail(w.green, "errors=0.5") })
	f("latency", "latency_p99 > 200ms", "fast", 4*time.Second,
		func(w *world) time.Time { return w.fail(w.green, "latency=600ms") })
	f("killed", "", "", 8*time.Second, func(w *world) time.Time {
		w.green.Kill()
		return time.Now()
	})
}

// putBack ramps to 25 %, breaks green and follows the traffic back.
func (w *world) putBack(rule, path string, within time.Duration, breaks func(*world) time.Time) {
	t := w.t
	t.Helper()
	traffic := w.load().Open(400)
	time.Sleep(time.Second)
	id := w.begin(canary("{weight: 25%, duration: 60s}"))
	w.awaitStage(id, 0, 5*time.Second)
	time.Sleep(3 * time.Second)

	broke := breaks(w)
	r := w.await(id, "rolled_back", 20*time.Second)
	known := time.Now()
	time.Sleep(1500 * time.Millisecond)
	shots := traffic.Stop()
	t.Logf("rolled_back known %s after the fault: %s", known.Sub(broke).Round(time.Millisecond), r.Reason)
	t.Logf("traffic: %s", shots)

	if took := known.Sub(broke); took > within {
		t.Errorf("the traffic was put back after %s; the bar is %s", took, within)
	}
	w.only("blue", shots.After(known))
	if w.green.Running() {
		if s := w.stats(w.green); s.LastAt().After(known) {
			t.Errorf("green had a request %s after the rollout was rolled back", s.LastAt().Sub(known))
		}
	}
	before := shots.Of(func(s lab.Shot) bool { return s.Ended.Before(broke) })
	if n := before.Failed() + shots.After(known).Failed() + shots.Lost(); n > 0 {
		t.Errorf("%d requests were lost, or failed while green was healthy or gone", n)
	}
	w.explained(id, r, rule, path)
}

// explained checks what API, CLI and etcd say of a rollout that was rolled back.
func (w *world) explained(id string, r lab.Rollout, rule, path string) {
	t := w.t
	t.Helper()
	d := r.Decision
	if d == nil || r.Reason == "" {
		t.Fatalf("a rollback without reason or decision: %+v", r)
	}
	if path != "" && d.Path != path {
		t.Errorf("decided on path %q, not on %q", d.Path, path)
	}
	w.holds(r.Reason, rule)
	if d.CandidateRequests == 0 || d.StableRequests == 0 || d.Text == "" {
		t.Errorf("a decision without its counts: %+v", d)
	}
	state := w.stored("rollouts/" + id)
	if state["phase"] != "rolled_back" || state["reason"] != r.Reason || state["verdict"] == nil {
		t.Errorf("etcd says phase %v, reason %v, verdict %v", state["phase"], state["reason"], state["verdict"])
	}
	if service := w.stored("state/shop"); service["stable"] != "blue" || service["rollout"] != nil && service["rollout"] != "" {
		t.Errorf("etcd says stable %v, rollout %v", service["stable"], service["rollout"])
	}
	code, out, _, err := w.node.CLI("rollout", "why", id)
	w.check(err)
	if code != 0 {
		t.Errorf("weir rollout why exits %d", code)
	}
	w.holds(out, id, "rolled_back", fmt.Sprintf(" of %d ", d.CandidateRequests), rule)
	if t.Failed() {
		t.Logf("weir rollout why:\n%s", out)
	}
}
