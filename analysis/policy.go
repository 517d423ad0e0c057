package analysis

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"time"
)

// maxRuleLatency is the largest latency limit that is judged: a tick is held by
// a recorder for a little longer.
const maxRuleLatency = 100 * time.Second

// Action is what a broken rule asks for.
type Action string

const (
	Rollback Action = "rollback" // put the traffic back on stable; the default
	Pause    Action = "pause"    // hold the weights and ask a person
	Notify   Action = "notify"   // observe only: the verdict is never fail
)

// DefaultPatience is the patience of a rule that states none.
const DefaultPatience = 5 * time.Minute

// DefaultCount is how many failed probe rounds in a row a health rule that
// states none allows.
const DefaultCount = 3

// Rule is a limit plus a patience. A blatant break acts as soon as it is proven;
// a marginal one acts after Patience, if the rate over it is above the limit by
// more than luck.
type Rule struct {
	ID        string        `json:"id"` // unique in its policy
	Condition Condition     `json:"condition"`
	Check     bool          `json:"check,omitempty"`      // a limit that a stage must pass; else a trigger
	Patience  time.Duration `json:"patience,omitempty"`   // of the slow path; 0 means DefaultPatience
	Count     int           `json:"count,omitempty"`      // of health rules; 0 means DefaultCount
	FromStage int           `json:"from_stage,omitempty"` // first stage in which the rule acts; it gathers from the start
	Action    Action        `json:"action,omitempty"`     // empty means Rollback
	// Literal makes the slow path act on the plain rate over Patience, without
	// asking whether it is more than luck. It lies outside Alpha: over an hour a
	// candidate at half its limit is put back with a probability of .98 at 200
	// requests a patience of five minutes, of .61 at 1 000, and one at .8 of it
	// nearly always at up to 2 000.
	Literal bool `json:"literal,omitempty"`
}

// Policy is what a Judge judges by. It does not change during a trial.
type Policy struct {
	Rules []Rule `json:"rules"`
	// Alpha is the largest probability of putting a good candidate back over the
	// whole rollout. 0 means .01.
	Alpha float64 `json:"alpha,omitempty"`
	// Candidates is how many candidates are judged at once; each has its share
	// of Alpha. 0 means 1.
	Candidates int `json:"candidates,omitempty"`
	// LiveNodes is how many nodes serve the rollout when it starts. 0 and 1 mean a
	// single node, which spends .75 of Alpha on the fast path and .25 on the slow
	// one. More spend .50 on the merged fast path, .25 on all fuses, .25 slow.
	LiveNodes int `json:"live_nodes,omitempty"`
	// Fuse makes this the judge of one node's own counts in a fleet: fast path
	// only, with that node's share. It changes nothing on a single node.
	Fuse bool `json:"fuse,omitempty"`
	// Keyed says that the service has a sticky key, so that a bad outcome counts
	// at most once per bucket in ten minutes.
	Keyed bool `json:"keyed,omitempty"`
	// MaxDuration is the longest possible rollout, extensions included. It bounds
	// how often the slow path looks. 0 means five patiences of each rule.
	MaxDuration time.Duration `json:"max_duration,omitempty"`
	// MinSettle is how long after a change of weights a pass is not given yet.
	// 0 means none.
	MinSettle time.Duration `json:"min_settle,omitempty"`
	// Timeout is that of the service's requests: for so long nothing is proven to
	// hold after a change of weights, and no fast rule looks after the candidate
	// lost weight, because slow failures arrive late. 0 means not at all.
	Timeout time.Duration `json:"timeout,omitempty"`
	// Warmup is how long after the trial began latencies are not judged, so that
	// cold caches are nobody's fault. 0 means not at all.
	Warmup time.Duration `json:"warmup,omitempty"`
	// Beta is the largest probability that a stage passes early by a check whose
	// limit is really broken. 0 means .05.
	Beta float64 `json:"beta,omitempty"`
}

