package evidence

import (
	"errors"
	"math"
	"time"
)

// MaxStrata is the largest number of strata of one Stratified.
const MaxStrata = 64

// Stratum are the requests of one place, a node say, with a rate of its own.
type Stratum struct {
	Baseline Baseline      `json:"baseline"`
	Open     Counts        `json:"open"`   // not judged yet
	Judged   time.Duration `json:"judged"` // end of what was
}

// Part are the counts of one stratum in one tick, and the null for them.
type Part struct {
	Counts
	Hypothesis
}

// Stratified is a Detector of requests that come from several places. Where the
// places differ both in how often their requests fail and in how many of them
// the candidate gets, the sums of all lie: a candidate that is as good as stable
// in each place looks worse if a bad place sends it more (Simpson's paradox). Here
// stable and candidate are compared within each place, and the factors of all are
// multiplied: given the rates, requests of different places are independent, so
// that the product's expectation under the null is at most 1 as well. Where the
// shares are equal everywhere the product is that of the sums, and nothing is
// lost.
type Stratified struct {
	Wealth Wealth    `json:"wealth"`
	Guard  Guard     `json:"guard"`
	Strata []Stratum `json:"strata,omitempty"`

	Guess  float64       `json:"guess"` // stable's rate in a place of which nothing is known
	Opened time.Duration `json:"opened"`
	Judged time.Duration `json:"judged"`
}

// NewStratified returns a detector that guesses stable's rate to be rate in each
// place until it learns better.
func NewStratified(rate float64) *Stratified {
	return &Stratified{Wealth: NewWealth(), Guess: rate}
}

// Observe adds the tick that ended at the given time, with a part for each
// stratum that is known, and reports whether that ended a block, which ends as
// that of a Detector. A stratum whose requests of one side are still missing waits
// for the next block. Ticks come in rising order. It allocates only for a stratum
// that it sees for the first time.
func (d *Stratified) Observe(at time.Duration, parts []Part) bool {
	parts = d.add(parts)
	ready := uint64(0)
	for i := range parts {
		if d.Strata[i].bothSides(parts[i].Hypothesis) {
			ready += d.Strata[i].Open.CandidateN
		}
	}
	if !d.full(at, ready) {
		d.forget(at)
		return false
	}
	var sum, f [K]float64
	for i := range parts {
		s := &d.Strata[i]
		if !s.bothSides(parts[i].Hypothesis) {
			continue
		}
		logFactors(&f, s.Open, parts[i].Hypothesis, s.Baseline.Rate())
		for k := range f {
			sum[k] += f[k]
		}
		s.learn(at)
	}
	for k := range sum {
		sum[k] = math.Exp(sum[k])
	}
	grow(&d.Wealth, &d.Guard, &sum, d.Opened, at, min(max(at-d.Judged, 0), blockTime).Seconds())
	d.Opened, d.Judged = at, at
	d.forget(at)
	return true
}

// thinTime is how long a block waits for its requests a stratum. Where one has but
// few requests in a block their number swings against stable's, which costs a
// tenth of what they prove.
const thinTime = time.Second

// full reports whether the open block ends with so many requests that can be
// judged. Right after a hot block the next one is short: something may be wrong.
func (d *Stratified) full(at time.Duration, ready uint64) bool {
	took := at - d.Opened
	switch {
	case ready < blockRequests:
		return ready > 0 && took >= blockTime
	case ready < blockRequests*uint64(len(d.Strata)):
		return took >= thinTime || d.Guard.hot()
	}
	return true
}

// add takes in the counts of a tick and returns the parts that there is room for.
func (d *Stratified) add(parts []Part) []Part {
	parts = parts[:min(len(parts), MaxStrata)]
	for len(d.Strata) < len(parts) {
		d.Strata = append(d.Strata, Stratum{Baseline: NewBaseline(d.Guess), Judged: d.Judged})
	}
	for i := range parts {
		if parts[i].sane() {
			d.Strata[i].Open.add(parts[i].Counts)
		}
	}
	return parts
}

// forget lets go of what waited so long that it says nothing about what comes.
func (d *Stratified) forget(at time.Duration) {
	for i := range d.Strata {
		if s := &d.Strata[i]; at-s.Judged >= blockTime {
			s.learn(at)
		}
	}
	if at-d.Opened >= blockTime {
		d.Opened = at
	}
}

// Drop ends the open block without judging it. What is dropped must depend on
// arrivals and time alone.
func (d *Stratified) Drop(at time.Duration, parts []Part) {
	d.add(parts)
	for i := range d.Strata {
		d.Strata[i].learn(at)
	}
	d.Opened, d.Judged = at, at
}

// SetGuess says what stable's rate is taken for in strata that are still to come.
func (d *Stratified) SetGuess(rate float64) { d.Guess = min(max(rate, 1e-9), maxBaseline) }

// LearnFrom takes over what another knew of stable, and none of its evidence.
func (d *Stratified) LearnFrom(o *Stratified) {
	d.Guess, d.Opened, d.Judged = o.Guess, o.Judged, o.Judged
	for _, s := range o.Strata {
		d.Strata = append(d.Strata, Stratum{Baseline: s.Baseline, Judged: o.Judged})
	}
}

// Restart invests more, at the start of a stage.
func (d *Stratified) Restart() { d.Wealth.Restart() }

// Evidence is the factor by which the null should be doubted.
func (d *Stratified) Evidence() float64 { return d.Wealth.Evidence() }

// Sustained is that of Detector.
func (d *Stratified) Sustained(threshold float64) bool {
	return d.Guard.sustained(d.Evidence(), threshold)
}

// Check says whether a decoded detector can be one.
func (d *Stratified) Check() error {
	if len(d.Strata) > MaxStrata || !finite(d.Guess) || !(d.Guess > 0 && d.Guess < 1) {
		return errors.New("the strata are out of range")
	}
	for i := range d.Strata {
		if err := d.Strata[i].check(); err != nil {
			return err
		}
	}
	return errors.Join(d.Wealth.check(), d.Guard.check())
}

// learn ends what is open.
func (s *Stratum) learn(at time.Duration) {
	s.Baseline.update(s.Open.StableN, s.Open.StableX, max(at-s.Judged, 0))
	s.Open, s.Judged = Counts{}, at
}

// bothSides reports whether all that the null speaks of had requests.
func (s *Stratum) bothSides(h Hypothesis) bool {
	return s.Open.CandidateN > 0 && (h.Rho == 0 || s.Open.StableN > 0)
}

func (s *Stratum) check() error {
	if !s.Open.sane() {
		return errors.New("a stratum is out of range")
	}
	return s.Baseline.check()
}
