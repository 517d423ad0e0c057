package analysis

import (
	"fmt"
	"math"
	"time"
)

// passRequests is how many candidate requests a check needs in units of one over
// its limit: without a bad one among them the rate is under the limit with 95 %
// confidence (the rule of three).
const passRequests = 3

// needed is how many candidate requests a limit needs for a pass.
func needed(share float64) uint64 { return uint64(math.Ceil(passRequests/share - 1e-9)) }

// Verdict is what would be decided if the stage ended now. A caller acts on a
// fail at once, and asks for the rest at the end of a stage.
func (j *Judge) Verdict() Verdict {
	if j.state.Fail != nil {
		return *j.state.Fail
	}
	if h := j.state.Health; h.StableDown && h.Failing == NoEndpoint {
		return Verdict{Kind: Shared, Rule: healthRule, Path: PathHealth, At: j.state.Now, Text: "Neither version has a healthy endpoint."}
	}
	// What weighs most decides; among equals the rule that comes first.
	best := Verdict{Kind: Pass, At: j.state.Now, Text: "No rule is broken."}
	which := -1
	for i := range j.rules {
		if j.rules[i].action() == Notify {
			continue
		}
		if v := j.standing(i).Verdict; rank(v.Kind) > rank(best.Kind) {
			best, which = v, i
		}
	}
	if which >= 0 {
		best = j.told(which, best)
	}
	if best.Kind == Pass && j.state.Now-j.state.WeightAt < j.policy.MinSettle {
		best.Kind = Inconclusive
		best.Text = fmt.Sprintf("The weights changed less than %s ago.", formatDuration(j.policy.MinSettle))
	}
	j.prove(&best)
	return best
}

// prove says whether every check is proven to hold in this stage.
func (j *Judge) prove(v *Verdict) {
	least := math.Inf(1)
	for i := range j.rules {
		if j.rules[i].Check && j.rules[i].counted() && j.active(i) && j.rules[i].action() != Notify {
			least = min(least, j.clearance(i))
		}
	}
	if math.IsInf(least, 1) {
		return
	}
	v.Clearance = least
	settled := j.state.Now-j.state.WeightAt >= j.policy.Timeout
	v.Proven = v.Kind == Pass && settled && least >= j.policy.passEvidence()
}

// clearance is the evidence that check i holds: the least of its levels, because
// each of them could be broken alone.
func (j *Judge) clearance(i int) float64 {
	least := math.Inf(1)
	clear := j.state.Rules[i].Clear
	for k := range clear {
		least = min(least, clear[k].Evidence())
	}
	return least
}

func rank(k Kind) int {
	switch k {
	case Fail:
		return 4
	case Unmeasured:
		return 3
	case Shared:
		return 2
	case Inconclusive:
		return 1
	}
	return 0
}

// Observes reports whether a rule that only observes has failed.
func (j *Judge) Observes() bool {
	for i := range j.state.Rules {
		if v := j.state.Rules[i].Fail; v != nil && v.Action == Notify {
			return true
		}
	}
	return false
}

// Observed are the verdicts of the rules that failed and only observe.
func (j *Judge) Observed() []Verdict {
	var broken []Verdict
	for i := range j.rules {
		if v := j.state.Rules[i].Fail; v != nil && v.Action == Notify {
			broken = append(broken, *v)
		}
	}
	return broken
}

// Report is how each rule stands, in the order of the policy.
func (j *Judge) Report() []RuleReport {
	reports := make([]RuleReport, len(j.rules))
	for i := range j.rules {
		reports[i] = j.standing(i)
		reports[i].Verdict = j.told(i, reports[i].Verdict)
	}
	return reports
}

// Standings are Report without its sentences, which cost the most of it.
func (j *Judge) Standings() []RuleReport {
	reports := make([]RuleReport, len(j.rules))
	for i := range j.rules {
		reports[i] = j.standing(i)
	}
	return reports
}

// told is v, of rule i, with its sentence. One that failed has it.
func (j *Judge) told(i int, v Verdict) Verdict {
	if j.state.Rules[i].Fail == nil {
		v.Text = j.describe(i, v)
	}
	return v
}

