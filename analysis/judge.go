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
}

// judged is a rule with what follows from its policy.
type judged struct {
	Rule
	share     float64 // largest allowed share of bad requests; 0 for rules that are not counted
	limit     int     // index of the latency limit, -1 for others
	weight    float64 // v of each fast detector
	threshold float64 // what the weighted evidence of any one detector must reach
	slowAlpha float64 // of each look of the slow path; 0 if it has none
}

// judgeState is everything that changes. It is stored as JSON.
type judgeState struct {
	Policy   string                  `json:"policy"` // fingerprint
	Now      time.Duration           `json:"now"`
	Last     [horizons]time.Duration `json:"last"` // time of the last sample of each stream
	Stage    Stage                   `json:"stage"`
	WeightAt time.Duration           `json:"weight_at"` // when the candidate's weight last changed
	Health   healthState             `json:"health"`
	Rules    []ruleState             `json:"rules"`
	Fail     *Verdict                `json:"fail,omitempty"` // the first that was not of a notify rule
}

type ruleState struct {
	Fast     []fastState    `json:"fast,omitempty"` // settled and final for errors, one for latency
	Slack    evidence.Slack `json:"slack"`
	Slow     slowState      `json:"slow"`
	Measured pair           `json:"measured"` // since the candidate's weight changed
	Missing  string         `json:"missing,omitempty"`
	Fail     *Verdict       `json:"fail,omitempty"`
}

// pair are the counts of both versions.
type pair struct {
	Stable    Counts `json:"stable"`
	Candidate Counts `json:"candidate"`
}

func (p *pair) add(o pair) {
	p.Stable.Add(o.Stable)
	p.Candidate.Add(o.Candidate)
}

func (p *pair) sub(o pair) {
	p.Stable.Sub(o.Stable)
	p.Candidate.Sub(o.Candidate)
}

// NewJudge returns a judge for a policy that Validate accepts. Conditions that
// are not built are reported as "error" and never judged.
func NewJudge(p Policy) *Judge {
	j := &Judge{policy: p, rules: compileRules(p)}
	j.state.Policy = p.fingerprint()
	j.state.Rules = make([]ruleState, len(j.rules))
	for i, r := range j.rules {
		detectors := 0
		switch {
		case r.share == 0:
		case r.limit >= 0:
			detectors = 1
		default:
			detectors = 2
		}
		for range detectors {
			j.state.Rules[i].Fast = append(j.state.Rules[i].Fast, fastState{Detector: evidence.NewDetector(r.share / 2)})
		}
		if err := r.Condition.Built(); err != nil {
			j.state.Rules[i].Missing = err.Error()
		}
	}
	return j
}

func compileRules(p Policy) []judged {
	limits := p.Limits()
	rules := make([]judged, len(p.Rules))
	acting := 0
	for i, r := range p.Rules {
		rules[i] = judged{Rule: r, limit: -1}
		if r.Condition.Built() != nil || !r.Condition.counted() {
			continue
		}
		rules[i].share = r.Condition.Share()
		for k, limit := range limits {
			if limit == r.Condition.Latency {
				rules[i].limit = k
			}
		}
		if r.action() != Notify {
			acting++
		}
	}
	// Rules that only notify put nothing back, and so take no share of the others.
	acting = max(acting, 1)
	for i := range rules {
		r := &rules[i]
		if r.share == 0 {
			continue
		}
		r.threshold = 1 / p.alphaFast()
		r.weight = 1 / float64(acting)
		if r.limit < 0 {
			r.weight /= 2
		}
		r.slowAlpha = p.alphaSlow() / float64(acting*r.looks(p.MaxDuration))
	}
	return rules
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
			if f := &j.state.Rules[i].Fast[k]; r.ID == ruleID && f.Judged == 0 {
				f.Baseline = evidence.NewBaseline(rate)
			}
		}
	}
}

// SetStage tells where the rollout stands. It may be called in every round. A
// new stage invests more in the bets; a new weight starts the measurement of the
// checks again.
func (j *Judge) SetStage(s Stage) {
	old := j.state.Stage
	j.state.Stage = s
	if s.Index != old.Index {
		for i := range j.state.Rules {
			for k := range j.state.Rules[i].Fast {
				j.state.Rules[i].Fast[k].Restart()
			}
		}
	}
	if s.Weight != old.Weight {
		j.state.WeightAt = max(0, j.state.Now-max(0, s.Elapsed))
		for i := range j.state.Rules {
			j.state.Rules[i].Measured = pair{}
		}
	}
	j.decideAll()
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
		if j.rules[i].share > 0 {
			// No tick ripens later than the collector's limit.
			j.closeWindows(i, now-maxBehind*TickLength)
		}
	}
}

// Observe takes a sample. Samples of one horizon and limit come in rising order;
// one that does not, or whose counts cannot be, is ignored. It allocates nothing
// unless a rule fails.
func (j *Judge) Observe(s Sample) {
	if s.Horizon > Latency || s.Limit < 0 || s.Limit >= MaxLimits || s.Horizon != Latency && s.Limit != 0 {
		return
	}
	last := &j.state.Last[s.stream()]
	if s.At <= *last || !s.Stable.sane() || !s.Candidate.sane() {
		return
	}
	*last = s.At
	j.state.Now = max(j.state.Now, s.At)
	for i := range j.rules {
		r, st := &j.rules[i], &j.state.Rules[i]
		if r.share == 0 || st.Missing != "" {
			continue
		}
		switch {
		case s.Horizon == Latency && r.limit == s.Limit:
			j.observeFinal(i, s)
			j.observeFast(i, 0, s)
		case s.Horizon == Final && r.limit < 0:
			j.observeFinal(i, s)
			j.observeFast(i, 1, s)
		case s.Horizon == Settled && r.limit < 0:
			j.observeFast(i, 0, s)
		}
	}
}

// observeFinal takes counts that will not change any more.
func (j *Judge) observeFinal(i int, s Sample) {
	st := &j.state.Rules[i]
	st.Slack.Observe(s.At, s.Stable.N, s.Stable.X)
	if s.At > j.state.WeightAt {
		st.Measured.add(pair{s.Stable, s.Candidate})
	}
	j.observeSlow(i, s)
}

// Clear forgets that rules failed and starts their evidence again: a person saw
// the failure and chose to go on. The promise counts from here.
func (j *Judge) Clear() {
	j.state.Fail = nil
	for i, r := range j.rules {
		st := &j.state.Rules[i]
		if st.Fail == nil {
			continue
		}
		st.Fail = nil
		st.Slow = slowState{Half: st.Slow.Half}
		for k := range st.Fast {
			f := &st.Fast[k]
			baseline, judgedTo := f.Baseline, f.Judged
			*f = fastState{Detector: evidence.NewDetector(r.share / 2)}
			f.Baseline, f.Judged, f.Opened = baseline, judgedTo, judgedTo
		}
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
