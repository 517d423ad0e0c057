package analysis

import (
	"time"

	"github.com/weirproxy/weir/analysis/evidence"
)

// Stage is where the rollout stands.
type Stage struct {
	Index   int
	Elapsed time.Duration // since the stage began
	Weight  int           // of the candidate in basis points; 0 if it is not known
}

// Judge gathers Samples and says how the candidate stands. In each round the
// caller reports Health, calls Advance, Observes what its Collector emits, and
// asks for Failed or the Verdict. A burst of less than 0.4 s never fails a rule
// alone. The whole state survives JSON, so that a trial goes on
// after a restart. A Judge is not for concurrent use.
type Judge struct {
	policy Policy
	rules  []judged
	state  judgeState
	parts  []evidence.Part   // scratch
	raw    []evidence.Counts // scratch
	whole  [1]Part           // scratch: a sample without strata is one of the first

	// decided says that nothing was observed since all rules were decided on.
	decided bool
}

// judgeState is everything that changes. It is stored as JSON.
type judgeState struct {
	Policy   string                  `json:"policy"` // fingerprint
	Now      time.Duration           `json:"now"`
	Last     [horizons]time.Duration `json:"last"` // time of the last sample of each stream
	Stage    Stage                   `json:"stage"`
	WeightAt time.Duration           `json:"weight_at"` // when the candidate's weight last changed
	SkipTo   time.Duration           `json:"skip_to"`   // until when ticks after a loss of weight are not judged
	Clusters clusters                `json:"clusters"`
	Health   healthState             `json:"health"`
	Smoke    smokeState              `json:"smoke,omitzero"`
	Rules    []ruleState             `json:"rules"`
	Fail     *Verdict                `json:"fail,omitempty"` // the first that was not of a notify rule
}

type ruleState struct {
	// Fast are the detectors: a first reading and its follower for errors, one for
	// latency, one a level for a limit relative to stable's latency.
	Fast     []fastState          `json:"fast,omitempty"`
	Clear    []evidence.Clearance `json:"clear,omitempty"` // of checks: that the limit holds in this stage
	Slack    evidence.Slack       `json:"slack"`
	Slacks   []evidence.Slack     `json:"slacks,omitempty"` // by stratum, in a fleet
	Slow     slowState            `json:"slow"`
	Measured pair                 `json:"measured"` // since the candidate's weight changed
	Missing  string               `json:"missing,omitempty"`
	Value    *valueState          `json:"value,omitempty"`
	Fail     *Verdict             `json:"fail,omitempty"`
}

// pair are the counts of both versions.
type pair = Part

func (p *Part) add(o Part) {
	p.Stable.Add(o.Stable)
	p.Candidate.Add(o.Candidate)
}

func (p *Part) sub(o Part) {
	p.Stable.Sub(o.Stable)
	p.Candidate.Sub(o.Candidate)
}

// NewJudge returns a judge for a policy that Validate accepts.
func NewJudge(p Policy) *Judge {
	j := &Judge{policy: p, rules: compileRules(p)}
	j.state.Policy = p.fingerprint()
	j.state.Rules = make([]ruleState, len(j.rules))
	for i, r := range j.rules {
		j.state.Rules[i] = r.newState()
	}
	return j
}

// SetBaseline tells what stable's rate of bad requests of a rule was before the
// trial, so that the first requests weigh what they should. Without it the guess
// starts at half the limit. It has no effect once requests were judged.
func (j *Judge) SetBaseline(ruleID string, rate float64) {
	if !(rate >= 0 && rate < 1) {
		return
	}
	for i, r := range j.rules {
		for k := range j.state.Rules[i].Fast {
			if r.ID == ruleID && r.source != ofPace {
				j.state.Rules[i].Fast[k].guess(rate)
			}
		}
	}
}

// SetStage tells where the rollout stands. It may be called in every round. A
// new stage invests more in the bets; a new stage or weight starts the proof and
// a new weight the measurement of the checks again.
func (j *Judge) SetStage(s Stage) {
	old := j.state.Stage
	j.state.Stage = s
	if s.Index != old.Index {
		for i := range j.state.Rules {
			for k := range j.state.Rules[i].Fast {
				// Followers hear of it by their stakes.
				j.state.Rules[i].Fast[k].restart()
			}
		}
	}
	if s.Index != old.Index || s.Weight != old.Weight {
		for i := range j.state.Rules {
			for k := range j.state.Rules[i].Clear {
				j.state.Rules[i].Clear[k].Restart(j.state.Now)
			}
		}
	}
	if s.Weight != old.Weight {
		j.state.WeightAt = max(0, j.state.Now-max(0, s.Elapsed))
		for i := range j.state.Rules {
			j.state.Rules[i].Measured = pair{}
		}
		if s.Weight < old.Weight {
			j.state.SkipTo = j.state.WeightAt + j.policy.Timeout
		}
	}
	if !j.decided || s.Index != old.Index || s.Weight != old.Weight {
		j.decideAll()
	}
}

