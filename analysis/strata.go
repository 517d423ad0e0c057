package analysis

import "github.com/weirproxy/weir/analysis/evidence"

// parts are the counts of a sample by stratum.
func (s *Sample) parts() []Part {
	return s.Parts[:min(len(s.Parts), MaxStrata)]
}

// observeStrata takes a sample for the detector of a fleet and reports whether a
// block was judged. Each stratum has a null of its own: how much of an absolute
// limit is left beside its stable.
func (j *Judge) observeStrata(i int, f *fastState, s Sample) bool {
	r, st := &j.rules[i], &j.state.Rules[i]
	parts := s.parts()
	st.seeStrata(len(parts))
	j.parts = j.parts[:0]
	for k := range st.Slacks {
		var p Part // of a stratum that has nothing new
		if k < len(parts) {
			p = parts[k]
		}
		j.parts = append(j.parts, evidence.Part{
			Counts: evidence.Counts{
				CandidateN: p.Candidate.N, CandidateX: p.Candidate.X, StableN: p.Stable.N, StableX: p.Stable.X,
			},
			Hypothesis: r.hypothesis(f.NoBaseline, &st.Slacks[k]),
		})
	}
	if r.relative() && f.NoBaseline || j.skipped(s.At) {
		f.Strata.Drop(s.At, j.parts)
		return false
	}
	return f.Strata.Observe(s.At, j.parts)
}

// seeStrata makes room for so many strata.
func (st *ruleState) seeStrata(n int) {
	for len(st.Slacks) < n {
		st.Slacks = append(st.Slacks, evidence.Slack{})
	}
}

// observeSlacks learns how much of a limit stable uses up in each stratum.
func (st *ruleState) observeSlacks(s Sample) {
	st.seeStrata(len(s.parts()))
	for k, p := range s.parts() {
		st.Slacks[k].Observe(s.At, p.Stable.N, p.Stable.X)
	}
}

// observeClear takes final counts for the proof that check i holds. A limit that
// does not speak of stable has no strata: the sums say the same.
func (j *Judge) observeClear(i, k int, s Sample) {
	r, clear := &j.rules[i], &j.state.Rules[i].Clear[k]
	raw := func(p Part) evidence.Counts {
		return evidence.Counts{CandidateN: p.Candidate.N, CandidateX: p.Candidate.Raw, StableN: p.Stable.N, StableX: p.Stable.Raw}
	}
	if !r.strata || !r.relative() {
		clear.Observe(s.At, raw(Part{s.Stable, s.Candidate}), r.clearNull(k))
		return
	}
	j.raw = j.raw[:0]
	for _, p := range s.parts() {
		j.raw = append(j.raw, raw(p))
	}
	clear.ObserveStrata(s.At, j.raw, r.clearNull(k))
}
