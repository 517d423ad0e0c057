package replay

import (
	"fmt"
	"math"
	"time"

	"github.com/weirproxy/weir/analysis"
)

// observe gives the judge the open tick at all horizons. What was recorded is
// final, so that both readings of the errors have the same counts.
func (p *player) observe(t time.Duration) {
	s := analysis.Sample{Horizon: analysis.Settled, At: t, Stable: errorsOf(&p.stable), Candidate: errorsOf(&p.candidate)}
	p.judge.Observe(s)
	s.Horizon = analysis.Final
	p.judge.Observe(s)
	s.Horizon = analysis.Latency
	for i := range p.plan.Policy.Limits() {
		if k := p.limits[i]; k >= 0 {
			s.Limit, s.Stable, s.Candidate = i, slowStable(&p.stable, k), slowCandidate(&p.candidate, k)
			p.judge.Observe(s)
		}
	}
}

func errorsOf(r *Row) analysis.Counts {
	return analysis.Counts{N: r.Requests, X: r.ErrorsUnique, Raw: r.Errors}
}

// A file does not say which errors were slower than a limit. Those that were not
// leave the candidate's requests, and are bad on stable; both are taken so that
// they lower the evidence.
func slowCandidate(r *Row, limit int) analysis.Counts {
	fast := r.Errors - min(r.Errors, r.Over[limit]) // at least so many were not slow
	return analysis.Counts{N: r.Requests - fast, X: r.OverUnique[limit], Raw: r.Over[limit]}
}

func slowStable(r *Row, limit int) analysis.Counts {
	fast := min(r.Errors, r.Requests-r.Over[limit]) // at most so many were not slow
	return analysis.Counts{N: r.Requests, X: r.OverUnique[limit] + fast, Raw: r.Over[limit]}
}

// look tells the verdict if it changed. Once the candidate failed, only stable's
// breaking the same rule soon after changes it.
func (p *player) look(t time.Duration) {
	if p.failed != nil {
		if p.last == analysis.Fail && t-p.failedAt <= aftermath && p.judge.StableBreaks(p.failed.RuleID) {
			v := p.verdict(t)
			v.Verdict, v.Text = analysis.Shared, "Stable broke the same rule right after: the candidate was not to blame."
			p.failed, p.last = &v, v.Verdict
			p.emit(v)
		}
		return
	}
	v := p.verdict(t)
	if v.Verdict == p.last {
		return
	}
	if v.Verdict == analysis.Fail {
		p.failed, p.failedAt = &v, t
	}
	p.last = v.Verdict
	p.emit(v)
}

// verdict is what the judge says at t.
func (p *player) verdict(t time.Duration) Verdict {
	if p.failed != nil {
		return *p.failed
	}
	v := p.judge.Verdict()
	if v.Kind == analysis.Pass && p.candidateN == 0 {
		v.Kind, v.Text = analysis.Inconclusive, fmt.Sprintf("No request of %s was counted.", p.plan.To)
	}
	return Verdict{
		Verdict: v.Kind, T: t.Seconds(), Rule: p.condition(v.Rule), Path: v.Path,
		CandidateRequests: p.candidateN, StableRequests: p.stableN,
		Evidence: finite(v.Evidence), Threshold: v.Threshold, RuleID: v.Rule, Text: v.Text,
	}
}

// condition is that of a rule, or the id of one that no policy declares.
func (p *player) condition(id string) string {
	for _, r := range p.plan.Policy.Rules {
		if r.ID == id {
			return r.Condition.String()
		}
	}
	return id
}

// finite is what JSON can write.
func finite(v float64) float64 { return min(v, math.MaxFloat64) }
