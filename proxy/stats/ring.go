package stats

import (
	"runtime"
	"sync/atomic"
	"time"
)

// ring holds the open ticks of one shard of a Trial. Tick n is in slot
// n % ringTicks until tick n + ringTicks begins.
type ring struct {
	trial *Trial
	slots [ringTicks]slot
}

// slot holds the counts of one tick. It fills two cache lines.
type slot struct {
	// epoch says which tick the counts are of: ready(tick), or one more while
	// a goroutine clears the slot for that tick. 0: never used.
	epoch atomic.Uint64

	started, headed, ended, errors, errorsUnique atomic.Uint32

	over, overUnique, excluded [MaxLimits]atomic.Uint32
}

// ready returns the epoch of a slot whose counts are of tick.
func ready(tick uint32) uint64 { return (uint64(tick) + 1) << 1 }

// open makes s the slot of tick. It is false if s is of a later tick already.
// One goroutine clears the slot; others spin for as long as that takes.
func (s *slot) open(tick uint32) bool {
	want := ready(tick)
	clearing := want | 1
	for {
		switch e := s.epoch.Load(); {
		case e == want:
			return true
		case e > clearing:
			return false
		case e&1 == 0 && s.epoch.CompareAndSwap(e, clearing):
			s.clear()
			s.epoch.Store(want)
			return true
		default:
			runtime.Gosched()
		}
	}
}

func (s *slot) clear() {
	for _, c := range [...]*atomic.Uint32{&s.started, &s.headed, &s.ended, &s.errors, &s.errorsUnique} {
		c.Store(0)
	}
	for k := range MaxLimits {
		s.over[k].Store(0)
		s.overUnique[k].Store(0)
		s.excluded[k].Store(0)
	}
}

// add adds the counts of tick to out. It is false if s is of a later tick.
func (s *slot) add(tick uint32, out *Outcomes) bool {
	want := ready(tick)
	if e := s.epoch.Load(); e != want {
		return e < want // an older tick: nothing was dispatched here in this one
	}
	// What implies more comes first: a request counted as ended is then
	// counted as started too, although all of them may grow meanwhile.
	for k := range MaxLimits {
		out.OverUnique[k] += uint64(s.overUnique[k].Load())
		out.Over[k] += uint64(s.over[k].Load())
		out.Excluded[k] += uint64(s.excluded[k].Load())
	}
	out.ErrorsUnique += uint64(s.errorsUnique.Load())
	out.Errors += uint64(s.errors.Load())
	out.Ended += uint64(s.ended.Load())
	out.Headed += uint64(s.headed.Load())
	out.Started += uint64(s.started.Load())
	return s.epoch.Load() == want
}

// slot returns the slot of a request's tick, or nil if that is closed by now.
func (r *ring) slot(t *Token, at int64) (*slot, uint32) {
	tick := TickOf(t.at)
	s := &r.slots[tick%ringTicks]
	if at-t.at > int64(openTicks*TickLength) || s.epoch.Load() != ready(tick) {
		r.trial.dropped.Add(1)
		return nil, 0
	}
	return s, tick
}

// head counts the final head of t.
func (r *ring) head(t *Token, at int64, latency time.Duration, bad bool) {
	s, tick := r.slot(t, at)
	if s == nil {
		t.ring = nil
		return
	}
	s.headed.Add(1)
	r.latency(s, t, tick, latency, bad)
	if bad {
		s.ended.Add(1)
		t.known = true
		r.bad(s, t, tick)
	}
}

// end counts the end of t unless its head was the outcome.
func (r *ring) end(t *Token, at int64, reason Reason) {
	if t.known {
		return
	}
	s, tick := r.slot(t, at)
	if s == nil {
		return
	}
	if !t.headed {
		s.headed.Add(1)
		r.latency(s, t, tick, time.Duration(at-t.at), true)
	}
	s.ended.Add(1)
	if reason.Error() {
		r.bad(s, t, tick)
	}
}

// bad counts an error.
func (r *ring) bad(s *slot, t *Token, tick uint32) {
	s.errors.Add(1)
	if m := r.trial.marks; m == nil || t.bucket < 0 || m.errors().first(t.bucket, tick) {
		s.errorsUnique.Add(1)
	}
}

// latency compares a latency with every limit. void says that a request within
// the limit is no evidence of speed: a fast error, or a client that left.
func (r *ring) latency(s *slot, t *Token, tick uint32, latency time.Duration, void bool) {
	trial := r.trial
	for k := range trial.n {
		switch {
		case latency > trial.limits[k]:
			s.over[k].Add(1)
			if m := trial.marks; m == nil || t.bucket < 0 || m.over(k).first(t.bucket, tick) {
				s.overUnique[k].Add(1)
			}
		case void:
			s.excluded[k].Add(1)
		}
	}
}
