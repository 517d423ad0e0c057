package evidence

import (
	"errors"
	"math"
	"time"
)

const baselineHalfLife = 120 * time.Second

// Baseline guesses stable's rate from past blocks, forgetting half of what it
// knows every two minutes. The zero Baseline knows nothing.
type Baseline struct {
	N float64 `json:"n"`
	X float64 `json:"x"`
}

// NewBaseline returns a baseline that guesses rate until it learns better.
func NewBaseline(rate float64) Baseline {
	rate = min(max(rate, 1e-9), maxBaseline)
	n := max(100, .5/rate)
	return Baseline{N: n - 1, X: max(0, rate*n-.5)}
}

// Rate is the guess, in (0, 1).
func (b *Baseline) Rate() float64 { return (b.X + .5) / (b.N + 1) }

// update learns from a block of n requests, x of them bad, that took so long.
func (b *Baseline) update(n, x uint64, took time.Duration) {
	keep := math.Exp2(-took.Seconds() / baselineHalfLife.Seconds())
	b.N = b.N*keep + float64(n)
	b.X = b.X*keep + float64(x)
}

func (b *Baseline) check() error {
	if !finite(b.N, b.X) || b.X > b.N+1 {
		return errors.New("the baseline is out of range")
	}
	return nil
}

// Slack finds how much of an absolute limit stable uses up for certain: the
// lowest, over the last six closed minutes, of stable's rate less two standard
// errors. With it a candidate that adds its own errors to a stable near the limit
// is found sooner. The proof then needs stable's rate never to fall below it.
type Slack struct {
	Minute int64      `json:"minute"` // the open one, counted from the start
	N      uint64     `json:"n"`      // of the open minute
	X      uint64     `json:"x"`
	Low    [6]float64 `json:"low"` // of closed minutes, newest first
	Closed int        `json:"closed"`
}

// Observe adds stable's counts of a tick. Ticks come in rising order.
func (s *Slack) Observe(at time.Duration, n, x uint64) {
	// A tick is named by its end, so that the one that ends a minute is in it.
	minute := int64((at - 1) / time.Minute)
	if minute > s.Minute {
		s.push(lowRate(s.N, s.X))
		for range min(minute-s.Minute-1, int64(len(s.Low))) {
			s.push(0)
		}
		s.Minute, s.N, s.X = minute, 0, 0
	}
	s.N += n
	s.X += x
}

// Delta is what remains of the limit: at least half of it.
func (s *Slack) Delta(limit float64) float64 {
	if s.Closed == 0 {
		return limit
	}
	low := s.Low[0]
	for _, v := range s.Low[1:s.Closed] {
		low = min(low, v)
	}
	return max(limit-low, limit/2)
}

// Check says whether a decoded slack can be one.
func (s *Slack) Check() error {
	if s.Closed < 0 || s.Closed > len(s.Low) || s.Minute < 0 || s.X > s.N || !finite(s.Low[:]...) {
		return errors.New("the slack is out of range")
	}
	return nil
}

func (s *Slack) push(low float64) {
	copy(s.Low[1:], s.Low[:])
	s.Low[0] = low
	s.Closed = min(s.Closed+1, len(s.Low))
}

func lowRate(n, x uint64) float64 {
	if n == 0 {
		return 0
	}
	p := float64(x) / float64(n)
	return max(0, p-2*math.Sqrt(p*(1-p)/float64(n)))
}
