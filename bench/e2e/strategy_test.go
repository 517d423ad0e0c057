//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// plan is a rollout of another strategy than a canary's.
func plan(strategy, more string) lab.Document {
	return lab.Document(fmt.Sprintf(`kind: Rollout
service: shop
to: green
strategy: %s
%s
rollback:
  triggers:
    - {condition: error_rate > 1%%, duration: 10s}
    - {condition: health_check == failing, count: 3}
`, strategy, more))
}

// shown is the version that answers a request with the preview's header.
func (w *world) shown() string {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, "http://"+w.node.Clients+"/", nil)
	w.check(err)
	req.Header.Set("X-Weir-Preview", "green")
	resp, err := http.DefaultClient.Do(req)
	w.check(err)
	w.check(resp.Body.Close())
	return resp.Header.Get("X-Version")
}

func TestStrategy_BlueGreenSwitchesEverybodyAtOnceAndBack(t *testing.T) {
	w := newWorld(t, options{})
	w.fail(w.green, "unhealthy=1")
	traffic := w.load().Open(400)
	time.Sleep(time.Second)
	if v := w.shown(); v != "blue" {
		t.Errorf("without a rollout the preview shows %q", v)
	}
	id := w.begin(plan("blue-green", "preview: {header: {X-Weir-Preview: green}}\nbake: 3s\nkeep_previous: 1h"))
	w.await(id, "pending", 5*time.Second)
	before := time.Now()
	w.fail(w.green, "")
	w.await(id, "baking", 20*time.Second)
	if v := w.shown(); v != "green" {
		t.Errorf("the preview shows %q", v)
	}
	w.await(id, "succeeded", 20*time.Second)
	switched := time.Now()
	time.Sleep(time.Second)
	undone := time.Now()
	w.check(w.api.Act(id, "undo"))
	back := time.Now()
	time.Sleep(time.Second)
	shots := traffic.Stop()

	w.unharmed(shots)
	w.only("blue", shots.Of(func(s lab.Shot) bool { return s.Ended.Before(before) }))
	w.only("green", shots.Of(func(s lab.Shot) bool { return s.Began.After(switched) && s.Ended.Before(undone) }))
	w.only("blue", shots.After(back))
	t.Logf("undo took %s", back.Sub(undone).Round(time.Millisecond))
}

func TestStrategy_AllAtOncePutsABadVersionBack(t *testing.T) {
	w := newWorld(t, options{})
	traffic := w.load().Open(400)
	time.Sleep(time.Second)
	id := w.begin(plan("all-at-once", "bake: 1m"))
	w.await(id, "baking", 20*time.Second)
	time.Sleep(2 * time.Second)
	w.fail(w.green, "errors=0.5")
	w.await(id, "rolled_back", 20*time.Second)
	known := time.Now()
	time.Sleep(time.Second)
	shots := traffic.Stop()
	w.only("blue", shots.After(known))
	if n := shots.After(known).Failed() + shots.Lost(); n > 0 {
		t.Errorf("%d requests were lost, or failed on blue", n)
	}
}

func TestStrategy_RollingMovesBatchByBatch(t *testing.T) {
	w := newWorld(t, options{})
	second, err := labOf.Origin("green", 0)
	w.check(err)
	t.Cleanup(func() { second.Kill() })
	w.check(w.api.Apply("shop", lab.Document(fmt.Sprintf(`kind: Service
name: shop
routes: [{path: /}]
versions:
  blue: {endpoints: [%q], revision: v1}
  green: {endpoints: [%q, %q], revision: v2}
stable: blue
health: {path: /healthz, interval: 500ms}
`, w.blue.Address, w.green.Address, second.Address))))
	w.fail(second, "unhealthy=1")
	traffic := w.load().Open(400)
	time.Sleep(time.Second)
	id := w.begin(plan("rolling", "batch: 1\npause_between: 2s\nchecks: [error_rate < 5%]"))
	w.awaitStage(id, 0, 20*time.Second)
	r, err := w.api.AwaitRollout(id, "held by the second endpoint", 20*time.Second, func(r *lab.Rollout) bool { return r.WaitingFor == "health" })
	w.check(err)
	w.holds(r.Reason, "2 endpoints of green")
	if r.Weights["green"] != "50%" {
		t.Errorf("the first of two endpoints has %s", r.Weights["green"])
	}
	w.fail(second, "")
	w.await(id, "succeeded", 40*time.Second)
	ended := time.Now()
	time.Sleep(time.Second)
	shots := traffic.Stop()
	w.unharmed(shots)
	w.only("green", shots.After(ended))
	if s := w.stats(second); s.Requests == 0 {
		t.Error("the second endpoint had no request")
	}
}

