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

// fastState is one detector of a rule, or the follower of the one before it.
type fastState struct {
	evidence.Detector
	Follower   *evidence.Follower   `json:"follower,omitempty"`
	Strata     *evidence.Stratified `json:"strata,omitempty"` // in place of Detector, in the judge of a fleet
	Total      pair                 `json:"total"`            // since the rule began
	Recent     recent               `json:"recent"`
	NoBaseline bool                 `json:"no_baseline"` // at the last tick
}

// Evidence is that of whichever the state is of.
func (f *fastState) Evidence() float64 {
	switch {
	case f.Follower != nil:
		return f.Follower.Evidence()
	case f.Strata != nil:
		return f.Strata.Evidence()
	}
	return f.Detector.Evidence()
}

// Sustained reports whether more than one burst made the evidence.
func (f *fastState) Sustained(threshold float64) bool {
	switch {
	case f.Follower != nil:
		return f.Follower.Sustained(threshold)
	case f.Strata != nil:
		return f.Strata.Sustained(threshold)
	}
	return f.Detector.Sustained(threshold)
}

// restart invests more, at the start of a stage. Followers hear of it by their
// stakes.
func (f *fastState) restart() {
	switch {
	case f.Follower != nil:
	case f.Strata != nil:
		f.Strata.Restart()
	default:
		f.Detector.Restart()
	}
}

// guess sets what stable's rate is taken for, if nothing was judged yet.
func (f *fastState) guess(rate float64) {
	switch {
	case f.Follower != nil:
	case f.Strata != nil:
		f.Strata.SetGuess(rate)
	case f.Judged == 0:
		f.Baseline = evidence.NewBaseline(rate)
	}
}

// learnFrom takes over what another knew of stable, and none of its evidence.
func (f *fastState) learnFrom(o *fastState) {
	switch {
	case f.Follower != nil:
	case f.Strata != nil:
		f.Strata.LearnFrom(o.Strata)
	default:
		f.Baseline, f.Judged, f.Opened = o.Baseline, o.Judged, o.Judged
	}
}

// check says whether a decoded state can be one.
func (f *fastState) check() error {
	switch {
	case f.Follower != nil:
		return f.Follower.Check()
	case f.Strata != nil:
		return f.Strata.Check()
	}
	return f.Detector.Check()
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
	// A weight that is known holds, not what chance made of it.
	return stable >= minBaseline && (weight > 0 || stable*10_000 >= all*minBaselineShare)
}

// observeFast takes a sample for detector k of rule i.
func (j *Judge) observeFast(i, k int, s Sample) {
	r, st := &j.rules[i], &j.state.Rules[i]
	f := &st.Fast[k]
	f.Total.add(pair{s.Stable, s.Candidate})
	f.Recent.add(s.At, pair{s.Stable, s.Candidate})
	f.NoBaseline = !f.Recent.hasBaseline(j.state.Stage.Weight)
	counts := evidence.Counts{
		CandidateN: s.Candidate.N, CandidateX: s.Candidate.X,
		StableN: s.Stable.N, StableX: s.Stable.X,
	}
	switch {
	case f.Strata != nil:
		if j.observeStrata(i, f, s) {
			j.decideFast(i)
		}
		return
	case f.Follower != nil:
		if f.Follower.Observe(s.At, counts) {
			j.decideFast(i)
		}
		return
	}
	var stake evidence.Stake
	var ended bool
	if r.relative() && f.NoBaseline || j.skipped(s.At) {
		stake, ended = f.Drop(s.At), true
	} else {
		stake, ended = f.Observe(s.At, counts, j.hypothesis(i, f.NoBaseline))
	}
	if !ended {
		return
	}
	if k+1 < len(st.Fast) && st.Fast[k+1].Follower != nil {
		st.Fast[k+1].Follower.Push(stake)
	}
	if !stake.Void {
		j.decideFast(i)
	}
}

// hypothesis is the null of rule i in the next block.
func (j *Judge) hypothesis(i int, noBaseline bool) evidence.Hypothesis {
	return j.rules[i].hypothesis(noBaseline, &j.state.Rules[i].Slack)
}

