package analysis

import (
	"fmt"
	"math"
	"strconv"
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
	for i := range j.rules {
		if j.rules[i].action() == Notify {
			continue
		}
		if v := j.rule(i).Verdict; rank(v.Kind) > rank(best.Kind) {
			best = v
		}
	}
	if best.Kind == Pass && j.state.Now-j.state.WeightAt < j.policy.MinSettle {
		best.Kind = Inconclusive
		best.Text = fmt.Sprintf("The weights changed less than %s ago.", formatDuration(j.policy.MinSettle))
	}
	return best
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

// Report is how each rule stands, in the order of the policy.
func (j *Judge) Report() []RuleReport {
	reports := make([]RuleReport, len(j.rules))
	for i := range j.rules {
		reports[i] = j.rule(i)
	}
	return reports
}

// rule is how one rule stands now.
func (j *Judge) rule(i int) RuleReport {
	r, st := &j.rules[i], &j.state.Rules[i]
	report := RuleReport{Condition: r.Condition, Check: r.Check}
	finish := func(state RuleState, kind Kind, v Verdict) RuleReport {
		v.Kind, v.Rule, v.At = kind, r.ID, j.state.Now
		report.State, report.Verdict = state, v
		report.Text = j.describe(i, v)
		return report
	}
	switch {
	case st.Fail != nil:
		report.State, report.Verdict = StateFail, *st.Fail
		return report
	case st.Missing != "":
		return finish(StateUnmeasured, Unmeasured, Verdict{Limit: r.share})
	case r.share == 0:
		if j.unhealthy(i) && j.active(i) {
			return finish(StateShared, Shared, Verdict{Path: PathHealth})
		}
		return finish(j.idle(i), Pass, Verdict{})
	}
	best := &st.Fast[0]
	for k := range st.Fast {
		if st.Fast[k].Evidence() > best.Evidence() {
			best = &st.Fast[k]
		}
	}
	v := j.numbers(i, best, "")
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
	counts.Needed, counts.Seen = needed(r.share), st.Measured.Candidate.N
	switch {
	case counts.Seen >= counts.Needed && counts.CandidateRate < r.share:
		return finish(StatePass, Pass, counts)
	case counts.Seen >= counts.Needed && counts.StableRate >= r.share:
		return finish(StateShared, Shared, counts)
	}
	return finish(StateInconclusive, Inconclusive, counts)
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
	case v.Kind == Unmeasured:
		return fmt.Sprintf("%s cannot be measured: %s.", r.Condition, j.state.Rules[i].Missing)
	case r.share == 0 && v.Kind == Shared:
		return fmt.Sprintf("%s: %s, but stable is not healthy either.", r.Condition, j.state.Health.text())
	case r.share == 0 && v.Kind == Fail:
		return fmt.Sprintf("%s: %s.", r.Condition, j.state.Health.text())
	case r.share == 0:
		return fmt.Sprintf("%s: no.", r.Condition)
	}
	counts := fmt.Sprintf("%s on the candidate, %s on stable", r.count2(v.Candidate), r.count2(v.Stable))
	var text string
	switch {
	case v.Kind == Fail && v.Path == PathSlow:
		text = fmt.Sprintf("%s is broken over %s: %s; that is more than luck.", r.Condition, formatDuration(r.patience()), counts)
	case v.Kind == Fail:
		text = fmt.Sprintf("%s is broken: %s; evidence %s of %s needed.", r.Condition, counts, figures(v.Evidence), figures(v.Threshold))
	case v.Kind == Shared:
		text = fmt.Sprintf("%s is broken by stable too: %s.", r.Condition, counts)
	case v.Kind == Inconclusive && v.Seen < v.Needed:
		text = fmt.Sprintf("%s: %s; it needs about %d more requests.", r.Condition, counts, v.Needed-v.Seen)
	case v.Kind == Inconclusive:
		text = fmt.Sprintf("%s: %s; it is outside the limit, but not proven to be broken.", r.Condition, counts)
	default:
		text = fmt.Sprintf("%s: %s.", r.Condition, counts)
	}
	if v.NoBaseline {
		text += " Stable had too few requests to compare with, so a fault of both versions looks like the candidate's."
	}
	return text
}

// count2 writes counts as "12 of 400 bad (3%)".
func (r *judged) count2(c Counts) string {
	what := "failed"
	if r.limit >= 0 {
		what = "slower than " + formatDuration(r.Condition.Latency)
	}
	return fmt.Sprintf("%d of %d %s (%s%%)", c.Raw, c.N, what, figures(100*c.Rate()))
}

// figures writes v with three significant figures.
func figures(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }
