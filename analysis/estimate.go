package analysis

import (
	"math"
	"time"
)

// Estimate is how many candidate requests a rule needs, and how long that takes.
// They are rough: for a person who starts a rollout, not for a decision.
type Estimate struct {
	Rule  string `json:"rule"`
	Stage int    `json:"stage,omitempty"` // from which it counts
	// Pass is what a check needs before a stage may pass; 0 for triggers.
	Pass     uint64        `json:"pass_requests,omitempty"`
	PassTime time.Duration `json:"pass_time_ns,omitempty"`
	// Double is about what it takes to find a rate of twice the limit, and Blatant
	// one of half of all requests.
	Double      uint64        `json:"double_requests"`
	DoubleTime  time.Duration `json:"double_time_ns"`
	Blatant     uint64        `json:"blatant_requests"`
	BlatantTime time.Duration `json:"blatant_time_ns"`
}

// typicalRate is a rate of errors that a stable version may have.
const typicalRate = .001

// Estimates are those of all rules that are judged on requests, at a rate of
// candidate requests per second. Times are 0 if the rate is not positive.
func (p Policy) Estimates(perSecond float64) []Estimate {
	var estimates []Estimate
	took := func(requests uint64) time.Duration {
		if !(perSecond > 0) {
			return 0
		}
		seconds := min(float64(requests)/perSecond, math.MaxInt64/1e9/2)
		return time.Duration(seconds * float64(time.Second)).Round(TickLength)
	}
	for _, r := range compileRules(p) {
		if !r.counted() {
			continue
		}
		// A relative limit needs a rate of stable's: typical ones stand for it.
		limit := r.share(typicalRate)
		if r.source == ofPace {
			limit = float64(1000-r.Condition.Percentile) / 1000
		}
		e := Estimate{Rule: r.ID, Stage: r.FromStage}
		if r.Check {
			e.Pass = needed(limit)
		}
		threshold := 1 / (p.alphaFast() * r.weight)
		e.Double = requestsToProve(threshold, limit, min(2*limit, .97))
		e.Blatant = requestsToProve(threshold, limit, max(.5, min(2*limit, .97)))
		e.PassTime, e.DoubleTime, e.BlatantTime = took(e.Pass), took(e.Double), took(e.Blatant)
		estimates = append(estimates, e)
	}
	return estimates
}

// requestsToProve is 1.5 times Wald's bound: what the grid, the cap on a block
// and the late start of a fault cost on top. Three blocks are the least.
func requestsToProve(threshold, limit, rate float64) uint64 {
	information := rate*math.Log(rate/limit) + (1-rate)*math.Log((1-rate)/(1-limit))
	return uint64(max(12, math.Ceil(1.5*math.Log(threshold)/information)))
}