// standing is how one rule stands now, without a sentence unless it has failed.
func (j *Judge) standing(i int) RuleReport {
	r, st := &j.rules[i], &j.state.Rules[i]
	report := RuleReport{Condition: r.Condition, Check: r.Check}
	finish := func(state RuleState, kind Kind, v Verdict) RuleReport {
		v.Kind, v.Rule, v.At = kind, r.ID, j.state.Now
		report.State, report.Verdict = state, v
		return report
	}
	switch {
	case st.Fail != nil:
		report.State, report.Verdict = StateFail, *st.Fail
		return report
	case st.Missing != "":
		return finish(StateUnmeasured, Unmeasured, Verdict{Limit: r.null.Delta})
	case r.Condition.Valued():
		return finish(j.valueReport(i))
	case r.Condition.Metric == SmokeTest:
		if j.smokes(i) && j.active(i) {
			return finish(StateShared, Shared, Verdict{Path: PathSmoke})
		}
		return finish(j.idle(i), Pass, Verdict{})
	case !r.counted():
		if j.unhealthy(i) && j.active(i) {
			return finish(StateShared, Shared, Verdict{Path: PathHealth})
		}
		return finish(j.idle(i), Pass, Verdict{})
	}
	v := j.numbers(i, st.best(), "")
	if !j.active(i) {
		return finish(StateWaiting, Pass, v)
	}
	if shared, ok := j.sharedBreak(i); ok {
		counts := j.measured(i, shared)
		counts.Evidence, counts.Threshold = v.Evidence, v.Threshold
		return finish(StateShared, Shared, counts)
	}
	if !r.Check {
		return finish(StateHolding, Pass, v)
	}
	counts := j.measured(i, st.Measured)
	counts.Evidence, counts.Threshold, counts.NoBaseline = v.Evidence, v.Threshold, v.NoBaseline
	counts.Clearance = j.clearance(i)
	kind := j.checked(i, &counts)
	if kind == Inconclusive {
		j.estimate(&counts)
	}
	return finish(stateOf(kind), kind, counts)
}

// checked says how a check that is not broken stands with what was measured
// since the weights changed.
func (j *Judge) checked(i int, v *Verdict) Kind {
	r := &j.rules[i]
	v.Seen = v.Candidate.N
	if r.relative() && v.NoBaseline {
		v.Needed = v.Seen + 1
		return Inconclusive
	}
	v.Needed = needed(v.Limit)
	if r.relative() {
		v.Needed = needed(max(v.Limit, errorFloor))
	}
	switch {
	case v.Seen >= v.Needed && v.CandidateRate < v.Limit:
		return Pass
	case v.Seen >= v.Needed && !r.relative() && v.StableRate >= v.Limit:
		return Shared
	}
	return Inconclusive
}

// estimate says how far away a decision is, if the rate stays what it was: a pass
// by number, a proof that the limit holds, or one that it is broken.
func (j *Judge) estimate(v *Verdict) {
	rate := v.CandidateRate
	switch {
	case v.Seen < v.Needed && rate <= v.Limit:
		v.ETA = v.Needed - v.Seen
	case rate > v.Limit && rate < 1 && v.Limit > 0:
		all := etaFactor * math.Log(v.Threshold) / divergence(rate, v.Limit)
		v.ETA = uint64(max(1, math.Ceil(min(all, 1e15)-float64(v.Seen))))
	case v.Seen < v.Needed:
		v.ETA = v.Needed - v.Seen
	}
	if since := j.state.Now - j.state.WeightAt; v.Seen > 0 && since > 0 {
		took := float64(since) / float64(v.Seen) * float64(v.ETA)
		v.ETATime = time.Duration(min(took, math.MaxInt64/2)).Round(TickLength)
	}
}

// etaFactor is what a test of unknown effects needs beyond the bound of theory.
const etaFactor = 1.3

// divergence is the information of a request of rate p against a limit q.
func divergence(p, q float64) float64 {
	d := 0.
	if p > 0 {
		d = p * math.Log(p/q)
	}
	if p < 1 {
		d += (1 - p) * math.Log((1-p)/(1-q))
	}
	return max(d, 1e-12)
}

func stateOf(k Kind) RuleState {
	switch k {
	case Pass:
		return StatePass
	case Shared:
		return StateShared
	}
	return StateInconclusive
}

