package analysis

import (
	"time"

	"github.com/weirproxy/weir/analysis/evidence"
)

const (
	recentSlots = 10
	// Stable is no baseline under minBaseline requests in the recent window, or
	// under one in a hundred of all.
	minBaseline      = 4
	minBaselineShare = 100 // basis points
)

// fastState is one detector of a rule.
type fastState struct {
	evidence.Detector
	Total      pair   `json:"total"` // since the rule began
	Recent     recent `json:"recent"`
	NoBaseline bool   `json:"no_baseline"` // at the last tick
}

// recent are the counts of the last ten seconds.
type recent struct {
	Slot  int64             `json:"slot"` // the open second, counted from the start
	Slots [recentSlots]pair `json:"slots"`
	Sum   pair              `json:"sum"`
}

func (r *recent) add(at time.Duration, p pair) {
	slot := int64((at - 1) / time.Second)
	for range min(slot-r.Slot, recentSlots) {
		r.Slot++
		oldest := &r.Slots[r.Slot%recentSlots]
		r.Sum.sub(*oldest)
		*oldest = pair{}
	}
	r.Slot = max(r.Slot, slot)
	r.Slots[r.Slot%recentSlots].add(p)
	r.Sum.add(p)
}

// hasBaseline depends on arrivals and weights only, never on outcomes.
func (r *recent) hasBaseline(weight int) bool {
	if weight > 0 && 10_000-weight < minBaselineShare {
		return false
	}
	if r.Slot < recentSlots-1 {
		return true
	}
	stable, all := r.Sum.Stable.N, r.Sum.Stable.N+r.Sum.Candidate.N
	return stable >= minBaseline && stable*10_000 >= all*minBaselineShare
}

func (j *Judge) observeFast(i, k int, s Sample) {
	r, st := &j.rules[i], &j.state.Rules[i]
	f := &st.Fast[k]
	counts := pair{s.Stable, s.Candidate}
	f.Total.add(counts)
	f.Recent.add(s.At, counts)
	f.NoBaseline = !f.Recent.hasBaseline(j.state.Stage.Weight)
	h := evidence.Hypothesis{Delta: r.share}
	if !f.NoBaseline {
		h = evidence.Hypothesis{Delta: st.Slack.Delta(r.share), Rho: 1}
	}
	closed := f.Observe(s.At, evidence.Counts{
		CandidateN: s.Candidate.N, CandidateX: s.Candidate.X,
		StableN: s.Stable.N, StableX: s.Stable.X,
	}, h)
	if closed {
		j.decideFast(i)
	}
}

// decideFast fails a rule when one of its detectors has proven it broken. That
// stable breaks the rule too does not save the candidate here: the evidence is
// that it is worse than stable by what the limit leaves. Each
// detector has its own share of alpha and is compared alone: readings of
// different lag share no filtration, so that their sum would prove nothing.
func (j *Judge) decideFast(i int) {
	r, st := &j.rules[i], &j.state.Rules[i]
	if st.Fail != nil || st.Missing != "" || !j.active(i) || j.state.Health.StableDown {
		return
	}
	for k := range st.Fast {
		f := &st.Fast[k]
		if j.proven(i, f) && f.Sustained(r.threshold/r.weight) {
			path := PathFast
			if j.policy.fleet() && j.policy.Fuse {
				path = PathFuse
			}
			j.fail(i, j.numbers(i, f, path))
			return
		}
	}
}

func (j *Judge) decideAll() {
	j.decideHealth()
	for i := range j.rules {
		j.decideFast(i)
	}
}

// proven reports whether the evidence of a detector is at its threshold.
func (j *Judge) proven(i int, f *fastState) bool {
	return f.Evidence()*j.rules[i].weight >= j.rules[i].threshold
}

// numbers fills a verdict with the counts and the evidence of a detector.
func (j *Judge) numbers(i int, f *fastState, path Path) Verdict {
	v := j.measured(i, f.Total)
	v.Path, v.NoBaseline = path, f.NoBaseline
	v.Evidence, v.Threshold = f.Evidence()*j.rules[i].weight, j.rules[i].threshold
	return v
}

// measured fills a verdict with counts.
func (j *Judge) measured(i int, p pair) Verdict {
	return Verdict{
		Rule: j.rules[i].ID, At: j.state.Now, Limit: j.rules[i].share,
		Stable: p.Stable, Candidate: p.Candidate,
		StableRate: p.Stable.Rate(), CandidateRate: p.Candidate.Rate(),
	}
}
