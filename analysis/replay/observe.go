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
	s := analysis.Sample{At: t, Stable: all(&p.stable, p.stable.Errors), Candidate: all(&p.candidate, p.candidate.Errors)}
	p.give(s, analysis.Settled, analysis.Final)
	for i, column := range p.limits {
		s.Limit = i
		s.Stable, s.Candidate = slowStable(&p.stable, p.stable.Over[column]), slowCandidate(&p.candidate, p.candidate.Over[column])
		p.give(s, analysis.Latency)
	}
	for i, column := range p.levels {
		s.Limit = i
		s.Stable, s.Candidate = slowStable(&p.stable, p.stable.Slow[column]), slowCandidate(&p.candidate, p.candidate.Slow[column])
		p.give(s, analysis.Paced)
	}
	s.Limit = 0
	s.Stable, s.Candidate = all(&p.stable, p.stable.ClientErrors), all(&p.candidate, p.candidate.ClientErrors)
	p.give(s, analysis.ClientSettled, analysis.ClientFinal)
}

func (p *player) give(s analysis.Sample, horizons ...analysis.Horizon) {
	for _, s.Horizon = range horizons {
		p.judge.Observe(s)
	}
}

func all(r *Row, bad Bad) analysis.Counts {
	return analysis.Counts{N: r.Requests, X: bad.Unique, Raw: bad.All}
}

// A file does not say which errors were slower than a limit. Those that were not
// leave the candidate's requests, and are bad on stable; both are taken so that
// they lower the evidence.
func slowCandidate(r *Row, over Bad) analysis.Counts {
	fast := r.Errors.All - min(r.Errors.All, over.All) // at least so many were not slow
	return analysis.Counts{N: r.Requests - fast, X: over.Unique, Raw: over.All}
}

func slowStable(r *Row, over Bad) analysis.Counts {
	fast := min(r.Errors.All, r.Requests-over.All) // at most so many were not slow
	return analysis.Counts{N: r.Requests, X: over.Unique + fast, Raw: over.All}
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
	if p.candidateN == 0 && !p.judge.Failed() {
		return // the end says so, if it stays so
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
