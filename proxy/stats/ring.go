package stats

import (
	"runtime"
	"sync/atomic"
)

// ring holds the open ticks of one shard of a Trial. Tick n is in slot
// n % ringTicks until tick n + ringTicks begins.
type ring struct {
	trial *Trial
	_     [slotSize - 8]byte // slots begin with a cache line
	slots [ringTicks]slot
}

const slotSize = 256

// slot holds the counts of one tick. It fills four cache lines, of which a
// request touches the first two unless there are levels or a client error.
type slot struct {
	// epoch says which tick the counts are of: ready(tick), or one more while
	// a goroutine clears the slot for that tick. 0: never used.
	epoch atomic.Uint64

	started, errors, errorsUnique atomic.Uint32

	// done counts heads in its upper and ends in its lower half, so that a
	// request that has both at once is one addition.
	done atomic.Uint64

	over, overUnique, excluded [MaxLimits]atomic.Uint32

	clientErrors, clientErrorsUnique          atomic.Uint32
	overLevel, overLevelUnique, excludedLevel [MaxLevels]atomic.Uint32
	errorsHalf                                [2]atomic.Uint32
	_                                         [10]uint32
}

// oneEnd and oneHead are what slot.done grows by.
const (
	oneEnd  = 1
	oneHead = 1 << 32
)

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
	for _, c := range [...]*atomic.Uint32{
		&s.started, &s.errors, &s.errorsUnique, &s.clientErrors, &s.clientErrorsUnique, &s.errorsHalf[0], &s.errorsHalf[1],
	} {
		c.Store(0)
	}
	s.done.Store(0)
	for k := range MaxLimits {
		s.over[k].Store(0)
		s.overUnique[k].Store(0)
		s.excluded[k].Store(0)
	}
	for k := range MaxLevels {
		s.overLevel[k].Store(0)
		s.overLevelUnique[k].Store(0)
		s.excludedLevel[k].Store(0)
	}
}

// add adds the counts of tick to out. It is false if s is of a later tick.
func (s *slot) add(tick uint32, out *Outcomes) bool {
	want := ready(tick)
	if e := s.epoch.Load(); e != want {
		return e <= want|1 // of an older tick, or just being cleared: nothing yet in this one
	}
	// What implies more comes first: a request counted as ended is then
	// counted as started too, although all of them may grow meanwhile.
	for k := range MaxLimits {
		out.OverUnique[k] += uint64(s.overUnique[k].Load())
		out.Over[k] += uint64(s.over[k].Load())
		out.Excluded[k] += uint64(s.excluded[k].Load())
	}
	for k := range MaxLevels {
		out.OverLevelUnique[k] += uint64(s.overLevelUnique[k].Load())
		out.OverLevel[k] += uint64(s.overLevel[k].Load())
		out.ExcludedLevel[k] += uint64(s.excludedLevel[k].Load())
	}
	out.ClientErrorsUnique += uint64(s.clientErrorsUnique.Load())
	out.ClientErrors += uint64(s.clientErrors.Load())
	for k := range s.errorsHalf {
		out.ErrorsHalf[k] += uint64(s.errorsHalf[k].Load())
	}
	out.ErrorsUnique += uint64(s.errorsUnique.Load())
	out.Errors += uint64(s.errors.Load())
	done := s.done.Load()
	out.Ended += done & (oneHead - 1)
	out.Headed += done / oneHead
	out.Started += uint64(s.started.Load())
	return s.epoch.Load() == want
}
