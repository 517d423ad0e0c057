package evidence

import (
	"errors"
	"time"
)

const (
	blockRequests = 4
	blockTime     = 8 * time.Second
)

// Detector gathers ticks into blocks and keeps the wealth of the bets. A block
// ends when the candidate had four requests, or after eight seconds with at least
// one: on arrivals only, never on outcomes, and the stable requests of ticks
// without candidate requests are not lost.
type Detector struct {
	Wealth   Wealth   `json:"wealth"`
	Baseline Baseline `json:"baseline"`

	Open   Counts        `json:"open"`   // block that is being filled
	Opened time.Duration `json:"opened"` // when it began
	Judged time.Duration `json:"judged"` // end of the last block
	Guard  Guard         `json:"guard"`

	Restarts int `json:"restarts,omitempty"` // since the last block that was judged
}

// NewDetector returns a detector that guesses stable's rate to be rate until it
// learns better.
func NewDetector(rate float64) Detector {
	return Detector{Wealth: NewWealth(), Baseline: NewBaseline(rate)}
}

// Observe adds the tick that ended at the given time. If it ended a block, ended
// is true and stake says what the block was judged by. Ticks come in rising
// order. It costs O(K) at the end of a block, next to nothing else, and
// allocates nothing.
func (d *Detector) Observe(at time.Duration, c Counts, h Hypothesis) (stake Stake, ended bool) {
	if !c.sane() {
		return Stake{}, false
	}
	d.Open.add(c)
	if d.Open.CandidateN < blockRequests {
		if at-d.Opened < blockTime {
			return Stake{}, false
		}
		if d.Open.CandidateN == 0 {
			// Stable's counts of long ago say nothing about what comes.
			return d.Drop(at), true
		}
	}
	stake = Stake{
		Until: at, Hypothesis: h, Baseline: d.Baseline.Rate(), Restarts: d.Restarts,
		Seconds: min(max(at-d.Judged, 0), blockTime).Seconds(),
	}
	d.Restarts = 0
	bet(&d.Wealth, &d.Guard, d.Opened, d.Open, &stake)
	d.learn(at)
	return stake, true
}

// Drop ends the open block at the given time without judging it. What is
// dropped must depend on arrivals and time alone.
func (d *Detector) Drop(at time.Duration) Stake {
	d.learn(at)
	return Stake{Until: at, Void: true}
}

// Restart invests more, at the start of a stage.
func (d *Detector) Restart() {
	d.Wealth.Restart()
	d.Restarts++
}

// Evidence is the factor by which the null should be doubted.
func (d *Detector) Evidence() float64 { return d.Wealth.Evidence() }

// Sustained reports whether the evidence, if it is at the threshold, rests on
// more than one burst of at most 0.4 s.
func (d *Detector) Sustained(threshold float64) bool {
	return d.Guard.sustained(d.Evidence(), threshold)
}

// Check says whether a decoded detector can be one.
func (d *Detector) Check() error {
	if !d.Open.sane() || d.Restarts < 0 {
		return errors.New("the detector is out of range")
	}
	return errors.Join(d.Wealth.check(), d.Baseline.check(), d.Guard.check())
}

// learn ends the open block.
func (d *Detector) learn(at time.Duration) {
	d.Baseline.update(d.Open.StableN, d.Open.StableX, max(at-d.Judged, 0))
	d.Open, d.Opened, d.Judged = Counts{}, at, at
}
