package evidence

import (
	"errors"
	"time"
)

const (
	blockRequests = 4
	blockTime     = 10 * time.Second

	// A block is hot when a bet at least doubles in it. Hot blocks with no longer
	// pause than quietBlocks make one run.
	hotFactor   = 2
	quietBlocks = 10
	// burstTime is the longest burst that must not decide alone: the span between
	// the ends of the first and the last tick that it can touch.
	burstTime = 400 * time.Millisecond
)

// Detector gathers ticks into blocks and keeps the wealth of the bets. A block
// ends when the candidate had four requests, or after ten seconds with at least
// one: on arrivals only, never on outcomes, and the stable requests of ticks
// without candidate requests are not lost.
type Detector struct {
	Wealth   Wealth   `json:"wealth"`
	Baseline Baseline `json:"baseline"`

	Open   Counts        `json:"open"`    // block that is being filled
	Opened time.Duration `json:"opened"`  // when it began
	Judged time.Duration `json:"judged"`  // end of the last block
	Run    Run           `json:"run"`     // of hot blocks
	Quiet  int           `json:"quiet"`   // blocks since the last hot one
	HasRun bool          `json:"has_run"` // whether there was a run
}

// Run is a run of hot blocks. It keeps a burst, which touches at most five
// ticks, from deciding alone.
type Run struct {
	Since  time.Duration `json:"since"`  // end of the first one
	Last   time.Duration `json:"last"`   // end of the last one
	Before float64       `json:"before"` // evidence before the first one
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
	d.learn(at)
	d.follow(at, &f, before)
	return true
}

// Restart invests more, at the start of a stage.
func (d *Detector) Restart() { d.Wealth.Restart() }

// Evidence is the factor by which the null should be doubted.
func (d *Detector) Evidence() float64 { return d.Wealth.Evidence() }

// Sustained reports whether the evidence, if it is at the threshold, rests on
// more than one burst of at most 0.4 s: the run of bad blocks is longer, or the
// evidence had nearly been there without it. It only ever holds a decision back,
// so that it needs no proof.
func (d *Detector) Sustained(threshold float64) bool {
	return d.HasRun && (d.Run.Last-d.Run.Since > burstTime || d.Run.Before*maxFactor >= threshold)
}

// Check says whether a decoded detector can be one.
func (d *Detector) Check() error {
	if d.Open.CandidateX > d.Open.CandidateN || d.Open.StableX > d.Open.StableN || d.Quiet < 0 || !finite(d.Run.Before) {
		return errors.New("the detector is out of range")
	}
	return errors.Join(d.Wealth.check(), d.Baseline.check())
}

// learn ends the open block.
func (d *Detector) learn(at time.Duration) {
	d.Baseline.update(d.Open.StableN, d.Open.StableX, max(at-d.Judged, 0))
	d.Open, d.Opened, d.Judged = Counts{}, at, at
}

func (d *Detector) follow(at time.Duration, f *[K]float64, before float64) {
	hottest := 0.
	for _, v := range f {
		hottest = max(hottest, v)
	}
	if hottest < hotFactor {
		d.Quiet = min(d.Quiet+1, quietBlocks+1)
		return
	}
	if !d.HasRun || d.Quiet > quietBlocks {
		d.Run = Run{Since: at, Before: before}
		d.HasRun = true
	}
	d.Run.Last = at
	d.Quiet = 0
}
