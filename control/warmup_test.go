package control

import (
	"net"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
)

// listening accepts connections and holds them.
func listening(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var held []net.Conn
		for {
			nc, err := ln.Accept()
			if err != nil {
				break
			}
			held = append(held, nc)
		}
		for _, nc := range held {
			_ = nc.Close()
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-ended
	})
	return ln.Addr().String()
}

func twoVersions(t *testing.T) configs.Service {
	doc := shop()
	doc.Versions = map[string]configs.Version{"blue": {Endpoints: []string{listening(t)}}, "green": {Endpoints: []string{listening(t), listening(t)}}}
	return doc
}

func TestWarmUp_ConnectionsAreOpenBeforeARaise(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: twoVersions(t), Actor: "ana"})
	stable := l.tables.Load().Service("shop").Versions[0].Pool.Endpoints()[0]
	for range 10 {
		c, err := stable.Acquire(0)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	id := l.do(StartRollout{Plan: canary(stage(5000, time.Hour)), Actor: "ana"}).ID
	l.until("green has half", func() bool { return l.picked("green") == 5000 })
	// Half of what stable holds for all is five, for two endpoints.
	if w := l.rollout(id).WarmUp; !w.Done || w.Wanted != 6 || w.Opened != 6 || w.Err != "" {
		t.Errorf("warm-up %+v", w)
	}
}

func TestWarmUp_ThatHangsDelaysARaiseAndNoAbort(t *testing.T) {
	l := newLab(t)
	doc := twoVersions(t)
	doc.Protocol = "https" // nobody answers a handshake
	l.do(ApplyService{Document: doc, Actor: "ana"})
	aborted := l.do(StartRollout{Plan: canary(stage(5000, time.Hour)), Actor: "ana"}).ID
	l.until("connections are being opened", func() bool { return !l.rollout(aborted).WarmUp.At.IsZero() })
	l.do(Act{ID: aborted, Verb: "abort", Actor: "ben"})
	if got := l.phase(aborted); got != rollout.Aborted || l.picked("green") != 0 {
		t.Fatalf("after the abort: %s, green has %d buckets", got, l.picked("green"))
	}
	id := l.do(StartRollout{Plan: canary(stage(5000, time.Hour)), Actor: "ana"}).ID
	l.until("green has half all the same", func() bool { return l.picked("green") == 5000 })
	if w := l.rollout(id).WarmUp; w.Opened != 0 {
		t.Errorf("warm-up %+v", w)
	}
}

func TestWarmUp_IsAShareOfWhatStableHolds(t *testing.T) {
	f := func(held int, stable, weight configs.Weight, endpoints, most, want int) {
		t.Helper()
		if got := warmEach(held, stable, weight, endpoints, most); got != want {
			t.Errorf("of %d at %s, for %s on %d endpoints of %d: %d, want %d", held, stable, weight, endpoints, most, got, want)
		}
	}
	f(100, 10_000, 1_000, 1, 1024, 10)
	f(100, 9_000, 2_500, 2, 1024, 14)
	f(100, 5_000, 10_000, 2, 1024, 50) // never more than stable holds
	f(0, 10_000, 1_000, 3, 1024, 1)
	f(1, 10_000, 1, 3, 1024, 1)
	f(100_000, 10_000, 10_000, 1, 1024, 64)
	f(100_000, 10_000, 10_000, 100, 1024, 5)
	f(100, 10_000, 1_000, 1_000, 1024, 0) // too many to open one each
	f(100, 10_000, 1_000, 0, 1024, 0)
	f(100, 10_000, 10_000, 1, 8, 4)
	f(100, 10_000, 10_000, 1, 1, 1)
	f(100, 10_000, 10_000, 1, 0, 64)
}

func TestWarmUp_HoldsOnlyWhatRaisesAndForABoundedTime(t *testing.T) {
	b := newBare(t)
	tr := b.trialOf(nil)
	before := running()
	lower, raise := before, before
	lower.Rollout.Weights = map[string]configs.Weight{"blue": 10_000}
	raise.Rollout.Weights = map[string]configs.Weight{"blue": 5_000, "green": 5_000}
	if b.cold(tr, before, before, b.clock) || b.cold(tr, before, lower, b.clock) {
		t.Fatal("a step that raises nothing waits")
	}
	if !b.cold(tr, before, raise, b.clock) || !b.cold(tr, before, raise, b.clock.Add(warmUpLimit-1)) {
		t.Fatal("a raise does not wait")
	}
	if b.cold(tr, before, raise, b.clock.Add(warmUpLimit)) {
		t.Fatal("a raise waits longer than it may")
	}
	b.settle()
	if b.cold(tr, before, raise, b.clock) || !tr.warmUp.Done {
		t.Fatal("a raise waits for a warm-up that has failed")
	}
}
