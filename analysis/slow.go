package analysis

import (
	"math"
	"time"
)

const (
	minLooks = 10
	// luck is the probability under which a version that keeps its limit would
	// look as if it broke it in the last ten seconds. It decides what is called
	// shared, never that a candidate fails.
	luck = .01
)

// slowState are the counts of the last patience, in halves.
type slowState struct {
	Half   int64 `json:"half"` // the open half patience, counted from the start
	Open   pair  `json:"open"`
	Before pair  `json:"before"`
	// OpenParts and BeforeParts are the same by stretches of equal weight, and in
	// those by stratum. From is where the open stretch begins, which is that since
	// the weight changed at WeightAt.
	OpenParts   []Part        `json:"open_parts,omitempty"`
	BeforeParts []Part        `json:"before_parts,omitempty"`
	From        int           `json:"from"`
	WeightAt    time.Duration `json:"weight_at"`

	Full   bool  `json:"full"`             // whether Before is a whole half
	Shared *pair `json:"shared,omitempty"` // the last window, if both versions broke the rule in it
}

// looks is how often the slow path looks in the longest possible rollout.
func (r *judged) looks(longest time.Duration) int {
	return max(minLooks, int(math.Ceil(2*float64(longest)/float64(r.patience()))))
}

func (j *Judge) observeSlow(i int, s Sample) {
	j.closeWindows(i, s.At)
	slow := &j.state.Rules[i].Slow
	slow.Open.add(pair{s.Stable, s.Candidate})
	if s.At > j.state.WeightAt && slow.WeightAt != j.state.WeightAt {
		slow.WeightAt = j.state.WeightAt
		slow.From = len(slow.OpenParts)
		if slow.From > maxSlowParts {
			slow.From = 0
		}
	}
	slow.addParts(s.parts())
}

// maxSlowParts bounds how many stretches are told apart where weights change
// without end.
const maxSlowParts = 1024

// addParts adds counts by stratum to the open stretch.
func (s *slowState) addParts(parts []Part) {
	for len(s.OpenParts) < s.From+len(parts) {
		s.OpenParts = append(s.OpenParts, Part{})
	}
	for k := range parts {
		s.OpenParts[s.From+k].add(parts[k])
	}
}

// closeWindows closes the halves that ended before the tick that ends at the
// given time.
func (j *Judge) closeWindows(i int, at time.Duration) {
	if at <= 0 {
		return
	}
	slow := &j.state.Rules[i].Slow
	half := int64((at - 1) / (j.rules[i].patience() / 2))
	if half <= slow.Half {
		return
	}
	if slow.Full {
		window := slow.Before
		window.add(slow.Open)
		slow.BeforeParts = append(slow.BeforeParts, slow.OpenParts...)
		j.decideSlow(i, window, slow.BeforeParts)
	}
	// A gap of more than a half leaves nothing of the last patience.
	slow.Before, slow.Full = slow.Open, true
	slow.BeforeParts, slow.OpenParts, slow.From = slow.OpenParts, slow.BeforeParts[:0], 0
	if half > slow.Half+1 {
		slow.Before, slow.BeforeParts = pair{}, nil
	}
	slow.Open = pair{}
	slow.Half = half
}

// decideSlow judges one whole patience. Parts are the window in pieces, of which
// each had one share of candidate and one stable.
func (j *Judge) decideSlow(i int, window pair, parts []Part) {
	r, st := &j.rules[i], &j.state.Rules[i]
	st.Slow.Shared = nil
	if r.slowAlpha == 0 && !r.Literal || st.Fail != nil || st.Missing != "" || !j.active(i) {
		return
	}
	c, s := window.Candidate, matched(window.Stable, parts)
	if !r.overLong(c, s) {
		return
	}
	if j.state.Health.StableDown || !r.relative() && float64(max(s.X, s.Raw)) > float64(s.N)*r.null.Delta {
		st.Slow.Shared = &window
		return
	}
	v := j.measured(i, window)
	v.Path, v.NoBaseline = PathSlow, s.N < minBaseline
	if r.Literal {
		v.Path = PathLiteral
	}
	j.fail(i, v)
}

// matched is stable as bad as it would be with the candidate's share of each
// part, if that is worse than it is: where a bad node, or the bad half of a time in
// which the weight rose, sends more requests to the candidate, stable's sum is no
// measure of it.
func matched(stable Counts, parts []Part) Counts {
	var bad, of float64
	for _, p := range parts {
		if p.Stable.N > 0 {
			n := float64(p.Candidate.N)
			of += n
			bad += n * float64(max(p.Stable.X, p.Stable.Raw)) / float64(p.Stable.N)
		}
	}
	if of > 0 {
		like := min(uint64(math.Ceil(bad/of*float64(stable.N))), stable.N)
		stable.X, stable.Raw = max(stable.X, like), max(stable.Raw, like)
	}
	return stable
}

// overLong reports whether the candidate is over its limit in a whole patience:
// by more than luck, or at all if the rule is literal. Beside a stable whose rate
// is not known for certain half the risk is spent on how low the limit may be.
func (r *judged) overLong(c, s Counts) bool {
	if r.Literal {
		return float64(c.Raw) > float64(c.N)*r.share(s.Rate())
	}
	limit, luck := r.null.Delta, r.slowAlpha
	if r.relative() {
		if s.N < minBaseline {
			return false
		}
		luck /= 2
		limit = r.share(binomialUpper(s.N, max(s.X, s.Raw), luck))
	}
	return float64(c.X) > float64(c.N)*limit && binomialTail(c.N, c.X, limit) <= luck
}

// breaks reports whether the rate is above the limit by more than luck.
func breaks(c Counts, limit float64) bool {
	return float64(c.Raw) > float64(c.N)*limit && c.N >= minBaseline && binomialTail(c.N, c.Raw, limit) <= luck
}

// StableBreaks reports whether stable itself broke the rule in the last ten
// seconds, by more than luck. After a cut it tells a shared fault from the
// candidate's own. It is false for an unknown rule.
func (j *Judge) StableBreaks(ruleID string) bool {
	for i := range j.rules {
		if j.rules[i].ID == ruleID && j.stableBreaks(i) {
			return true
		}
	}
	return false
}

func (j *Judge) stableBreaks(i int) bool {
	if j.rules[i].relative() {
		return false // no version is worse than itself
	}
	for k := range j.state.Rules[i].Fast {
		if breaks(j.state.Rules[i].Fast[k].Recent.Sum.Stable, j.rules[i].null.Delta) {
			return true
		}
	}
	return false
}

// sharedBreak returns the counts that show both versions breaking the rule.
func (j *Judge) sharedBreak(i int) (pair, bool) {
	r, st := &j.rules[i], &j.state.Rules[i]
	for k := range st.Fast {
		sum := st.Fast[k].Recent.Sum
		if !r.relative() && breaks(sum.Candidate, r.null.Delta) && j.stableBreaks(i) {
			return sum, true
		}
		if j.state.Health.StableDown && j.proven(i, &st.Fast[k]) {
			return st.Fast[k].Total, true
		}
	}
	if st.Slow.Shared != nil {
		return *st.Slow.Shared, true
	}
	return pair{}, false
}
