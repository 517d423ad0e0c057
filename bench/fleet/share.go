package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// share is what a candidate got of a service's requests, counted where they came
// to, over a stretch in which its plan allowed it the same weight throughout.
type share struct {
	requests, candidate int
	allowed             float64 // 0 to 1
}

// excess is by how many standard errors the candidate got more than allowed, if
// each request was drawn by its weight.
func (s share) excess() float64 {
	over := float64(s.candidate) - float64(s.requests)*s.allowed
	return over / math.Sqrt(max(float64(s.requests)*s.allowed*(1-s.allowed), 0.25))
}

// above reports whether it was more than chance can explain: five standard
// errors are met once in three million stretches.
func (s share) above() bool { return s.candidate > 0 && s.excess() > 5 }

func (s share) String() string {
	if s.candidate == 0 {
		return "none"
	}
	return fmt.Sprintf("%.1f of %g %%", 100*float64(s.candidate)/float64(s.requests), 100*s.allowed)
}

// settled is how long after a plan took weight away requests may still come: one
// that was on its way, and a cut that is on its way to other nodes.
const settled = time.Second

// shareOf returns where the candidate of a rollout came nearest to what its plan
// allowed, or went beyond it, while a fault lasted.
func (s *scene) shareOf(r lab.Rollout, while span) (worst share, err error) {
	first, last := lab.TickAt(while.from), lab.TickAt(while.to)
	candidate, err := s.origins[r.To].Arrivals(first)
	if err != nil {
		return worst, err
	}
	stable, err := s.origins[r.From].Arrivals(first)
	if err != nil {
		return worst, err
	}
	var now share
	flush := func() {
		telling := now.candidate > 0 && now.requests >= 50 && now.allowed < 1
		if now.above() || telling && (worst.requests == 0 || now.excess() > worst.excess()) {
			worst = now
		}
	}
	for tick := first; tick < last; tick++ {
		began := time.Unix(0, tick*int64(lab.ArrivalTick))
		if allowed := allowed(r, began.Add(-settled), began.Add(lab.ArrivalTick)); allowed != now.allowed {
			flush()
			now = share{allowed: allowed}
		}
		now.candidate += candidate.At(tick)
		now.requests += candidate.At(tick) + stable.At(tick)
	}
	flush()
	return worst, nil
}

// allowed is the greatest weight that a rollout's candidate had between two moments.
func allowed(r lab.Rollout, from, to time.Time) float64 {
	most := 0.0
	for i, h := range r.History {
		ends := i+1 < len(r.History) && !r.History[i+1].At.After(from)
		if h.At.After(to) || ends {
			continue
		}
		most = max(most, weight(h.Weights[r.To]))
	}
	return most
}

func weight(text string) float64 {
	percent, _ := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64) // absent: none
	return percent / 100
}
