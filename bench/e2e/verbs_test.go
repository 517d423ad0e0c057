//go:build e2e

package e2e

import (
	"testing"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// weir runs the binary and fails the test unless it exits as expected.
func (w *world) weir(exit int, input string, args ...string) string {
	w.t.Helper()
	code, out, errOut, err := w.node.CLIWith(input, args...)
	w.check(err)
	if code != exit {
		w.t.Fatalf("weir %v exits %d, not %d\n%s%s", args, code, exit, out, errOut)
	}
	return out + errOut
}

// newest is the service's latest rollout.
func (w *world) newest() lab.Rollout {
	w.t.Helper()
	var list []lab.Rollout
	a, err := w.api.Call("GET", "/v1/rollouts?service=shop", nil)
	w.check(err)
	w.check(a.Into(&list))
	if len(list) == 0 {
		w.t.Fatal("there is no rollout")
	}
	r, err := w.api.Rollout(list[0].ID)
	w.check(err)
	return r
}

func TestVerbs_APersonSteersARolloutFromTheCommandLine(t *testing.T) {
	w := newWorld(t, options{})
	traffic := w.load().Open(300)
	plan := string(canary("{weight: 10%, duration: 60s}", "{weight: 50%, duration: 60s}"))
	weight := func(version, want string) {
		t.Helper()
		s, err := w.api.Service("shop")
		w.check(err)
		if s.Weights[version] != want {
			t.Errorf("%s has %q, not %q: %v", version, s.Weights[version], want, s.Weights)
		}
	}
	phase := func(want string) lab.Rollout {
		t.Helper()
		r := w.newest()
		if r.Phase != want {
			t.Errorf("the rollout is %s, not %s: %s", r.Phase, want, r.Reason)
		}
		return r
	}

	w.weir(0, plan, "rollout", "start", "-f", "-")
	first := w.newest().ID
	w.awaitStage(first, 0, 10*time.Second)
	w.weir(0, "", "rollout", "pause", "shop", "--reason", "lunch")
	paused := phase("paused")
	time.Sleep(1500 * time.Millisecond)
	if r := phase("paused"); r.StageElapsed > paused.StageElapsed+0.3 {
		t.Errorf("stage time went on while paused: %.1f s to %.1f s", paused.StageElapsed, r.StageElapsed)
	}
	weight("green", "10%")
	w.weir(0, "", "rollout", "resume", "shop")
	phase("progressing")
	w.weir(0, "", "rollout", "promote", "shop")
	w.awaitStage(first, 1, 5*time.Second)
	weight("green", "50%")
	w.weir(0, "", "rollout", "abort", "shop", "--reason", "checkout is slow")
	if r := phase("aborted"); r.ID != first {
		t.Errorf("the abort made rollout %s", r.ID)
	}
	weight("blue", "100%")
	w.weir(1, "", "rollout", "promote", "shop") // it is over

	w.weir(0, "", "rollout", "retry", "shop")
	second := w.newest().ID
	if second == first {
		t.Error("retry made no new rollout")
	}
	w.awaitStage(second, 0, 10*time.Second)
	w.weir(0, "", "rollout", "promote", "shop", "--full")
	w.await(second, "succeeded", 10*time.Second)
	weight("green", "100%")
	w.weir(0, "", "rollout", "undo", "shop")
	weight("blue", "100%")
	w.holds(w.weir(0, "", "rollout", "history", "shop"), first, second)

	w.weir(2, "", "rollout", "begin", "shop")
	w.weir(3, "", "--control", "http://127.0.0.1:1", "rollout", "list")
	w.weir(1, "", "rollout", "status", "nothing")
	w.unharmed(traffic.Stop())
}

func TestVerbs_StartWaitExitsAsTheRolloutEnds(t *testing.T) {
	w := newWorld(t, options{})
	traffic := w.load().Open(300)
	time.Sleep(500 * time.Millisecond)
	short := string(canary("{weight: 20%, duration: 2s}", "{weight: 100%, duration: 1s}"))

	w.weir(0, short, "rollout", "start", "-f", "-", "--wait")
	w.weir(0, "", "rollout", "undo", "shop")
	w.fail(w.green, "errors=0.5")
	out := w.weir(1, string(canary("{weight: 20%, duration: 30s}")), "rollout", "start", "-f", "-", "--wait")
	w.holds(out, "rolled_back", "rollout why")
	w.fail(w.green, "")

	// An abort from elsewhere ends a watch with 1 too.
	type exit struct {
		code int
		err  error
	}
	ended := make(chan exit, 1)
	w.weir(0, string(canary("{weight: 20%, duration: 30s}")), "rollout", "start", "-f", "-")
	id := w.newest().ID
	go func() {
		code, _, _, err := w.node.CLI("rollout", "watch", id)
		ended <- exit{code, err}
	}()
	time.Sleep(time.Second)
	w.check(w.api.Act(id, "abort"))
	if e := <-ended; e.code != 1 || e.err != nil {
		t.Errorf("a watch of an aborted rollout exits %d, %v", e.code, e.err)
	}
	traffic.Stop()
}
