package stats

import "time"

// MaxLevels is the largest number of levels of a Trial.
const MaxLevels = 6

// levelsKept is how many Levels can be looked back on. Set every thirty seconds
// they reach further back than a tick stays open.
const levelsKept = 6

// Levels are latencies that a Trial's requests are compared with, and that may
// change during it, other than its limits. All requests of a tick are compared
// with the same ones, however late they end.
type Levels struct {
	From uint32                   // the first tick they are of
	At   [MaxLevels]time.Duration // 0: not compared

	before *Levels // of earlier ticks
}

// SetLevels puts levels in force from a tick on, which must not have begun and
// must be later than that of the call before. Only the goroutine that judges
// calls it.
func (t *Trial) SetLevels(l Levels) {
	kept := &l
	for n, old := 1, t.levels.Load(); old != nil && n < levelsKept; n, old = n+1, old.before {
		// A copy, because readers may hold the old ones.
		own := *old
		own.before = nil
		kept.before = &own
		kept = &own
	}
	t.levels.Store(&l)
}

// levelsOf are the levels of a tick, nil if there are none.
func (t *Trial) levelsOf(tick uint32) *Levels {
	l := t.levels.Load()
	for l != nil && tick < l.From {
		l = l.before
	}
	return l
}