func TestStrategy_PinKeepsClientsUntilAnAbort(t *testing.T) {
	w := newWorld(t, options{sticky: "sticky: {by: cookie, mode: pin}"})
	var jars []*lab.Visitor
	met := map[int]string{}
	visit := func(what string) (green, moved int) {
		t.Helper()
		for n, jar := range jars {
			now := w.visit(jar)
			if met[n] != "" && met[n] != now {
				moved++
			}
			if met[n] = now; now == "green" {
				green++
			}
		}
		t.Logf("%s: %d of %d on green, %d moved", what, green, len(jars), moved)
		return green, moved
	}
	for n := range 200 {
		jars = append(jars, w.visitor(n))
	}
	id := w.begin(canary("{weight: 30%, duration: 1h}", "{weight: 100%, duration: 1h}"))
	w.awaitStage(id, 0, 20*time.Second)
	first, _ := visit("at 30%")
	w.check(w.api.Act(id, "promote"))
	w.awaitStage(id, 1, 20*time.Second)
	if green, moved := visit("at 100%"); green != first || moved > 0 {
		t.Errorf("%d clients moved, %d on green", moved, green)
	}
	jars = append(jars, w.visitor(500))
	visit("with a new client")
	if met[200] != "green" {
		t.Errorf("a new client meets %s at 100%%", met[200])
	}
	w.check(w.api.Act(id, "promote"))
	w.await(id, "succeeded", 20*time.Second)
	if _, moved := visit("once green is stable"); moved > 0 {
		t.Errorf("%d clients moved as the rollout succeeded", moved)
	}
	w.check(w.api.Act(id, "undo"))
	if green, _ := visit("undone"); green > 0 {
		t.Errorf("%d clients are on green after it was undone", green)
	}
}

func TestStrategy_ChosenUsersMeetTheCandidateUntilAnAbort(t *testing.T) {
	w := newWorld(t, options{})
	traffic := w.load().Open(200)
	id := w.begin(canary("{match: [{header: X-Weir-Preview, values: [green]}], duration: 1h}", "{weight: 100%, duration: 1h}"))
	w.awaitStage(id, 0, 20*time.Second)
	if v := w.shown(); v != "green" {
		t.Errorf("a chosen user met %q", v)
	}
	time.Sleep(time.Second)
	w.check(w.api.Act(id, "abort"))
	if v := w.shown(); v != "blue" {
		t.Errorf("after the abort a chosen user met %q", v)
	}
	shots := traffic.Stop()
	w.unharmed(shots)
	w.only("blue", shots)
}

func TestStrategy_CopiesFailAVersionThatNoUserHasMet(t *testing.T) {
	w := newWorld(t, options{})
	traffic := w.load().Open(400)
	time.Sleep(time.Second)
	id := w.begin(canary("{mirror: 50%, duration: 3s}", "{mirror: 50%, duration: 1h}", "{weight: 100%, duration: 1h}"))
	w.awaitStage(id, 1, 20*time.Second) // a good one passes
	w.fail(w.green, "errors=0.5")
	r := w.await(id, "failed", 20*time.Second)
	w.holds(r.Reason, "error_rate > 1%")
	shots := traffic.Stop()
	w.unharmed(shots)
	w.only("blue", shots)
	if s := w.stats(w.green); s.Requests == 0 {
		t.Error("green had no copies")
	}
}
