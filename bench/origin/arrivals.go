package main

import (
	"sync"
	"time"
)

// arrivalTick is what arrivals are counted by, maxArrivals how many ticks are
// remembered: an hour.
const (
	arrivalTick = 100 * time.Millisecond
	maxArrivals = int(time.Hour / arrivalTick)
)

// arrivals are the users' requests by the tick in which they came in. Safe for
// concurrent use.
type arrivals struct {
	mu     sync.Mutex
	first  int64 // the tick of counts[0], since the epoch
	counts []int
}

// arrived is what a proof is told of arrivals.
type arrived struct {
	First  int64 `json:"first"` // tick since the epoch, 100 ms each
	Counts []int `json:"counts"`
}

func (a *arrivals) add(now time.Time) {
	tick := now.UnixNano() / int64(arrivalTick)
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.counts) == 0 {
		a.first = tick
	}
	i := int(tick - a.first)
	if i < 0 || i >= maxArrivals {
		return // the clock was set, or nobody is interested any more
	}
	for len(a.counts) <= i {
		a.counts = append(a.counts, 0)
	}
	a.counts[i]++
}

// since returns the counts of the tick given and of all later ones.
func (a *arrivals) since(first int64) arrived {
	a.mu.Lock()
	defer a.mu.Unlock()
	skip := int(min(max(first-a.first, 0), int64(len(a.counts))))
	return arrived{First: a.first + int64(skip), Counts: append([]int{}, a.counts[skip:]...)}
}
