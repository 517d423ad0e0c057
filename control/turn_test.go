package control

import (
	"errors"
	"testing"
	"time"

	"github.com/weirproxy/weir/control/store"
)

func TestTurn_WaitsForItsWriteAndLongerAfterEachFailure(t *testing.T) {
	b := newBare(t)
	now := time.Now()
	f := func(what string, at time.Time, want bool) {
		t.Helper()
		if got := b.waits("shop", at); got != want {
			t.Errorf("%s: waits %v, want %v (%+v)", what, got, want, b.turns["shop"])
		}
	}
	f("nothing is under way", now, false)
	b.turns["shop"] = turn{underWay: true}
	f("under way", now, true)
	b.committed("shop", "r1", store.Result{Committed: true, Revision: 7}, nil)
	f("written, not seen", now, true)
	b.deliver(false, map[string]any{"audit/1": AuditView{}})
	f("seen", now, false)
	for range freeFailures {
		b.committed("shop", "r1", store.Result{}, errors.New("lost a race"))
		f("somebody was faster", time.Now(), false)
	}
	for range 20 {
		b.committed("shop", "r1", store.Result{}, store.ErrFull)
	}
	f("etcd refuses", time.Now().Add(mostPause/2), true)
	f("the longest pause", time.Now().Add(mostPause), false)
	b.hurry("shop")
	f("a cut came", time.Now(), false)
	b.committed("shop", "r1", store.Result{Committed: true, Revision: 8}, nil)
	if len(b.turns) != 0 {
		t.Errorf("a success leaves %+v", b.turns)
	}
}

// An etcd that was restored starts at a smaller revision: what was written to
// the one before will never be seen.
func TestTurn_IsFreeAfterTheStateWasReadAsAWhole(t *testing.T) {
	b := newBare(t)
	b.committed("shop", "r1", store.Result{Committed: true, Revision: 1 << 40}, nil)
	if !b.waits("shop", time.Now()) {
		t.Fatal("it does not wait for its own write")
	}
	b.deliver(true, shopWith(nil))
	if b.waits("shop", time.Now()) {
		t.Fatal("it waits for a revision that is never reached")
	}
}