// CannotMeasure tells that a rule's counts do not exist, and why. The rule is
// "error" from then on, never a guess.
func (j *Judge) CannotMeasure(ruleID, why string) {
	for i, r := range j.rules {
		if r.ID == ruleID {
			j.state.Rules[i].Missing = why
		}
	}
}

// Advance tells how long the trial has run. It closes the windows of the slow
// path whose ticks are all in.
func (j *Judge) Advance(now time.Duration) {
	j.state.Now = max(j.state.Now, now)
	for i := range j.rules {
		if j.rules[i].counted() {
			// No tick ripens later than the collector's limit.
			j.closeWindows(i, now-maxBehind*TickLength)
		}
	}
}

// Observe takes a sample. Samples of one horizon and limit come in rising order;
// one that does not, or whose counts cannot be, is ignored. It allocates nothing
// unless a rule fails.
func (j *Judge) Observe(s Sample) {
	if !s.possible() {
		return
	}
	last := &j.state.Last[s.stream()]
	if s.At <= *last || !s.Stable.sane() || !s.Candidate.sane() {
		return
	}
	*last = s.At
	j.decided = false
	j.state.Now = max(j.state.Now, s.At)
	if s.Parts == nil {
		j.whole[0] = Part{s.Stable, s.Candidate}
		s.Parts = j.whole[:]
	}
	if s.Horizon == Final {
		j.state.Clusters.add(s.At, s.Halves)
	}
	for i := range j.rules {
		r := &j.rules[i]
		k := r.column(s)
		if k < 0 || j.state.Rules[i].Missing != "" {
			continue
		}
		if s.At <= j.policy.Warmup && (r.source == ofLatency || r.source == ofPace) {
			continue
		}
		if s.Horizon != Settled && s.Horizon != ClientSettled {
			j.observeFinal(i, k, s)
		}
		j.observeFast(i, k, s)
	}
}

// observeFinal takes counts that will not change any more.
func (j *Judge) observeFinal(i, k int, s Sample) {
	r, st := &j.rules[i], &j.state.Rules[i]
	current := s.At > j.state.WeightAt
	if r.Check && current {
		// Followers judge the same counts as their detector.
		j.observeClear(i, min(k, len(st.Clear)-1), s)
	}
	if r.source == ofPace && k < len(r.columns)-1 {
		return // the percentile that the rule names is measured
	}
	st.Slack.Observe(s.At, s.Stable.N, s.Stable.X)
	if r.strata {
		st.observeSlacks(s)
	}
	if current {
		st.Measured.add(pair{s.Stable, s.Candidate})
	}
	j.observeSlow(i, s)
}

// Clear forgets that rules failed and starts their evidence again: a person saw
// the failure and chose to go on. The promise counts from here.
func (j *Judge) Clear() {
	j.state.Fail, j.decided = nil, false
	for i, r := range j.rules {
		st := &j.state.Rules[i]
		if st.Fail == nil {
			continue
		}
		st.Fail = nil
		st.Slow = slowState{Half: st.Slow.Half}
		fresh := r.newState()
		for k := range st.Fast {
			fresh.Fast[k].learnFrom(&st.Fast[k])
		}
		st.Fast = fresh.Fast
	}
}

// Failed reports whether a rule that acts has failed. It costs nothing, so that
// it can be asked after every sample; Verdict says the rest.
func (j *Judge) Failed() bool { return j.state.Fail != nil }

// active reports whether the rule's stage has come.
func (j *Judge) active(i int) bool { return j.state.Stage.Index >= j.rules[i].FromStage }

// fail records that a rule failed, once.
func (j *Judge) fail(i int, v Verdict) {
	st := &j.state.Rules[i]
	if st.Fail != nil {
		return
	}
	v.Kind, v.Rule, v.Action, v.At = Fail, j.rules[i].ID, j.rules[i].action(), j.state.Now
	v.Text = j.describe(i, v)
	st.Fail = &v
	if v.Action != Notify && j.state.Fail == nil {
		j.state.Fail = &v
	}
}
