package control

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/store"
)

// Two nodes take turns without a pause between them: what one has acknowledged the
// other must know, whether it has to write, has nothing to do, or refuses.
func TestConsistent_EveryNodeDecidesOnWhatAnyHasAcknowledged(t *testing.T) {
	endpoint := sharedEtcd(t)
	a, b := newFleetLab(t, endpoint, "a"), newFleetLab(t, endpoint, "b")
	a.until("both nodes are known", func() bool { return len(a.View().Nodes) == 2 && len(b.View().Nodes) == 2 })
	a.do(ApplyService{Document: shop(), Actor: "ana"})
	// A machine that is busy with other things may keep etcd from answering in time;
	// nothing is changed then, and it is asked again.
	do := func(l *lab, cmd Command) (reply Reply, err error) {
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
			reply, err = l.Do(t.Context(), cmd)
			if e, ok := errors.AsType[*Error](err); !ok || e.Kind != Unavailable || e.Hint != "nothing was changed" {
				break
			}
		}
		return reply, err
	}
	set := func(l *lab, percent configs.Weight, match int64) (Reply, error) {
		return do(l, SetWeights{
			Service: "shop", Weights: map[string]configs.Weight{"blue": configs.Whole - percent, "green": percent}, IfMatch: match, Actor: "ana",
		})
	}
	act := func(l *lab, id, verb string) error {
		_, err := do(l, Act{ID: id, Verb: verb, Actor: "ana"})
		return err
	}
	refusal := func(err error, want ErrorKind) {
		t.Helper()
		if e, ok := errors.AsType[*Error](err); !ok || e.Kind != want {
			t.Fatalf("%v, want a refusal of kind %d", err, want)
		}
	}
	for range 10 {
		first, err := set(a, 1000, 0)
		if err != nil {
			t.Fatal(err)
		}
		second, err := set(b, 2000, first.Revision) // b may not have heard of that revision yet
		if err != nil {
			t.Fatal(err)
		}
		if third, err := set(a, 1000, 0); err != nil || third.Revision <= second.Revision {
			t.Fatalf("weights that somebody else had changed were left: %+v, %v", third, err)
		}
		_, err = set(b, 3000, second.Revision)
		refusal(err, Stale)
		for _, step := range []struct {
			at   *lab
			verb string
		}{{a, "pause"}, {b, "resume"}, {a, "pause"}} {
			if err := act(step.at, first.ID, step.verb); err != nil {
				t.Fatalf("%s was refused for what another node had ended: %v", step.verb, err)
			}
		}
		refusal(act(b, first.ID, "pause"), Conflict)
		if err := act(a, first.ID, "abort"); err != nil {
			t.Fatal(err)
		}
		b.until("b knows all", func() bool { return b.CatchUp(t.Context()) == nil })
		if s, _ := b.View().Service("shop"); s.State.Rollout != "" {
			t.Fatalf("a consistent read shows rollout %s, which was aborted", s.State.Rollout)
		}
	}
}

// Weights that go back to stable are in force before they are written, and without
// etcd. Not so on a condition, which only etcd can tell.
func TestConsistent_WhatIsStaleHasNoEffect(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	id := l.do(SetWeights{Service: "shop", Weights: map[string]configs.Weight{"blue": 9000, "green": 1000}, Actor: "ana"}).ID
	s, _ := l.View().Service("shop")
	key := store.StateKey("shop")
	kv, _, err := l.opts.Store.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	back := SetWeights{Service: "shop", Weights: map[string]configs.Weight{"blue": configs.Whole}, IfMatch: s.StateRevision, Actor: "ana"}
	planned := make(chan plan, 1)
	l.post(func() {
		p, err := l.plan(back, "0123456789", time.Now())
		if err != nil {
			t.Error(err)
		}
		planned <- p
	})
	p := <-planned
	// Somebody else is first.
	if _, err := l.opts.Store.Commit(t.Context(), store.Txn{Then: []store.Op{store.Put(key, kv.Value)}}); err != nil {
		t.Fatal(err)
	}
	res, err := l.opts.Store.Commit(t.Context(), p.txn)
	if err != nil || res.Committed || p.cut {
		t.Fatalf("a condition that does not hold: committed %v, in force %v, %v", res.Committed, p.cut, err)
	}
	l.until("the other's write is there", func() bool { return l.View().Store.Revision >= res.Revision })
	if l.picked("green") != 1000 || l.phase(id).Final() {
		t.Errorf("what was stale had its effect: green has %d buckets, the rollout is %s", l.picked("green"), l.phase(id))
	}
	back.IfMatch = 0
	l.do(back)
	if l.picked("green") != 0 {
		t.Errorf("green still has %d buckets", l.picked("green"))
	}
}

func TestConsistent_WithoutEtcdNothingIsSaidOfTheNewestState(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := l.CatchUp(ctx); err != nil {
		t.Fatal(err)
	}
	if err := l.opts.Store.Close(); err != nil {
		t.Fatal(err)
	}
	err := l.CatchUp(ctx)
	if e, ok := errors.AsType[*Error](err); !ok || e.Kind != Unavailable {
		t.Errorf("%v, want a refusal of kind Unavailable", err)
	}
}
