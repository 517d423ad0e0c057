package analysis

import (
	"fmt"
	"math"
	"time"
)

// valueGap is how old the measurement before may be for a break to go on: what
// happened in a longer gap is not known, so the break begins anew.
const valueGap = 150 * time.Second

// Measurement is what was measured of a version by other means than counting its
// requests: memory, CPU, or a metric that the plan names.
type Measurement struct {
	Candidate float64
	Stable    *float64 // the same of stable; nil: not known

	// Missing says why nothing was measured; then the numbers mean nothing.
	Missing string
}

// Value is a measurement beside its limit, in the unit of its condition: bytes,
// cores, or whatever the metric counts.
type Value struct {
	Candidate float64  `json:"candidate"`
	Stable    *float64 `json:"stable,omitempty"`
	Limit     float64  `json:"limit"`
}

// valueState is what a rule on measurements knows. The zero state has seen none.
type valueState struct {
	Seen    bool          `json:"seen"`
	Last    Value         `json:"last"`
	At      time.Duration `json:"at"`      // of Last
	Broken  bool          `json:"broken"`  // Last is beyond the limit
	Shared  bool          `json:"shared"`  // and so is stable's
	Since   time.Duration `json:"since"`   // when that began
	Missing string        `json:"missing"` // why the newest measurement failed
}

// Measure takes a measurement for every rule whose condition has the given
// subject: "memory", "cpu", or the name of a metric. A rule is broken when every
// measurement over its patience is beyond the limit, and at least two are. What
// could not be measured breaks nothing.
func (j *Judge) Measure(subject string, m Measurement) {
	for i, r := range j.rules {
		if r.Condition.Valued() && r.Condition.Subject() == subject {
			j.state.Rules[i].Value = j.state.Rules[i].Value.next(r.Rule, m, j.state.Now)
		}
	}
	j.decideAll()
}

func (v *valueState) next(r Rule, m Measurement, now time.Duration) *valueState {
	next := valueState{}
	if v != nil {
		next = *v
	}
	limit, missing := r.valueLimit(m)
	if missing != "" {
		next.Missing = missing
		return &next
	}
	stale := next.Seen && now-next.At > valueGap
	was := next.Broken && !stale
	next.Seen, next.At, next.Missing = true, now, ""
	next.Last = Value{Candidate: m.Candidate, Stable: m.Stable, Limit: limit}
	next.Broken = r.beyond(m.Candidate, limit)
	next.Shared = next.Broken && !r.Condition.Relative() && m.Stable != nil && r.beyond(*m.Stable, limit)
	if next.Broken && !was {
		next.Since = now
	}
	return &next
}

// valueLimit is the limit of the rule for a measurement, or why it cannot be used.
func (r Rule) valueLimit(m Measurement) (limit float64, missing string) {
	c := r.Condition
	switch {
	case m.Missing != "":
		return 0, m.Missing
	case !finite(m.Candidate) || m.Stable != nil && !finite(*m.Stable):
		return 0, "it is not a number"
	case !c.Relative():
		return c.valueLimit(), ""
	case m.Stable == nil:
		return 0, "stable shows no value to compare with"
	}
	return float64(c.Times) / 1000 * *m.Stable, ""
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// beyond reports whether a value breaks the rule: a check says what must hold, a
// trigger what must not be.
func (r Rule) beyond(v, limit float64) bool {
	is := v > limit
	if r.Condition.Below {
		is = v < limit
	}
	return is != r.Check
}

// lasted is for how long the rule has been broken by every measurement.
func (v *valueState) lasted() time.Duration {
	if v == nil || !v.Broken || v.Missing != "" {
		return 0
	}
	return v.At - v.Since
}

func (j *Judge) decideValues() {
	if j.state.Health.StableDown {
		return
	}
	for i := range j.rules {
		r, v := &j.rules[i], j.state.Rules[i].Value
		if v.lasted() >= r.patience() && !v.Shared && j.active(i) {
			last := v.Last
			j.fail(i, Verdict{Path: PathValue, Value: &last})
		}
	}
}

// valueReport is how a rule on measurements stands that has not failed.
func (j *Judge) valueReport(i int) (RuleState, Kind, Verdict) {
	r, v := &j.rules[i], j.state.Rules[i].Value
	out := Verdict{}
	if v != nil && v.Seen {
		last := v.Last
		out.Value = &last
	}
	switch {
	case !j.active(i):
		return StateWaiting, Pass, out
	case v != nil && v.Missing != "":
		return StateUnmeasured, Unmeasured, out
	case v == nil || r.Check && v.At <= j.state.WeightAt:
		return StateInconclusive, Inconclusive, out
	case v.Shared:
		return StateShared, Shared, out
	case v.Broken:
		return StateInconclusive, Inconclusive, out
	case r.Check:
		return StatePass, Pass, out
	}
	return StateHolding, Pass, out
}

// valueText says in one sentence how a rule on measurements stands.
func (j *Judge) valueText(i int, kind Kind) string {
	r, v := &j.rules[i], j.state.Rules[i].Value
	c := r.Condition
	if v == nil || !v.Seen && v.Missing == "" {
		return fmt.Sprintf("%s: not measured yet.", c)
	}
	if kind == Unmeasured {
		return fmt.Sprintf("%s cannot be measured: %s.", c, v.Missing)
	}
	values := c.Amount(v.Last.Candidate) + " on the candidate"
	if v.Last.Stable != nil {
		values += ", " + c.Amount(*v.Last.Stable) + " on stable"
	}
	if c.Relative() {
		values += "; the limit is " + c.Amount(v.Last.Limit)
	}
	switch {
	case kind == Fail:
		text := fmt.Sprintf("%s is broken: %s; every measurement of %s said so.", c, values, formatDuration(v.lasted().Round(TickLength)))
		if r.action() == Notify {
			text += " It would have been rolled back, but the rule only observes."
		}
		return text + " The bound on false rollbacks does not cover this rule."
	case kind == Shared:
		return fmt.Sprintf("%s is broken by stable too: %s.", c, values)
	case v.Broken:
		return fmt.Sprintf("%s: %s; it is outside the limit for %s of %s.", c, values, formatDuration(v.lasted().Round(TickLength)), formatDuration(r.patience()))
	}
	return fmt.Sprintf("%s: %s.", c, values)
}
