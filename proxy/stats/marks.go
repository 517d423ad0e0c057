package stats

import (
	"sync/atomic"
	"time"
)

// Repeat is how long a bucket that had a bad outcome counts no further one of
// the same kind. Ten minutes keep users who fail all the time from being taken
// for a bad release.
const Repeat = 600 * time.Second

// Buckets is the number of split buckets.
const Buckets = 10_000

// Marks remember when each split bucket last had a bad outcome that counted,
// for errors, client errors and each latency limit and level. One Marks is shared by all versions of
// a service, so that a failing client counts once, whichever versions it meets;
// it outlives their trials. Its methods take no lock.
type Marks struct {
	kinds [2 + MaxLimits + MaxLevels]marks
}

// marks hold, by bucket, the tick of the last outcome that counted plus one. 0: never.
type marks [Buckets]atomic.Uint32

const repeatTicks = int32(Repeat / TickLength)

// NewMarks returns Marks on which no bucket has failed. They take 640 KB.
func NewMarks() *Marks { return new(Marks) }

// The marks of errors, of client errors, and of the k-th latency limit and level.
func (m *Marks) errors() *marks         { return &m.kinds[0] }
func (m *Marks) clientErrors() *marks   { return &m.kinds[1] }
func (m *Marks) over(k int) *marks      { return &m.kinds[2+k] }
func (m *Marks) overLevel(k int) *marks { return &m.kinds[2+MaxLimits+k] }

// first marks the bucket and reports whether its bad outcome of tick counts. Of
// several goroutines that report one bucket at once, one is told so.
func (m *marks) first(bucket int32, tick uint32) bool {
	mark := &m[bucket]
	last := mark.Load()
	if last != 0 && int32(tick+1-last) < repeatTicks {
		return false
	}
	return mark.CompareAndSwap(last, tick+1)
}
