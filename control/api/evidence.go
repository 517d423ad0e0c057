package api

import (
	"math"
	"time"

	"github.com/weirproxy/weir/control"
)

// Evidence is how the evidence of one rule went over the trial.
type Evidence struct {
	Rule      string          `json:"rule" doc:"Its id"`
	Condition string          `json:"condition"`
	Version   string          `json:"version" doc:"The candidate"`
	Threshold float64         `json:"threshold" doc:"What it acts at"`
	Crossed   *float64        `json:"crossed_at,omitempty" doc:"When the rule failed, in seconds since the trial began; absent: it has not"`
	Points    []EvidencePoint `json:"points" doc:"Oldest first, at most 240 over the whole trial"`
}

// EvidencePoint is the largest evidence of a stretch of time.
type EvidencePoint struct {
	T        float64 `json:"t" doc:"End of the stretch, in seconds since the trial began"`
	Evidence float64 `json:"evidence"`
}

// Around is what both versions did in the time up to a decision.
type Around struct {
	From              float64 `json:"from" doc:"Seconds since the trial began"`
	To                float64 `json:"to"`
	CandidateRequests uint64  `json:"candidate_requests"`
	CandidateBad      uint64  `json:"candidate_bad"`
	CandidateRate     float64 `json:"candidate_rate"`
	StableRequests    uint64  `json:"stable_requests"`
	StableBad         uint64  `json:"stable_bad"`
	StableRate        float64 `json:"stable_rate"`
}

// aroundTime is how far Around looks back.
const aroundTime = 10 * time.Second

// evidenceOf leaves out the rules that are not counted.
func evidenceOf(r *control.Recording) []Evidence {
	out := []Evidence{}
	if r == nil {
		return out
	}
	for _, e := range r.Evidence {
		if e.Threshold <= 0 {
			continue
		}
		series := Evidence{Rule: e.Rule, Condition: e.Condition.String(), Version: e.Version, Threshold: e.Threshold, Points: []EvidencePoint{}}
		if e.Crossed > 0 {
			at := e.Crossed.Seconds()
			series.Crossed = &at
		}
		for _, p := range e.Points {
			series.Points = append(series.Points, EvidencePoint{p.T.Seconds(), min(p.Evidence, math.MaxFloat64)})
		}
		out = append(out, series)
	}
	return out
}

// aroundOf is nil where nothing was recorded of the deciding rule.
func aroundOf(r *control.Recording, candidate string, d *Decision) *Around {
	if r == nil || d == nil {
		return nil
	}
	at := time.Duration(d.T * float64(time.Second)).Round(time.Millisecond)
	for _, e := range r.Evidence {
		if e.Rule != d.Rule {
			continue
		}
		stable, tried, ok := r.Around(e.Condition, candidate, at, aroundTime)
		if !ok || stable.Requests+tried.Requests == 0 {
			return nil
		}
		return &Around{
			From: max(0, at-aroundTime).Seconds(), To: at.Seconds(),
			CandidateRequests: tried.Requests, CandidateBad: tried.Bad, CandidateRate: tried.Rate(),
			StableRequests: stable.Requests, StableBad: stable.Bad, StableRate: stable.Rate(),
		}
	}
	return nil
}