func (j *Judge) idle(i int) RuleState {
	if j.active(i) {
		return StateHolding
	}
	return StateWaiting
}

// describe says in one sentence how rule i stands with the numbers of v.
func (j *Judge) describe(i int, v Verdict) string {
	r := &j.rules[i]
	switch {
	case v.Kind == Unmeasured && j.state.Rules[i].Missing != "":
		return fmt.Sprintf("%s cannot be measured: %s.", r.Condition, j.state.Rules[i].Missing)
	case r.Condition.Valued():
		return j.valueText(i, v.Kind)
	case r.Condition.Metric == SmokeTest && v.Kind == Pass:
		return fmt.Sprintf("%s: no.", r.Condition)
	case r.Condition.Metric == SmokeTest && v.Kind == Shared:
		return fmt.Sprintf("%s: %s; stable fails them too.", r.Condition, j.state.Smoke.text())
	case r.Condition.Metric == SmokeTest:
		return fmt.Sprintf("%s: %s. The bound on false rollbacks does not cover this rule.", r.Condition, j.state.Smoke.text())
	case !r.counted() && v.Kind == Shared:
		return fmt.Sprintf("%s: %s, but stable is not healthy either.", r.Condition, j.state.Health.text())
	case !r.counted() && v.Kind == Fail:
		return fmt.Sprintf("%s: %s.", r.Condition, j.state.Health.text())
	case !r.counted():
		return fmt.Sprintf("%s: no.", r.Condition)
	}
	counts := fmt.Sprintf("%s on the candidate, %s on stable", r.count2(v.Candidate), r.count2(v.Stable))
	var text string
	switch {
	case v.Kind == Fail && v.Path == PathLiteral:
		text = fmt.Sprintf("%s is over its limit in %s: %s; whether by luck was not asked.", r.Condition, formatDuration(r.patience()), counts)
	case v.Kind == Fail && v.Path == PathSlow:
		text = fmt.Sprintf("%s is broken over %s: %s; that is more than luck.", r.Condition, formatDuration(r.patience()), counts)
	case v.Kind == Fail:
		text = fmt.Sprintf("%s is broken: %s; evidence %s of %s needed.", r.Condition, counts, Figures(v.Evidence), Figures(v.Threshold))
	case v.Kind == Shared:
		text = fmt.Sprintf("%s is broken by stable too: %s.", r.Condition, counts)
	case v.Kind == Inconclusive && r.relative() && v.NoBaseline:
		text = fmt.Sprintf("%s: %s; stable has too few requests to compare with.", r.Condition, counts)
	case v.Kind == Inconclusive && v.Seen < v.Needed:
		text = fmt.Sprintf("%s: %s; it needs about %d more requests%s.", r.Condition, counts, v.Needed-v.Seen, within(v.ETATime))
	case v.Kind == Inconclusive:
		text = fmt.Sprintf("%s: %s; it is outside the limit, but not proven to be broken; about %d more requests%s decide it.", r.Condition, counts, v.ETA, within(v.ETATime))
	default:
		text = fmt.Sprintf("%s: %s.", r.Condition, counts)
	}
	if v.Kind == Fail && r.action() == Notify {
		text += " It would have been rolled back, but the rule only observes."
	}
	if (r.source == ofErrors || r.source == ofClientErrors) && j.clustered() {
		text += fmt.Sprintf(" Stable's errors come in clusters of clients (phi %s).", Figures(j.Phi()))
	}
	if v.NoBaseline && !r.relative() {
		text += " Stable had too few requests to compare with, so a fault of both versions looks like the candidate's."
	}
	return text
}

// count2 writes counts as "12 of 400 bad (3%)".
func (r *judged) count2(c Counts) string {
	what := "failed"
	switch r.source {
	case ofClientErrors:
		what = "client errors"
	case ofLatency:
		what = "slower than " + formatDuration(r.Condition.Latency)
	case ofPace:
		what = "too slow"
	}
	return fmt.Sprintf("%d of %d %s (%s%%)", c.Raw, c.N, what, Figures(100*c.Rate()))
}

// within says how long requests take.
func within(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return fmt.Sprintf(" (%s)", formatDuration(d.Round(time.Second)))
}
