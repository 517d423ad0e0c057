package evidence

import (
	"errors"
	"time"
)

// maxStakes bounds what a Follower remembers. It is more than the ticks by which
// a final reading can come later than the first one.
const maxStakes = 1100

// Stake is all that the judgement of one block depends on besides its counts.
type Stake struct {
	Until      time.Duration `json:"until"` // end of the block's last tick
	Hypothesis `json:"null"`
	Baseline   float64 `json:"baseline"`
	Seconds    float64 `json:"seconds"`            // since the block before
	Restarts   int     `json:"restarts,omitempty"` // stages that began before the block
	Void       bool    `json:"void,omitempty"`     // the block is not judged

	// What the first reading counted, and its factors: most later readings are the
	// same. It is not stored, and made anew where it is missing.
	counts  Counts
	factors [K]float64
}

// Follower judges a second, later reading of the blocks that a Detector judged,
// by the same stakes. Both share one threshold, and neither pays for the other.
//
// Why that is valid. Order requests by the tick of their dispatch and let what
// is known before a tick be the fates of all requests of earlier ticks, whenever
// they ended. The stakes of a block are made of readings of earlier blocks, of
// arrivals and of the plan, so that they are known before it, and the wealth of
// the later reading, the true counts, is an e-process: it passes c ever with a
// probability of at most 1/c. The earlier reading leaves out bad requests of the
// candidate that are still to come and counts stable's unfinished ones as bad. A
// factor grows with the candidate's bad requests and falls with stable's, so
// that with equal stakes the earlier wealth is never above the later one of the
// same block. If the earlier reading passes c the later one does, too. So
// "either passes c" is no likelier than 1/c, and alpha need not be halved.
//
// The argument needs every tick in both readings. A tick that is missing in the
// later one (its counts were gone) is dropped, with its block.
type Follower struct {
	Wealth Wealth        `json:"wealth"`
	Guard  Guard         `json:"guard"`
	Open   Counts        `json:"open"`
	Opened time.Duration `json:"opened"`
	Stakes []Stake       `json:"stakes,omitempty"` // of blocks that are to come
}

// NewFollower returns the follower of a new Detector.
func NewFollower() *Follower { return &Follower{Wealth: NewWealth()} }

// Push takes the stake of a block that the detector ended.
func (f *Follower) Push(s Stake) {
	if len(f.Stakes) >= maxStakes {
		f.skip()
	}
	f.Stakes = append(f.Stakes, s)
}

// Observe adds the later reading of a tick and reports whether a block was
// judged. The detector has had the tick before.
func (f *Follower) Observe(at time.Duration, c Counts) bool {
	for len(f.Stakes) > 0 && f.Stakes[0].Until < at {
		f.skip()
	}
	if !c.sane() {
		return false
	}
	f.Open.add(c)
	if len(f.Stakes) == 0 || f.Stakes[0].Until != at {
		return false
	}
	stake := f.Stakes[0]
	if !stake.Void {
		for range stake.Restarts {
			f.Wealth.Restart()
		}
		bet(&f.Wealth, &f.Guard, f.Opened, f.Open, &stake)
	}
	f.drop()
	return !stake.Void
}

// skip passes over a block of which ticks are missing.
func (f *Follower) skip() {
	stake := f.Stakes[0]
	for range stake.Restarts {
		f.Wealth.Restart()
	}
	f.drop()
}

// drop forgets the first stake and the open counts.
func (f *Follower) drop() {
	f.Open, f.Opened = Counts{}, f.Stakes[0].Until
	f.Stakes = append(f.Stakes[:0], f.Stakes[1:]...)
}

// Evidence is the factor by which the null should be doubted.
func (f *Follower) Evidence() float64 { return f.Wealth.Evidence() }

// Sustained is that of Detector.
func (f *Follower) Sustained(threshold float64) bool {
	return f.Guard.sustained(f.Evidence(), threshold)
}

// Check says whether a decoded follower can be one.
func (f *Follower) Check() error {
	if !f.Open.sane() || len(f.Stakes) > maxStakes {
		return errors.New("the follower is out of range")
	}
	for _, s := range f.Stakes {
		if s.Void {
			continue
		}
		if !finite(s.Delta, s.Rho, s.Seconds) || s.Delta >= 1 || s.Delta+s.Rho == 0 || !(s.Baseline > 0) || s.Restarts < 0 || s.Restarts > 1000 {
			return errors.New("a stake is out of range")
		}
	}
	return errors.Join(f.Wealth.check(), f.Guard.check())
}

// bet multiplies the wealth with what a block proves.
func bet(w *Wealth, g *Guard, opened time.Duration, c Counts, s *Stake) {
	if s.counts != c || c == (Counts{}) {
		factors(&s.factors, c, s.Hypothesis, s.Baseline)
		s.counts = c
	}
	grow(w, g, &s.factors, opened, s.Until, s.Seconds)
}

// grow multiplies the wealth with the factors of a block, which the guard hears of.
func grow(w *Wealth, g *Guard, f *[K]float64, opened, until time.Duration, seconds float64) {
	before := w.Evidence()
	w.update(f, seconds)
	growth := 0.
	for _, v := range f {
		growth = max(growth, min(v, maxFactor))
	}
	g.follow(opened, until, before, growth)
}
