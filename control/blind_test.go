package control

import (
	"testing"
	"time"

	"github.com/weirproxy/weir/control/store"
)

func TestBlindness_BeginsAfterItsTimeAndEndsWithThePresentState(t *testing.T) {
	const after = time.Minute
	var b blindness
	at := time.Unix(0, 0)
	f := func(pass time.Duration, status store.Status, known int64, want bool) {
		t.Helper()
		at = at.Add(pass)
		if b = b.look(status, known, after, at); b.blind != want {
			t.Fatalf("after %s: blind is %v", at.Sub(time.Unix(0, 0)), b.blind)
		}
	}
	well := store.Status{Connected: true, Revision: 7}
	cut := store.Status{Revision: 7}

	f(0, well, 7, false)
	f(time.Hour, cut, 7, false)
	f(after-time.Second, cut, 7, false)
	f(time.Second, cut, 7, true)
	f(time.Hour, store.Status{Connected: true, Revision: 9}, 7, true)
	f(time.Second, store.Status{Connected: true, Revision: 9}, 9, false)
	f(time.Second, store.Status{Connected: true, Revision: 9, Age: after}, 9, false)
	f(after, store.Status{Connected: true, Revision: 9, Age: 2 * after}, 9, true)
	f(time.Second, well, 9, false)
	f(time.Second, cut, 9, false)
	f(time.Second, well, 9, false)
	f(after, cut, 9, false)
}

func TestBlindness_TakesCandidatesToNothingWithoutACut(t *testing.T) {
	b := newBare(t)
	b.opts.BlindAfter = time.Minute
	trial := b.trialOf(nil)
	up := func(version string, up bool) {
		for _, a := range shop().Versions[version].Endpoints {
			b.opts.Endpoints.Endpoint("shop", version, a).SetUp(up)
		}
	}
	b.pass(time.Second)
	b.pass(59 * time.Second)
	if b.picked("green") != 1000 {
		t.Fatalf("cut off for 59 s: green has %d", b.picked("green"))
	}
	b.pass(time.Second)
	if b.picked("green") != 0 || !b.View().Store.Blind {
		t.Fatalf("cut off for a minute: green has %d", b.picked("green"))
	}
	if len(b.cuts) != 0 || len(b.opts.Store.Cuts()) != 0 {
		t.Fatal("the candidate was accused of something")
	}
	up("blue", false)
	b.pass(time.Second)
	if b.picked("green") != 1000 {
		t.Fatalf("with stable down green has %d", b.picked("green"))
	}
	up("blue", true)
	b.pass(time.Second)
	if b.picked("green") != 0 || b.trials["r1"] != trial {
		t.Fatalf("with stable up again green has %d", b.picked("green"))
	}
}

func TestSilentNode_IsWaitedForOnceAndTakenBack(t *testing.T) {
	b := newBare(t)
	b.trialOf(nil)
	other := nodeRecord{Boot: "b", Revision: 1}
	b.deliver(false, map[string]any{"nodes/two": other})
	b.raisedAt["shop"] = b.clock
	f := func(pass time.Duration, acked, silent bool) {
		t.Helper()
		b.clock = b.clock.Add(pass)
		b.hear()
		if got := b.acked("shop", b.clock); got != acked || b.silent["two"] != silent {
			t.Fatalf("acked is %v, silent %v", got, b.silent["two"])
		}
	}

	f(0, false, false)
	f(9*time.Second, false, false)
	f(time.Second, true, true)
	b.raisedAt["shop"] = b.clock // the next raise
	f(0, true, true)
	other.Revision = b.mirror.relevant
	b.deliver(false, map[string]any{"nodes/two": other})
	f(0, true, false)
	b.deliver(false, shopWith(nil))
	b.raisedAt["shop"] = b.clock
	f(0, false, false)
	b.deliver(false, map[string]any{"nodes/two": nil})
	f(0, true, false)
}
