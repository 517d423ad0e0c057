package control

import (
	"math"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/control/exposition"
	"github.com/weirproxy/weir/control/rollout"
)

// inForce are the families of rollouts in force.
type inForce struct {
	phase, waiting, stage, elapsed *exposition.Family
	evidence, rule, limit          *exposition.Family
	ratio, measurement             *exposition.Family
}

func (c *Controller) writeRollouts(p *exposition.Page, v *View) {
	f := inForce{
		phase:       p.Gauge("weir_rollout_phase", "1 for the phase of each rollout in force."),
		waiting:     p.Gauge("weir_rollout_waiting", "1 for what a rollout in force waits for, if that is more than time: approval, environment, hook, evidence, ack, freeze, health or capacity."),
		stage:       p.Gauge("weir_rollout_stage", "Stage of a rollout in force; the first is 0, and -1 stands before it."),
		elapsed:     p.Gauge("weir_rollout_stage_elapsed_seconds", "Time that counts for the stage of a rollout in force."),
		evidence:    p.Gauge("weir_rollout_evidence", "Evidence against the candidate as a share of what proves it worse, by rule; at 1 weir acts."),
		rule:        p.Gauge("weir_rollout_rule", "1 for how each rule of a rollout in force stands: waiting, holding, pass, inconclusive, shared, fail or error."),
		limit:       p.Gauge("weir_rollout_limit", "Limit of a rule: a share of requests, or a value in the unit of what it measures."),
		ratio:       p.Gauge("weir_rollout_bad_ratio", "Share of requests that a rule calls bad, by side: candidate or stable."),
		measurement: p.Gauge("weir_rollout_measurement", "Last value of memory, cpu or a query that a rule measures, by side: candidate or stable."),
	}
	counts := map[rollout.Phase]int{}
	for _, r := range v.Rollouts {
		counts[r.State.Phase]++
		if r.InForce {
			f.write(r)
		}
	}
	kept := p.Gauge("weir_rollouts", "Rollouts that are remembered, the newest 1000 at most, by phase.")
	for _, phase := range phases() {
		kept.Add(float64(counts[phase]), "phase", string(phase))
	}
	c.rollbacks.write(p.Counter("weir_rollbacks_total", "Candidates that this node took to 0, by what proved them worse."), "service", "path")
}

func phases() []rollout.Phase {
	return []rollout.Phase{
		rollout.Queued, rollout.Pending, rollout.Progressing, rollout.Paused, rollout.Baking,
		rollout.Succeeded, rollout.RolledBack, rollout.Aborted, rollout.Failed, rollout.Superseded,
	}
}

func (f *inForce) write(r *RolloutView) {
	base := exposition.LabelsOf("service", r.State.Service, "rollout", r.State.ID)
	f.phase.AddTo(base, 1, "phase", string(r.State.Phase))
	if r.State.WaitingFor != rollout.WaitNothing {
		f.waiting.AddTo(base, 1, "for", string(r.State.WaitingFor))
	}
	f.stage.AddTo(base, float64(r.State.Stage))
	f.elapsed.AddTo(base, r.StageElapsed.Seconds())
	for _, rule := range worst(r.Rules) {
		f.writeRule(base, rule)
	}
}

func (f *inForce) writeRule(base exposition.Labels, r *analysis.RuleReport) {
	f.rule.AddTo(base, 1, "rule", r.Rule, "state", string(r.State))
	if r.Threshold > 0 {
		f.evidence.AddTo(base, r.Evidence/r.Threshold, "rule", r.Rule)
	}
	switch {
	case r.Value != nil:
		f.limit.AddTo(base, r.Value.Limit, "rule", r.Rule)
		f.measurement.AddTo(base, r.Value.Candidate, "rule", r.Rule, "side", "candidate")
		if r.Value.Stable != nil {
			f.measurement.AddTo(base, *r.Value.Stable, "rule", r.Rule, "side", "stable")
		}
	case r.Candidate.N > 0 || r.Stable.N > 0:
		f.limit.AddTo(base, r.Limit, "rule", r.Rule)
		if r.Candidate.N > 0 {
			f.ratio.AddTo(base, r.CandidateRate, "rule", r.Rule, "side", "candidate")
		}
		if r.Stable.N > 0 {
			f.ratio.AddTo(base, r.StableRate, "rule", r.Rule, "side", "stable")
		}
	}
}

// worst has each rule once. Several candidates, and users beside the split, are
// judged by the same rules each: what counts is the one nearest to being put back.
func worst(rules []analysis.RuleReport) []*analysis.RuleReport {
	at := make(map[string]int, len(rules))
	var out []*analysis.RuleReport
	for i := range rules {
		r := &rules[i]
		j, known := at[r.Rule]
		switch {
		case !known:
			at[r.Rule] = len(out)
			out = append(out, r)
		case badness(r) > badness(out[j]):
			out[j] = r
		}
	}
	return out
}

// badness orders reports of one rule.
func badness(r *analysis.RuleReport) float64 {
	switch {
	case r.State == analysis.StateFail:
		return math.Inf(1)
	case r.State == analysis.StateUnmeasured:
		return -1
	case r.Threshold > 0:
		return r.Evidence / r.Threshold
	case r.Value != nil && r.Condition.Below:
		return -r.Value.Candidate
	case r.Value != nil:
		return r.Value.Candidate
	}
	return 0
}
