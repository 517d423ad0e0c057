package stats

import (
	"sync/atomic"
	"time"
)

// TickLength is the length of a dispatch tick. All counts of a request belong
// to the tick in which it was dispatched, however late they come.
const TickLength = 100 * time.Millisecond

// MaxLimits is the largest number of latency limits of a Trial.
const MaxLimits = 8

// ringTicks is how many ticks stay open: 102.4 s, more than the longest wait
// for final counts. A power of two.
const ringTicks = 1024

// openTicks is how long a request may still be counted in its tick. The margin
// to ringTicks is what keeps a goroutine, stopped between the check of a slot
// and its increment, from hitting a slot that was reused meanwhile.
const openTicks = ringTicks - 24

// Trial counts one version's requests by dispatch tick: those of lane split, or,
// armed beside, those of the lanes forced and mirror.
//
// The goroutine that judges reads Outcomes while requests are counted.
type Trial struct {
	limits [MaxLimits]time.Duration // ascending or not; beyond n they are never read
	n      int
	marks  *Marks // nil: nothing is marked
	keyed  bool   // errors and slow requests count once a bucket
	levels atomic.Pointer[Levels]

	rings   [MaxShards]atomic.Pointer[ring]
	dropped atomic.Uint64
}

// Outcomes are the counts of the requests that were dispatched in one tick.
// Always Errors <= Ended <= Headed <= Started.
type Outcomes struct {
	Started uint64 // dispatched
	Headed  uint64 // the final head is known, or ended without one
	Ended   uint64 // the outcome stands: ended, or an error at its head

	Errors       uint64
	ErrorsUnique uint64 // at most one per bucket within Repeat

	Over       [MaxLimits]uint64 // slower than the limit
	OverUnique [MaxLimits]uint64 // the same, at most one per bucket within Repeat
	Excluded   [MaxLimits]uint64 // not slower, but an error or the client left: no evidence of speed

	ClientErrors       uint64 // answered with a 4xx that is no error of the version
	ClientErrorsUnique uint64 // the same, at most one per bucket within Repeat, keyed or not

	// Indexed as the Levels of the tick; zeros without levels.
	OverLevel       [MaxLevels]uint64 // slower than the level
	OverLevelUnique [MaxLevels]uint64 // the same, at most one per bucket within Repeat
	ExcludedLevel   [MaxLevels]uint64 // not slower, but no evidence of speed

	// ErrorsHalf are the errors of even and of odd buckets: two lanes of one
	// version, which differ by more than chance where clients fail together.
	ErrorsHalf [2]uint64
}

// NewTrial returns a Trial with an exact counter per latency limit.
//
// keyed says that the service has a sticky key: a bad outcome then counts at
// most once per bucket within Repeat, by marks, which the trials of all
// versions of the service share. Client errors do so wherever there are marks:
// one scanner must not look like a release. It panics if there are more than
// MaxLimits limits, or if keyed has no marks.
func NewTrial(limits []time.Duration, keyed bool, marks *Marks) *Trial {
	if len(limits) > MaxLimits {
		panic("BUG: a trial with more than MaxLimits latency limits")
	}
	if keyed && marks == nil {
		panic("BUG: a keyed trial without marks")
	}
	t := &Trial{n: len(limits), marks: marks, keyed: keyed}
	copy(t.limits[:], limits)
	return t
}

// TickOf returns the tick of a moment in nanoseconds since the base.
func TickOf(at int64) uint32 { return uint32(max(at, 0) / int64(TickLength)) }

// Outcomes sums the shards of one dispatch tick into out, which it overwrites.
// It is false if the ring moved past the tick: then the counts are gone. A tick
// without requests, or one yet to come, has zeros.
func (t *Trial) Outcomes(tick uint32, out *Outcomes) bool {
	*out = Outcomes{}
	for i := range t.rings {
		r := t.rings[i].Load()
		if r == nil {
			continue
		}
		if !r.slots[tick%ringTicks].add(tick, out) {
			*out = Outcomes{}
			return false
		}
	}
	return true
}

// Limits returns the latency limits in the order of the counters.
func (t *Trial) Limits() []time.Duration { return t.limits[:t.n:t.n] }

// Dropped returns how many heads and ends came too late for their tick.
func (t *Trial) Dropped() uint64 { return t.dropped.Load() }

// begin counts a dispatch and returns the ring that the rest of the request
// belongs to: nil, and nothing is counted, if its tick is long gone.
func (t *Trial) begin(shard, tick uint32) *ring {
	r := t.rings[shard%MaxShards].Load()
	s := &r.slots[tick%ringTicks]
	if s.epoch.Load() != ready(tick) && !s.open(tick) {
		t.dropped.Add(1)
		return nil
	}
	s.started.Add(1)
	return r
}

// grow allocates the ring of a shard unless it stands.
func (t *Trial) grow(shard uint32) {
	p := &t.rings[shard%MaxShards]
	if p.Load() == nil {
		p.CompareAndSwap(nil, &ring{trial: t})
	}
}