// hypothesis is the null of a rule beside a stable of which slack is known.
func (r *judged) hypothesis(noBaseline bool, slack *evidence.Slack) evidence.Hypothesis {
	if r.relative() || noBaseline {
		return r.null
	}
	return evidence.Hypothesis{Delta: slack.Delta(r.null.Delta), Rho: 1}
}

// skipped reports whether a tick lies so shortly after a loss of the candidate's
// weight that slow failures of its larger share may be about.
func (j *Judge) skipped(at time.Duration) bool {
	return at > j.state.WeightAt && at <= j.state.SkipTo
}

// decideFast fails a rule when it is proven broken. That stable breaks the rule
// too does not save the candidate here: the evidence is that it is worse than
// stable by what the limit leaves. Each rule has its own share of alpha and is
// compared alone: readings of different lag share no filtration, so that their
// sum would prove nothing.
func (j *Judge) decideFast(i int) {
	r, st := &j.rules[i], &j.state.Rules[i]
	if st.Fail != nil || st.Missing != "" || !r.counted() || !j.active(i) || j.state.Health.StableDown || !j.together(i) {
		return
	}
	best := st.best()
	for k := range st.Fast {
		f := &st.Fast[k]
		if r.source == ofPace && f != best {
			continue
		}
		if j.proven(i, f) && f.Sustained(min(f.Evidence(), r.threshold/r.weight)) {
			path := PathFast
			if j.policy.fleet() && j.policy.Fuse {
				path = PathFuse
			}
			j.fail(i, j.numbers(i, f, path))
			return
		}
	}
}

// together reports whether all levels of a rule have been read up to the same
// tick, without which their mean proves nothing.
func (j *Judge) together(i int) bool {
	r := &j.rules[i]
	if r.source != ofPace {
		return true
	}
	for _, column := range r.columns {
		if j.state.Last[pacedStream+column] != j.state.Last[pacedStream+r.columns[0]] {
			return false
		}
	}
	return true
}

func (j *Judge) decideAll() {
	j.decided = true
	j.decideHealth()
	j.decideSmoke()
	j.decideValues()
	for i := range j.rules {
		j.decideFast(i)
	}
}

// evidence is what counts for a detector of rule i. The levels of a rule are read
// at the same moment, so that the mean of their evidence is evidence, however
// they depend on each other; it is that of each of them.
func (j *Judge) evidence(i int, f *fastState) float64 {
	if j.rules[i].source != ofPace {
		return f.Evidence() * j.rules[i].weight
	}
	sum, fast := 0., j.state.Rules[i].Fast
	for k := range fast {
		sum += fast[k].Evidence()
	}
	return sum / float64(len(fast)) * j.rules[i].weight
}

// proven reports whether the evidence of a detector is at its threshold.
func (j *Judge) proven(i int, f *fastState) bool {
	return j.evidence(i, f) >= j.rules[i].threshold
}

// best is the detector that knows most against the candidate.
func (st *ruleState) best() *fastState {
	best := &st.Fast[0]
	for k := range st.Fast {
		if st.Fast[k].Evidence() > best.Evidence() {
			best = &st.Fast[k]
		}
	}
	return best
}

// numbers fills a verdict with the counts and the evidence of a detector.
func (j *Judge) numbers(i int, f *fastState, path Path) Verdict {
	v := j.measured(i, f.Total)
	v.Path, v.NoBaseline = path, f.NoBaseline
	v.Evidence, v.Threshold = j.evidence(i, f), j.rules[i].threshold
	return v
}

// measured fills a verdict with counts.
func (j *Judge) measured(i int, p pair) Verdict {
	return Verdict{
		Rule: j.rules[i].ID, At: j.state.Now, Limit: j.rules[i].share(p.Stable.Rate()),
		Stable: p.Stable, Candidate: p.Candidate,
		StableRate: p.Stable.Rate(), CandidateRate: p.Candidate.Rate(),
	}
}
