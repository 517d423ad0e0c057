package upstream

import (
	"sync"
	"sync/atomic"
	"time"
)

// What a Budget allows.
const (
	budgetShare  = 0.2              // of the requests of the window (Envoy's budget_percent, Finagle's and Linkerd's retry ratio)
	budgetWindow = 10 * time.Second // how long an allowance that was not used is kept (Finagle's and Linkerd's)
	budgetFloor  = 3                // a second, whatever the traffic (Envoy's min_retry_concurrency)

	// MaxCopies bounds the copies under way to one version. One holds a goroutine,
	// two heads and a read buffer: at most 60 KiB.
	MaxCopies = 64
)

// Budget bounds what a version is asked beyond the requests of its clients:
// second attempts, and copies. Retries answer failures with load, and a version
// that fails under load fails more: without a bound they turn a bad moment into
// an outage. Safe for concurrent use; the zero Budget is ready, and a nil one
// allows nothing.
type Budget struct {
	copies atomic.Int32

	mu       sync.Mutex // held for a few instructions, after a failure only
	used     bool       // Spend was called before
	at       int64      // of the last Spend, in nanoseconds since the base
	requests uint64     // at that time
	saved    float64    // attempts that the requests have paid for
	floor    float64    // attempts that are left of the floor
}

// Spend takes one attempt out of the budget and reports whether there was one.
// now is in nanoseconds since a moment before the first request; requests is how
// many clients have sent to the version since then. Neither may fall from one call to
// the next by more than a race between callers.
func (b *Budget) Spend(now int64, requests uint64) bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.earn(now, requests)
	switch {
	case b.saved >= 1:
		b.saved--
	case b.floor >= 1:
		b.floor--
	default:
		return false
	}
	return true
}

// earn adds what time and requests have brought since the last call. What was
// saved before the window is lost, evenly over the window.
func (b *Budget) earn(now int64, requests uint64) {
	if !b.used {
		b.used, b.floor = true, budgetFloor
	}
	passed := max(now-b.at, 0)
	came := float64(0)
	if requests > b.requests {
		came = float64(requests - b.requests)
	}
	window := float64(budgetWindow) / float64(max(passed, 1))
	if window < 1 {
		came *= window // the part of them that fell into the window, at an even rate
	}
	b.saved = b.saved*max(0, 1-1/window) + budgetShare*came
	b.floor = min(budgetFloor, b.floor+budgetFloor*time.Duration(passed).Seconds())
	b.at, b.requests = max(b.at, now), max(b.requests, requests)
}

// BeginCopy reports whether another copy may go to the version, which has less
// than limit of them, at most MaxCopies. Each that may needs one EndCopy.
func (b *Budget) BeginCopy(limit int) bool {
	if b == nil {
		return false
	}
	if b.copies.Add(1) > int32(min(limit, MaxCopies)) {
		b.copies.Add(-1)
		return false
	}
	return true
}

// EndCopy undoes BeginCopy.
func (b *Budget) EndCopy() { b.copies.Add(-1) }
