package configs

import (
	"cmp"

	"github.com/weirproxy/weir/analysis"
)

// Switches reports whether the plan moves every user at once, after which the
// candidate bakes.
func (p *Rollout) Switches() bool {
	return p.Strategy == StrategyBlueGreen || p.Strategy == StrategyAllAtOnce
}

// Staged returns the stages that the strategy comes to: those of a canary as
// they were written, the one switch of blue-green and all-at-once, and a batch of
// a rolling rollout each. Endpoints is how many the candidate has.
func (p *Rollout) Staged(endpoints int) []Stage {
	switch {
	case p.Switches():
		whole := Whole
		return []Stage{{Name: "switch", Weight: &whole}}
	case p.Strategy == StrategyRolling:
		return p.batches(endpoints)
	}
	return p.Stages
}

// batches are one stage each of a rolling rollout.
func (p *Rollout) batches(endpoints int) []Stage {
	batch := max(1, p.Batch)
	var stages []Stage
	for i := 0; i == 0 || i*batch < endpoints; i++ {
		weight := p.BatchWeight(i, endpoints)
		stages = append(stages, Stage{Weight: &weight, Duration: p.PauseBetween})
	}
	return stages
}

// Admitted is how many of so many endpoints of the candidate take requests in
// stage i of a rolling rollout.
func (p *Rollout) Admitted(i, endpoints int) int {
	return min((i+1)*max(1, p.Batch), endpoints)
}

// BatchWeight is the weight of stage i of a rolling rollout: the share of its
// endpoints that is admitted, rounded down so that none has more than its share.
func (p *Rollout) BatchWeight(i, endpoints int) Weight {
	if endpoints == 0 {
		return Whole
	}
	return max(1, Whole*Weight(p.Admitted(i, endpoints))/Weight(endpoints))
}

// SmokeLimit is how many runs in a row of the smoke checks must fail, before the
// first user, until the action follows: what the first trigger on smoke_test
// says, or three and putting the traffic back.
func (p *Rollout) SmokeLimit() (failures int, action analysis.Action) {
	for _, rule := range triggerRules(p.Rollback.Triggers, p.Rollback.Action) {
		if rule.Condition.Metric == analysis.SmokeTest {
			return cmp.Or(rule.Count, analysis.DefaultCount), rule.Action
		}
	}
	return analysis.DefaultCount, analysis.Rollback
}
