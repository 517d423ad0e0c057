package store

import (
	"errors"
	"fmt"
	"testing"
)

func TestCatchUp_KnowsWhatOthersCommittedBefore(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	a, b := openNode(t, e.options("edge-1")).run(), openNode(t, e.options("edge-2")).run()
	b.await("the first load", func() bool { return b.last.Full })
	for i := range 100 {
		want := fmt.Sprint(i)
		committed := a.put("state/shop", want).Revision
		revision, err := b.CatchUp(t.Context())
		if err != nil || revision < committed {
			t.Fatalf("caught up to revision %d of %d, %v", revision, committed, err)
		}
		for b.last.Revision < revision {
			b.take(0)
		}
		if got := b.view["state/shop"]; got != want {
			t.Fatalf("after catching up the state is %q, want %q", got, want)
		}
	}
	// What others keep in the same etcd is not waited for.
	if _, err := a.raw().Put(t.Context(), "/somebody/else", "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.kill()
	if _, err := b.CatchUp(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without etcd: %v, want ErrUnavailable", err)
	}
}
