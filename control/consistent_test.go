package control

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
)

// Two nodes take turns without a pause between them: what one has acknowledged the
// other must know, whether it has to write, has nothing to do, or refuses.
func TestConsistent_EveryNodeDecidesOnWhatAnyHasAcknowledged(t *testing.T) {
	endpoint := sharedEtcd(t)
	a, b := newFleetLab(t, endpoint, "a"), newFleetLab(t, endpoint, "b")
	a.until("both nodes are known", func() bool { return len(a.View().Nodes) == 2 && len(b.View().Nodes) == 2 })
	a.do(ApplyService{Document: shop(), Actor: "ana"})
	set := func(l *lab, percent configs.Weight, match int64) (Reply, error) {
		return l.Do(t.Context(), SetWeights{
			Service: "shop", Weights: map[string]configs.Weight{"blue": configs.Whole - percent, "green": percent}, IfMatch: match, Actor: "ana",
		})
	}
	refusal := func(err error, want ErrorKind) {
		t.Helper()
		if e, ok := errors.AsType[*Error](err); !ok || e.Kind != want {
			t.Fatalf("%v, want a refusal of kind %d", err, want)
		}
	}
	for range 30 {
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
		if _, err := a.Do(t.Context(), Act{ID: first.ID, Verb: "pause", Actor: "ana"}); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Do(t.Context(), Act{ID: first.ID, Verb: "resume", Actor: "ana"}); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Do(t.Context(), Act{ID: first.ID, Verb: "pause", Actor: "ana"}); err != nil {
			t.Fatalf("a pause was refused that another node had ended: %v", err)
		}
		_, err = b.Do(t.Context(), Act{ID: first.ID, Verb: "pause", Actor: "ana"})
		refusal(err, Conflict)
		if _, err := a.Do(t.Context(), Act{ID: first.ID, Verb: "abort", Actor: "ana"}); err != nil {
			t.Fatal(err)
		}
		if err := b.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s, _ := b.View().Service("shop"); s.State.Rollout != "" {
			t.Fatalf("a consistent read shows rollout %s, which was aborted", s.State.Rollout)
		}
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
