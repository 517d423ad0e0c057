package analysis

import (
	"slices"

	"github.com/weirproxy/weir/analysis/evidence"
)

const (
	// A candidate may always be worse than stable by so much, whatever multiple a
	// relative limit allows: three errors in an hour are not 1.5 times two. Client
	// errors are made by clients, whose mix differs more.
	errorFloor  = .0005
	clientFloor = .005

	// An early pass by a limit relative to stable proves that the candidate has
	// less than clearMargin times stable's rate of bad requests: that two versions
	// are equal cannot be proven, and to prove 1.5 times takes twice as many
	// requests. The limit itself is judged on.
	clearMargin = 2
)

// source says which samples a rule is judged on.
type source uint8

const (
	uncounted source = iota
	ofErrors
	ofClientErrors
	ofLatency
	ofPace
)

// judged is a rule with what follows from its policy.
type judged struct {
	Rule
	source    source
	null      evidence.Hypothesis // what the limit allows; Rho is 0 for absolute limits
	columns   []int               // indexes of the latency limit or of the levels
	strata    bool                // nodes are compared one by one
	weight    float64             // v: the rule's share of alpha, and that of each of its readings
	threshold float64             // what the weighted evidence must reach
	slowAlpha float64             // of each look of the slow path; 0 if it has none
}

func compileRules(p Policy) []judged {
	limits, levels := p.Limits(), p.Levels()
	rules := make([]judged, len(p.Rules))
	acting := 0
	for i, r := range p.Rules {
		rules[i] = judged{Rule: r}
		c := r.Condition
		if !c.counted() {
			continue
		}
		if r.action() != Notify {
			acting++
		}
		one := &rules[i]
		one.source, one.null = ofErrors, evidence.Hypothesis{Delta: c.Share()}
		switch {
		case c.Metric == LatencyQuantile && c.Relative():
			one.source, one.null = ofPace, evidence.Hypothesis{Rho: 1}
			for _, level := range c.levels() {
				one.columns = append(one.columns, slices.Index(levels, level))
			}
		case c.Metric == LatencyQuantile:
			one.source, one.columns = ofLatency, []int{slices.Index(limits, c.Latency)}
		case c.Relative():
			one.null = evidence.Hypothesis{Delta: errorFloor, Rho: float64(c.Times) / 1000}
		}
		if c.Metric == ClientErrorRate {
			one.source = ofClientErrors
			if c.Relative() {
				one.null.Delta = clientFloor
			}
		}
	}
	// Rules that only notify put nothing back, and so take no share of the others.
	acting = max(acting, 1)
	for i := range rules {
		r := &rules[i]
		if r.source == uncounted {
			continue
		}
		r.threshold = 1 / p.alphaFast()
		r.weight = 1 / float64(acting)
		if r.strata = p.fleet() && !p.Fuse; r.strata && r.followed() {
			// The counts of nodes come with delays of their own, so that a later reading
			// is not of the same blocks: it is a bet of its own, and has half the share.
			r.weight /= 2
		}
		r.slowAlpha = p.alphaSlow() / float64(acting*r.looks(p.MaxDuration))
	}
	return rules
}

// counted reports whether the rule is judged on the counts of requests.
func (r *judged) counted() bool { return r.source != uncounted }

// relative reports whether the limit is a multiple of what stable does.
func (r *judged) relative() bool { return r.Condition.Relative() }

// share is the largest allowed share of bad requests beside a stable with the
// given rate.
func (r *judged) share(stable float64) float64 { return min(r.null.Delta+r.null.Rho*stable, 1) }

// clearNull is what must be disproven for an early pass by detector k.
func (r *judged) clearNull(k int) evidence.Hypothesis {
	h := r.null
	switch {
	case !r.relative(), r.source == ofPace && clearMargin*r.guess(k) >= 1:
	case r.source == ofPace:
		h = evidence.Hypothesis{Delta: errorFloor, Rho: clearMargin}
	default:
		h.Rho = max(h.Rho, clearMargin)
	}
	return h
}

// guess is stable's rate before anything is known of it.
func (r *judged) guess(detector int) float64 {
	switch r.source {
	case ofPace:
		return 1 - float64(r.Condition.levels()[detector].Quantile)/1000
	case ofClientErrors:
		return max(r.null.Delta, .01)
	}
	if r.relative() {
		return typicalRate
	}
	return r.null.Delta / 2
}

// newState is the state of a rule that has seen nothing.
func (r *judged) newState() ruleState {
	var st ruleState
	detectors := 0
	switch r.source {
	case ofErrors, ofClientErrors, ofLatency:
		detectors = 1
	case ofPace:
		detectors = len(r.columns)
	}
	for k := range detectors {
		st.Fast = append(st.Fast, r.newDetector(k))
		if r.Check {
			st.Clear = append(st.Clear, evidence.NewClearance(r.guess(k)))
		}
	}
	switch {
	case r.followed() && r.strata:
		st.Fast = append(st.Fast, r.newDetector(0))
	case r.followed():
		st.Fast = append(st.Fast, fastState{Follower: evidence.NewFollower()})
	}
	return st
}

func (r *judged) newDetector(k int) fastState {
	if r.strata {
		return fastState{Strata: evidence.NewStratified(r.guess(k))}
	}
	return fastState{Detector: evidence.NewDetector(r.guess(k))}
}

// followed reports whether the rule has two readings.
func (r *judged) followed() bool { return r.source == ofErrors || r.source == ofClientErrors }

// column is the detector that a sample is for, -1 for none. Errors have two
// readings: the first is judged by the detector, the final one by its follower.
func (r *judged) column(s Sample) int {
	switch {
	case r.source == ofErrors && s.Horizon <= Final:
		return int(s.Horizon)
	case r.source == ofClientErrors && (s.Horizon == ClientSettled || s.Horizon == ClientFinal):
		return int(s.Horizon - ClientSettled)
	case r.source == ofLatency && s.Horizon == Latency, r.source == ofPace && s.Horizon == Paced:
		return slices.Index(r.columns, s.Limit)
	}
	return -1
}
