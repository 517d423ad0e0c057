//go:build e2e

package e2e

import (
	"math"
	"testing"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

const outage = 20 * time.Second

// awaitQuiet waits until green had no request of a user for a second, and
// returns when it had its last.
func (w *world) awaitQuiet(patience time.Duration) time.Time {
	w.t.Helper()
	var last time.Time
	w.check(lab.Await("the end of green's requests", patience, func() (bool, error) {
		s, err := w.green.Stats()
		last = s.LastAt()
		return err == nil && s.NowAt().Sub(last) > time.Second, err
	}))
	return last
}

// share fails the test if green's part of the shots is further from want than
// luck explains.
func (w *world) share(shots lab.Shots, want float64) {
	w.t.Helper()
	got := float64(shots.To("green")) / float64(max(len(shots), 1))
	if len(shots) < 200 || math.Abs(got-want) > 5*math.Sqrt(want*(1-want)/float64(len(shots))) {
		w.t.Errorf("green had %.1f%% of %d requests, not about %.0f%%", 100*got, len(shots), 100*want)
	}
}

func TestEtcd_GoneForTwentySecondsHarmsNobodyAndHoldsUpNoCut(t *testing.T) {
	w := newWorld(t, options{external: true})
	traffic := w.load().Open(300)
	id := w.begin(canary("{weight: 20%, duration: 120s}"))
	w.awaitStage(id, 0, 5*time.Second)
	time.Sleep(4 * time.Second)

	w.etcd.Kill()
	gone := time.Now()
	time.Sleep(outage / 2)
	broke := w.fail(w.green, "errors=0.5")
	last := w.awaitQuiet(6 * time.Second)
	t.Logf("with etcd gone, the last request of the bad version came %s after the fault", last.Sub(broke).Round(time.Millisecond))
	index, err := w.api.Index()
	w.check(err)
	if index.Connected || index.Error == "" {
		t.Errorf("the node does not say that its state cannot be reached: %+v", index)
	}
	if r, err := w.api.Rollout(id); err != nil || len(r.Cuts) == 0 {
		t.Errorf("the API does not show the cut while etcd is gone: %+v, %v", r.Cuts, err)
	}
	time.Sleep(time.Until(gone.Add(outage)))
	w.check(w.etcd.Start())
	back := time.Now()
	r := w.await(id, "rolled_back", 15*time.Second)
	t.Logf("rolled_back in etcd %s after its return: %s", time.Since(back).Round(time.Millisecond), r.Reason)
	time.Sleep(time.Second)
	shots := traffic.Stop()
	t.Logf("traffic: %s", shots)

	if n := shots.Lost(); n > 0 {
		t.Errorf("%d requests were lost", n)
	}
	if n := shots.Of(func(s lab.Shot) bool { return s.Version != "green" }).Failed(); n > 0 {
		t.Errorf("%d requests failed although green did not answer them", n)
	}
	w.share(shots.Of(func(s lab.Shot) bool { return s.Began.After(gone) && s.Ended.Before(broke) }), 0.20)
	w.only("blue", shots.After(last.Add(50*time.Millisecond)))
	if took := last.Sub(broke); took > 2*time.Second {
		t.Errorf("the bad version had requests for %s; the bar is 2s", took)
	}
	w.explained(id, r, "error_rate > 1%", "fast")
}

func TestEtcd_ARestartWithoutItServesFromDiskAndKeepsTheCut(t *testing.T) {
	w := newWorld(t, options{external: true})
	traffic := w.load().Open(300)
	id := w.begin(canary("{weight: 20%, duration: 120s}"))
	w.awaitStage(id, 0, 5*time.Second)
	time.Sleep(3 * time.Second) // and the disk copy is written
	w.etcd.Kill()
	time.Sleep(time.Second)

	restart := func() {
		t.Helper()
		w.node.Kill()
		w.check(w.node.Start())
		index, err := w.api.Index()
		w.check(err)
		if index.Source != "disk" || index.Connected {
			t.Errorf("a node without etcd says %+v", index)
		}
	}
	serves := func(green float64) {
		t.Helper()
		began := time.Now()
		probe := w.load().Open(300)
		time.Sleep(2 * time.Second)
		shots := probe.Stop()
		w.unharmed(shots)
		if green == 0 {
			w.only("blue", shots.After(began))
			return
		}
		w.share(shots, green)
	}
	traffic.Stop()

	restart()
	serves(0.20) // as it was
	probe := w.load().Open(300)
	broke := w.fail(w.green, "errors=0.5")
	last := w.awaitQuiet(10 * time.Second)
	probe.Stop()
	t.Logf("after a restart from disk, the last request of the bad version came %s after the fault", last.Sub(broke).Round(time.Millisecond))
	w.fail(w.green, "") // the judge alone would have nothing against it now
	restart()
	serves(0) // the cut is in the journal

	w.check(w.etcd.Start())
	r := w.await(id, "rolled_back", 20*time.Second)
	w.holds(r.Reason, "error_rate > 1%")
	index, err := w.api.Index()
	w.check(err)
	if index.Source != "etcd" || !index.Connected {
		t.Errorf("with etcd back the node says %+v", index)
	}
	if state := w.stored("rollouts/" + id); state["phase"] != "rolled_back" {
		t.Errorf("etcd says phase %v", state["phase"])
	}
	serves(0)
}