// Level is a latency that follows stable: its quantile, in tenths of a percent,
// and the multiple, in thousandths, that a candidate may reach.
type Level struct {
	Quantile, Times int
}

// pacedQuantiles are looked at together by a limit relative to stable: a version
// that is slower throughout shows at the median long before it does at p99.
var pacedQuantiles = [...]int{500, 900, 990}

// levels are those of a relative limit on latency, in rising order: the named
// percentile comes last.
func (c Condition) levels() []Level {
	if c.Metric != LatencyQuantile || !c.Relative() {
		return nil
	}
	var levels []Level
	for _, q := range pacedQuantiles {
		if q < c.Percentile {
			levels = append(levels, Level{q, c.Times})
		}
	}
	return append(levels, Level{c.Percentile, c.Times})
}

// Beside returns the policy of what a candidate answers beside the split: copies,
// and users who were led to it. It has the limits that are not relative to stable,
// because nobody drew those requests, and Limits stay what they are. Whoever
// judges by both gives each its share of Alpha: see Candidates.
func (p Policy) Beside() Policy {
	var rules []Rule
	for _, r := range p.Rules {
		switch {
		case !r.Condition.counted() || r.Condition.Relative() && r.Condition.Latency == 0:
			continue
		case r.Condition.Relative():
			r.Action = Notify // it is here for its latency
		}
		r.ID += "-beside"
		rules = append(rules, r)
	}
	p.Rules = rules
	return p
}

// Levels are the distinct levels of the rules, in order: what a recorder must
// compare requests with, at the latencies that a Pace gives.
func (p Policy) Levels() []Level {
	var levels []Level
	for _, r := range p.Rules {
		levels = append(levels, r.Condition.levels()...)
	}
	slices.SortFunc(levels, func(a, b Level) int {
		return cmp.Or(cmp.Compare(a.Quantile, b.Quantile), cmp.Compare(a.Times, b.Times))
	})
	return slices.Compact(levels)
}

// DefaultGuard are the rules of a rollout that declares none: errors above 1 %
// over five minutes, client errors above 1.5 times stable's, and three failed
// probe rounds. Latency has no limit that suits every service, so it is not in
// the guard.
func DefaultGuard() []Rule {
	return []Rule{
		{ID: "guard-errors", Condition: Condition{Metric: ErrorRate, Rate: 10_000}, Patience: DefaultPatience},
		{ID: "guard-client-errors", Condition: Condition{Metric: ClientErrorRate, Times: 1500}, Patience: DefaultPatience},
		{ID: "guard-health", Condition: Condition{Metric: HealthCheck}, Count: DefaultCount},
	}
}

// Limits are the distinct latency limits of the rules, rising: what a recorder
// must count exactly. A Sample's Limit is an index into it.
func (p Policy) Limits() []time.Duration {
	var limits []time.Duration
	for _, r := range p.Rules {
		if r.Condition.Latency > 0 {
			limits = append(limits, r.Condition.Latency)
		}
	}
	slices.Sort(limits)
	return slices.Compact(limits)
}

// Validate returns all problems of the policy at once, joined, or nil.
func (p Policy) Validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if !(p.Alpha >= 0 && p.Alpha <= .5) {
		bad("alpha is %v: write a probability from 0 (meaning 0.01) to 0.5", p.Alpha)
	}
	if p.Candidates < 0 {
		bad("candidates is %d: write 1 or more, or 0 for 1", p.Candidates)
	}
	if p.LiveNodes < 0 {
		bad("live_nodes is %d: write 1 or more, or 0 for 1", p.LiveNodes)
	}
	if p.MaxDuration < 0 {
		bad("max_duration %s is negative", p.MaxDuration)
	}
	if p.MinSettle < 0 {
		bad("min_settle %s is negative", p.MinSettle)
	}
	if p.Timeout < 0 || p.Warmup < 0 {
		bad("timeout %s or warmup %s is negative", p.Timeout, p.Warmup)
	}
	if !(p.Beta >= 0 && p.Beta <= .5) {
		bad("beta is %v: write a probability from 0 (meaning 0.05) to 0.5", p.Beta)
	}
	if n := len(p.Levels()); n > MaxLevels {
		bad("limits relative to stable need %d latencies to be followed: use at most %d, that is two such limits", n, MaxLevels)
	}
	if n := len(p.Limits()); n > MaxLimits {
		bad("there are %d distinct latency limits: write at most %d", n, MaxLimits)
	}
	seen := make(map[string]bool, len(p.Rules))
	for i, r := range p.Rules {
		if r.ID == "" {
			bad("rule %d has no id", i)
		} else if seen[r.ID] {
			bad("rule %q is there twice", r.ID)
		}
		seen[r.ID] = true
		for _, problem := range r.problems() {
			bad("rule %q: %w", r.ID, problem)
		}
	}
	return errors.Join(problems...)
}

