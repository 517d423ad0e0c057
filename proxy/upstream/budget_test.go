package upstream

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const second = int64(time.Second)

func TestBudget_FloorComesBackEachSecond(t *testing.T) {
	var b Budget
	f := func(now int64, want int) {
		t.Helper()
		got := 0
		for range 10 {
			if b.Spend(now, 0) {
				got++
			}
		}
		if got != want {
			t.Errorf("at %d: %d attempts, want %d", now, got, want)
		}
	}

	f(1, 3)
	f(2, 0)
	f(1+second/3+1, 1)
	f(1+2*second, 3)
	f(1+1000*second, 3) // time without requests saves nothing
}

func TestBudget_RequestsPayForAFifth(t *testing.T) {
	f := func(perSecond int, ask, seconds int) {
		t.Helper()
		var b Budget
		spent, requests := 0, uint64(0)
		for s := range seconds {
			for i := range ask {
				requests = uint64(s*perSecond + i*perSecond/ask)
				if b.Spend(1+int64(s)*second+int64(i)*second/int64(ask), requests) {
					spent++
				}
			}
		}
		most := 0.2*float64(perSecond*seconds) + 3*float64(seconds+1)
		if float64(spent) > most+1 || float64(spent) < 0.9*most-0.2*float64(perSecond) {
			t.Errorf("%d a second, %d asked, %d s: %d attempts, want about %.0f", perSecond, ask, seconds, spent, most)
		}
	}

	f(100, 100, 60)
	f(1000, 1000, 30)
	f(1000, 500, 30)
	f(10, 10, 60)
}

func TestBudget_SavesAWindowOfRequests(t *testing.T) {
	var b Budget
	spent := 0
	for range 100_000 {
		if b.Spend(1+3600*second, 3600*100) { // 100 a second for an hour, then all at once
			spent++
		}
	}
	if want := 100*10/5 + 3; spent < want-1 || spent > want {
		t.Errorf("%d attempts, want %d: a fifth of ten seconds and the floor", spent, want)
	}
}

// TestBudget_NeverMoreThanItsShare compares any history with the sum that no
// history may pass.
func TestBudget_NeverMoreThanItsShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b Budget
		now, requests, spent := int64(1), uint64(0), 0
		first := now
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now += rapid.Int64Range(-second/100, 20*second).Draw(t, "passed")
			requests += uint64(rapid.IntRange(0, 500).Draw(t, "requests"))
			for range rapid.IntRange(0, 50).Draw(t, "asked") {
				if b.Spend(now, requests) {
					spent++
				}
			}
			most := 0.2*float64(requests) + 3 + 3*float64(now-first+second)/float64(second)
			if float64(spent) > most+0.001 {
				t.Fatalf("%d attempts of at most %.2f", spent, most)
			}
		}
	})
}

func TestBudget_BoundsCopies(t *testing.T) {
	var b Budget
	var most, under atomic.Int32
	var wg sync.WaitGroup
	for range 4 * MaxCopies {
		wg.Go(func() {
			for range 100 {
				if b.BeginCopy(MaxCopies) {
					n := under.Add(1)
					for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
					}
					under.Add(-1)
					b.EndCopy()
				}
			}
		})
	}
	wg.Wait()
	if most.Load() > MaxCopies || b.copies.Load() != 0 {
		t.Errorf("%d copies at once, %d left", most.Load(), b.copies.Load())
	}
	for i := range MaxCopies {
		if !b.BeginCopy(MaxCopies) {
			t.Fatalf("no copy %d", i)
		}
	}
	if b.BeginCopy(MaxCopies) {
		t.Error("a copy beyond the limit")
	}
	for range MaxCopies - 2 {
		b.EndCopy()
	}
	if b.BeginCopy(2) || !b.BeginCopy(3) {
		t.Error("a limit of the caller does not count")
	}
}

func TestBudget_NilAllowsNothing(t *testing.T) {
	var b *Budget
	if b.Spend(1, 1000) || b.BeginCopy(MaxCopies) {
		t.Error("a nil budget allows something")
	}
}
