package evidence

import (
	"errors"
	"math"
	"time"
)

// clearGrid holds the alternatives of a Clearance as parts of the limit, and the
// part of the wealth that each begins with.
var clearGrid = [...]struct{ effect, share float64 }{
	{.03, .12}, {.1, .16}, {.2, .2}, {.35, .2}, {.5, .16}, {.65, .1}, {.8, .06},
}

// Clearance is the opposite test: the null is that the candidate breaks its
// limit, its rate being at least Delta + Rho times stable's in every block. The
// wealth of its bets ever passes 1/beta under that null with a probability of at
// most beta, so that a stage which it lets pass is sound with that confidence.
// It begins anew with each stage, because load may reveal a fault.
type Clearance struct {
	Bets     [len(clearGrid)]float64 `json:"bets"`
	Baseline Baseline                `json:"baseline"`
	Open     Counts                  `json:"open"`
	Opened   time.Duration           `json:"opened"`
	Strata   []Stratum               `json:"strata,omitempty"` // of ObserveStrata
}

// NewClearance returns a clearance that guesses stable's rate to be rate until
// it learns better.
func NewClearance(rate float64) Clearance {
	c := Clearance{Baseline: NewBaseline(rate)}
	c.Restart(0)
	return c
}

// Restart forgets what was proven, at the start of a stage.
func (c *Clearance) Restart(at time.Duration) {
	for k := range c.Bets {
		c.Bets[k] = clearGrid[k].share
	}
	c.Open, c.Opened = Counts{}, at
	for i := range c.Strata {
		c.Strata[i].Open, c.Strata[i].Judged = Counts{}, at
	}
}

// Observe adds a tick. Ticks come in rising order. It allocates nothing.
func (c *Clearance) Observe(at time.Duration, counts Counts, h Hypothesis) {
	if !counts.sane() {
		return
	}
	c.Open.add(counts)
	if c.Open.CandidateN < blockRequests && at-c.Opened < blockTime {
		return
	}
	b := min(c.Baseline.Rate(), maxBaseline)
	null := h.Delta + h.Rho*b
	if c.Open.CandidateN > 0 && null < 1 && !(h.Rho > 0 && c.Open.StableN == 0) {
		var sum [len(clearGrid)]float64
		for k := range sum {
			sum[k] = logFactor(c.Open, h, clearGrid[k].effect*null, b)
		}
		c.bet(&sum)
	}
	c.Baseline.update(c.Open.StableN, c.Open.StableX, max(at-c.Opened, 0))
	c.Open, c.Opened = Counts{}, at
}

// ObserveStrata adds a tick by stratum, as Stratified does: a candidate that has
// more of its requests in good places than stable has is not proven good by that.
// A Clearance is fed by Observe or by ObserveStrata, never by both.
func (c *Clearance) ObserveStrata(at time.Duration, parts []Counts, h Hypothesis) {
	parts = parts[:min(len(parts), MaxStrata)]
	for len(c.Strata) < len(parts) {
		c.Strata = append(c.Strata, Stratum{Baseline: c.Baseline, Judged: c.Opened})
	}
	for i := range parts {
		if parts[i].sane() {
			c.Strata[i].Open.add(parts[i])
		}
	}
	ready := uint64(0)
	for i := range c.Strata {
		ready += c.Strata[i].Open.CandidateN
	}
	if ready < blockRequests && at-c.Opened < blockTime {
		return
	}
	var sum [len(clearGrid)]float64
	for i := range c.Strata {
		s := &c.Strata[i]
		b := min(s.Baseline.Rate(), maxBaseline)
		null := h.Delta + h.Rho*b
		judged := s.bothSides(h) && null < 1
		for k := range sum {
			if judged {
				sum[k] += logFactor(s.Open, h, clearGrid[k].effect*null, b)
			}
		}
		if judged || at-s.Judged >= blockTime {
			s.learn(at)
		}
	}
	c.bet(&sum)
	c.Opened = at
}

// bet multiplies the bets with the factors of a block, given as logarithms.
func (c *Clearance) bet(logs *[len(clearGrid)]float64) {
	for k := range c.Bets {
		c.Bets[k] = min(c.Bets[k]*math.Exp(min(logs[k], math.Ln10)), maxBet)
		if !(c.Bets[k] >= minBet) {
			c.Bets[k] = 0
		}
	}
}

// Evidence is the factor by which it should be doubted that the limit is broken.
func (c *Clearance) Evidence() float64 {
	sum := 0.
	for _, bet := range c.Bets {
		sum += bet
	}
	return sum
}

// Check says whether a decoded clearance can be one.
func (c *Clearance) Check() error {
	if !c.Open.sane() || !finite(c.Bets[:]...) || len(c.Strata) > MaxStrata {
		return errors.New("the clearance is out of range")
	}
	for i := range c.Strata {
		if err := c.Strata[i].check(); err != nil {
			return err
		}
	}
	return c.Baseline.check()
}
