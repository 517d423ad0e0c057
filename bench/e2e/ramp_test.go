//go:build e2e

package e2e

import (
	"testing"
	"time"
)

func TestRamp_AHealthyVersionBecomesStableAndLosesNoRequest(t *testing.T) {
	w := newWorld(t, options{external: true})
	traffic := w.load().Open(400)
	time.Sleep(time.Second)
	id := w.begin(quickCanary(t))
	r := w.await(id, "succeeded", 40*time.Second)
	ended := time.Now()
	time.Sleep(time.Second)
	shots := traffic.Stop()

	w.unharmed(shots)
	w.only("green", shots.After(ended.Add(100*time.Millisecond)))
	if len(r.History) < 5 {
		t.Errorf("the history does not tell of three stages: %+v", r)
	}
	if state := w.stored("rollouts/" + id); state["phase"] != "succeeded" {
		t.Errorf("etcd says %v of the rollout, not that it succeeded", state["phase"])
	}
	if state := w.stored("state/shop"); state["stable"] != "green" {
		t.Errorf("etcd says that %v is stable, not green", state["stable"])
	}
	s, err := w.api.Service("shop")
	w.check(err)
	if s.Stable != "green" || s.Weights["green"] != "100%" {
		t.Errorf("the API says that %s is stable with weights %v", s.Stable, s.Weights)
	}
	code, out, _, err := w.node.CLI("get", "services", "shop")
	w.check(err)
	if code != 0 {
		t.Errorf("weir get services exits %d", code)
	}
	w.holds(out, "green", "100%")
}
