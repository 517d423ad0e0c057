package evidence

import (
	"errors"
	"time"
)

const (
	blockRequests = 4
	blockTime     = 10 * time.Second
)

// Detector gathers ticks into blocks and keeps the wealth of the bets. A block
// ends when the candidate had four requests, or after ten seconds with at least
// one: on arrivals only, never on outcomes, and the stable requests of ticks
// without candidate requests are not lost.
type Detector struct {
	Wealth   Wealth   `json:"wealth"`
	Baseline Baseline `json:"baseline"`

	Open   Counts        `json:"open"`   // block that is being filled
	Opened time.Duration `json:"opened"` // when it began
	Judged time.Duration `json:"judged"` // end of the last block
	Guard  Guard         `json:"guard"`
}

// NewDetector returns a detector that guesses stable's rate to be rate until it
// learns better.
func NewDetector(rate float64) Detector {
	return Detector{Wealth: NewWealth(), Baseline: NewBaseline(rate)}
}

// Observe adds the tick that ended at the given time and reports whether it ended
// a block. Ticks come in rising order. It costs O(K) at the end of a block, next
// to nothing else, and allocates nothing.
func (d *Detector) Observe(at time.Duration, c Counts, h Hypothesis) bool {
	if c.CandidateX > c.CandidateN || c.StableX > c.StableN {
		return false
	}
	d.Open.CandidateN += c.CandidateN
	d.Open.CandidateX += c.CandidateX
	d.Open.StableN += c.StableN
	d.Open.StableX += c.StableX
	if d.Open.CandidateN < blockRequests {
		if at-d.Opened < blockTime {
			return false
		}
		if d.Open.CandidateN == 0 {
			// Stable's counts of long ago say nothing about what comes.
			d.learn(at)
			return false
		}
	}
	var f [K]float64
	factors(&f, d.Open, h, d.Baseline.Rate())
	before := d.Wealth.Evidence()
	d.Wealth.update(&f, min(max(at-d.Judged, 0), blockTime).Seconds())
	growth := 0.
	for _, v := range f {
		growth = max(growth, min(v, maxFactor))
	}
	d.Guard.follow(d.Opened, at, before, growth)
	d.learn(at)
	return true
}

// Restart invests more, at the start of a stage.
func (d *Detector) Restart() { d.Wealth.Restart() }

// Evidence is the factor by which the null should be doubted.
func (d *Detector) Evidence() float64 { return d.Wealth.Evidence() }

// Sustained reports whether the evidence, if it is at the threshold, rests on
// more than one burst of at most 0.4 s.
func (d *Detector) Sustained(threshold float64) bool {
	return d.Guard.sustained(d.Evidence(), threshold)
}

// Check says whether a decoded detector can be one.
func (d *Detector) Check() error {
	if d.Open.CandidateX > d.Open.CandidateN || d.Open.StableX > d.Open.StableN {
		return errors.New("the detector is out of range")
	}
	return errors.Join(d.Wealth.check(), d.Baseline.check(), d.Guard.check())
}

// learn ends the open block.
func (d *Detector) learn(at time.Duration) {
	d.Baseline.update(d.Open.StableN, d.Open.StableX, max(at-d.Judged, 0))
	d.Open, d.Opened, d.Judged = Counts{}, at, at
}
