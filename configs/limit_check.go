package configs

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/analysis"
)

// checks checks the limits that a stage must pass.
func (r *report) checks(path string, checks []analysis.Condition) {
	if len(checks) > maxChecks {
		r.add(path, fmt.Sprintf("keep at most %d", maxChecks), "there are %d checks", len(checks))
	}
	for i, c := range checks {
		switch {
		case c.IsZero():
			r.add(item(path, i), "write a check such as error_rate < 1%", "the check is missing")
		case c.Valued(): // either way round
		case !counted(c):
			r.add(item(path, i), fmt.Sprintf("write it as a trigger: {condition: %s, count: 3}", c), "%q cannot be a check", c)
		case !c.Below:
			r.add(item(path, i), "write "+strings.Replace(c.String(), ">", "<", 1), "a check says what must hold, but %q is written with >", c)
		}
		r.judgeable(item(path, i), c)
		r.multiple(item(path, i), c, c.Below)
		if first := slices.Index(checks, c); first < i && !c.IsZero() {
			r.add(item(path, i), "remove it", "%q is there already, as %s", c, item(path, first))
		}
	}
}

// triggers checks the limits whose break acts.
func (r *report) triggers(path string, triggers []Trigger) {
	if len(triggers) > maxTriggers {
		r.add(path, fmt.Sprintf("keep at most %d", maxTriggers), "there are %d triggers", len(triggers))
	}
	for i, t := range triggers {
		at, c := item(path, i), t.Condition
		switch {
		case c.IsZero():
			r.add(field(at, "condition"), "write condition: error_rate > 1%", "the trigger has no condition")
		case counted(c) && c.Below && !c.Valued():
			r.add(field(at, "condition"), "write "+strings.Replace(c.String(), "<", ">", 1), "a trigger says what must not be, but %q is written with <", c)
		case counted(c) && t.Count != 0:
			r.add(field(at, "count"), "write duration: 5m instead", "%q takes a duration, not a count", c)
		case !counted(c) && t.Duration != 0:
			r.add(field(at, "duration"), "write count: 3 instead", "%q takes a count, not a duration", c)
		}
		if t.Duration != 0 && t.Duration < Duration(time.Second) {
			r.add(field(at, "duration"), "write at least 1s", "%s is too short for a rate", t.Duration)
		}
		r.span(field(at, "duration"), t.Duration, Duration(24*time.Hour))
		r.count(field(at, "count"), t.Count, 100)
		r.choice(field(at, "action"), t.Action, "rollback", "pause", "notify")
		r.choice(field(at, "confidence"), t.Confidence, "proven", "literal")
		if t.Confidence == "literal" && !c.IsZero() && (!counted(c) || c.Valued()) {
			r.add(field(at, "confidence"), "remove it", "%q is no rate: it has no confidence", c)
		}
		r.judgeable(field(at, "condition"), c)
		r.multiple(field(at, "condition"), c, !c.Below)
		if t.Confidence == "literal" && counted(c) && !c.Valued() && c.Times == 1000 {
			r.add(field(at, "confidence"), "write a limit such as 1.5x baseline, or remove it", "taken literally, a version that equals stable breaks %q half of the time", c)
		}
		if first := slices.IndexFunc(triggers, t.repeats); first < i && !c.IsZero() {
			r.add(field(at, "condition"), "keep the stricter one", "%q with this action is there already, as %s: each rule has a share of the bound on false rollbacks", c, item(path, first))
		}
	}
}

// repeats reports whether two triggers act on the same in the same way. One that
// only notifies beside one that acts is no repetition.
func (t Trigger) repeats(o Trigger) bool {
	return t.Condition == o.Condition && t.Action == o.Action
}

// multiple checks that a limit on what is measured leaves room for a candidate that
// equals stable. Upper says that it breaks above the limit. Counts need no room: they
// break a limit by more than luck.
func (r *report) multiple(path string, c analysis.Condition, upper bool) {
	switch {
	case !c.Valued() || !c.Relative():
	case upper && c.Times <= 1000:
		r.add(path, fmt.Sprintf("write 1.2x baseline or more in place of %s", c.LimitText()), "a version that equals stable, or nearly, breaks %q", c)
	case !upper && c.Times >= 1000:
		r.add(path, fmt.Sprintf("write 0.8x baseline or less in place of %s", c.LimitText()), "a version that equals stable, or nearly, breaks %q", c)
	}
}

// judgeable checks that a limit can be judged by counting.
func (r *report) judgeable(path string, c analysis.Condition) {
	if most := 100 * time.Second; c.Latency > most {
		r.add(path, fmt.Sprintf("write at most %s", Duration(most)), "the limit of %q is longer than any answer is waited for", c)
	}
}

// counted reports whether a condition has a duration, not a count.
func counted(c analysis.Condition) bool {
	return c.Metric != analysis.HealthCheck && c.Metric != analysis.SmokeTest
}

// latencyLimits checks that a recorder can count every limit.
func (r *report) latencyLimits(path string, rules []analysis.Rule) {
	if n := len(analysis.Policy{Rules: rules}.Levels()); n > analysis.MaxLevels {
		r.add(path, "use at most two limits on latency relative to baseline", "the limits relative to baseline need %d latencies to be followed, more than %d", n, analysis.MaxLevels)
	}
	if n := len(analysis.Policy{Rules: rules}.Limits()); n > analysis.MaxLimits {
		r.add(path, fmt.Sprintf("use at most %d", analysis.MaxLimits), "there are %d different latency limits", n)
	}
}