func (r Rule) problems() []error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	c := r.Condition
	switch {
	case c.IsZero():
		bad("the condition is missing")
	case c.counted() && r.Check && !c.Below:
		bad("the check %q is written with \">\": a check says what must hold, such as %q", c, Condition{Metric: ErrorRate, Below: true, Rate: 1000})
	case c.counted() && !r.Check && c.Below:
		bad("the trigger %q is written with \"<\": a trigger says what must not be, such as %q", c, Condition{Metric: ErrorRate, Rate: 10_000})
	case c.probed() && r.Check:
		bad("%q cannot be a check: write it as a trigger", c)
	}
	switch {
	case r.Patience < 0:
		bad("the duration %s is negative", r.Patience)
	case r.Patience > 0 && r.Patience < time.Second:
		bad("the duration %s is too short: write 1s or more", r.Patience)
	case r.Patience > 0 && c.probed():
		bad("%q takes a count, not a duration", c)
	}
	if c.Latency > maxRuleLatency {
		bad("the limit of %q is longer than a node waits for an answer: write at most %s", c, formatDuration(maxRuleLatency))
	}
	if r.Count < 0 {
		bad("the count %d is negative", r.Count)
	}
	if r.Count > 0 && !c.probed() && !c.IsZero() {
		bad("%q takes a duration, not a count", c)
	}
	if r.Literal && (r.Check || !c.counted()) {
		bad("only a trigger on a rate or a latency can be literal, not %q", c)
	}
	if r.FromStage < 0 {
		bad("the stage %d is negative", r.FromStage)
	}
	switch r.Action {
	case "", Rollback, Pause, Notify:
	default:
		bad("there is no action %q: write rollback, pause or notify", r.Action)
	}
	return problems
}

func (p Policy) alpha() float64 {
	return cmp.Or(p.Alpha, .01) / float64(max(1, p.Candidates))
}

// fleet reports whether several nodes share Alpha.
func (p Policy) fleet() bool { return p.LiveNodes > 1 }

// alphaFast is the part of Alpha that the fast path of this judge may spend.
func (p Policy) alphaFast() float64 {
	switch {
	case !p.fleet():
		return .75 * p.alpha()
	case !p.Fuse:
		return .50 * p.alpha()
	}
	// Rounding up to a power of two keeps the share of a fuse while nodes come
	// and go, and four fuses leave room for a small fleet to grow.
	nodes := max(4, 1<<bits.Len(uint(p.LiveNodes-1)))
	return .25 * p.alpha() / float64(nodes)
}

// alphaSlow is the part of Alpha that the slow path of this judge may spend; 0
// means that it has none.
func (p Policy) alphaSlow() float64 {
	if p.fleet() && p.Fuse {
		return 0
	}
	return .25 * p.alpha()
}

// passEvidence is what the evidence for a check must reach to prove it.
func (p Policy) passEvidence() float64 { return 1 / cmp.Or(p.Beta, .05) }

func (r Rule) action() Action { return cmp.Or(r.Action, Rollback) }

func (r Rule) patience() time.Duration { return cmp.Or(r.Patience, DefaultPatience) }

func (r Rule) count() int { return cmp.Or(r.Count, DefaultCount) }
