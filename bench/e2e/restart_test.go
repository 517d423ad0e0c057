//go:build e2e

package e2e

import (
	"testing"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

func TestRestart_AStageGoesOnWithItsTimeAndEvidence(t *testing.T) {
	f := func(name string, end func(*world)) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, options{})
			w.restart(end)
		})
	}

	f("killed", func(w *world) { w.node.Kill() })
	f("terminated", func(w *world) {
		w.check(w.node.Terminate())
		code, err := w.node.Wait(20 * time.Second)
		w.check(err)
		if code != 0 {
			w.t.Errorf("weir exits %d when it is told to end", code)
		}
	})
}

// restart ends weir in the middle of a stage and follows the stage to its end.
func (w *world) restart(end func(*world)) {
	t := w.t
	t.Helper()
	const stage = 12.0
	traffic := w.load().Open(300)
	id := w.begin(canary("{weight: 20%, duration: 12s}", "{weight: 50%, duration: 60s}"))
	w.awaitStage(id, 0, 5*time.Second)
	time.Sleep(6 * time.Second)
	seen := func(r lab.Rollout) int {
		for _, rule := range r.Rules {
			if rule.Condition == "error_rate > 1%" {
				return rule.CandidateRequests
			}
		}
		return 0
	}
	before, err := w.api.Rollout(id)
	w.check(err)
	if seen(before) < 200 {
		t.Fatalf("there is no evidence to lose: %d requests", seen(before))
	}
	end(w)
	time.Sleep(2 * time.Second) // which does not count
	w.check(w.node.Start())
	started := time.Now()
	after, err := w.api.AwaitRollout(id, "judged again", 10*time.Second, func(r *lab.Rollout) bool { return r.InForce && seen(*r) > 0 })
	w.check(err)
	w.awaitStage(id, 1, 20*time.Second)
	rest := time.Since(started).Seconds()
	shots := traffic.Stop()
	t.Logf("before: %.1f s of the stage, %d requests; after: %.1f s, %d requests; the stage ended %.1f s later",
		before.StageElapsed, seen(before), after.StageElapsed, seen(after), rest)

	if after.Stage != 0 || after.StageElapsed < before.StageElapsed-1.5 {
		t.Errorf("the stage did not go on: %.1f s of stage %d became %.1f s of stage %d",
			before.StageElapsed, before.Stage, after.StageElapsed, after.Stage)
	}
	if seen(after) < seen(before)*7/10 {
		t.Errorf("evidence was lost: %d requests became %d", seen(before), seen(after))
	}
	// The end of weir may take a second of drain, which counts.
	if least := stage - before.StageElapsed - 2; rest < least {
		t.Errorf("the stage was cut short: %.1f s after the restart, at least %.1f s were left", rest, least)
	}
	if most := stage - before.StageElapsed + 4; rest > most {
		t.Errorf("the stage began anew: %.1f s after the restart, at most %.1f s were left", rest, most)
	}
	if n := shots.After(started).Failed(); n > 0 {
		t.Errorf("%d requests failed after the restart: %s", n, shots.After(started))
	}
}
