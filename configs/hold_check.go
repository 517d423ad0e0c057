package configs

import (
	"fmt"
	"slices"

	"github.com/weirproxy/weir/analysis"
)

// maxHoldback is the most that stable may keep in the last stage.
const maxHoldback = Whole / 2

// checkHolds checks what the plan says of waits for evidence.
func (p *Rollout) checkHolds(r *report) {
	r.choice("on_inconclusive", p.OnInconclusive, "hold", "proceed", "rollback")
	r.span("max_hold", p.MaxHold, maxSpan)
	r.span("warmup", p.Warmup, maxSpan)
	if p.MaxHold > 0 && p.MaxHold < p.Bake {
		r.add("max_hold", fmt.Sprintf("write at least %s", p.Bake), "the bake lasts %s, longer than max_hold", p.Bake)
	}
	if p.Holdback < 0 || p.Holdback > maxHoldback {
		r.add("holdback", "write a small weight such as 1%", "stable cannot keep %s of the keys in the last stage", p.Holdback)
	}
}

// checkHold checks what one stage says of them.
func (p *Rollout) checkHold(r *report, i int) {
	stage, path := p.Stages[i], item("stages", i)
	r.choice(field(path, "on_inconclusive"), stage.OnInconclusive, "hold", "proceed", "rollback")
	r.span(field(path, "max_hold"), stage.MaxHold, maxSpan)
	r.span(field(path, "min_soak"), stage.MinSoak, maxSpan)
	if stage.MaxHold > 0 && stage.MaxHold < stage.Duration {
		r.add(field(path, "max_hold"), fmt.Sprintf("write at least %s", stage.Duration), "the stage lasts %s, longer than max_hold", stage.Duration)
	}
	if limit := p.MaxHold; limit > 0 && stage.MaxHold == 0 && limit < stage.Duration {
		r.add(field(path, "duration"), fmt.Sprintf("write max_hold: %s or more, for the rollout or for this stage", stage.Duration),
			"the stage lasts %s, longer than the rollout's max_hold %s", stage.Duration, limit)
	}
	switch {
	case stage.MinSoak > 0 && !stage.Early:
		r.add(field(path, "min_soak"), "write early: true, or remove min_soak", "min_soak has no meaning in a stage that does not end early")
	case stage.Early && stage.Duration > 0 && stage.MinSoak > stage.Duration:
		r.add(field(path, "min_soak"), fmt.Sprintf("write at most %s", stage.Duration), "min_soak is longer than the stage")
	}
	proves := func(rule analysis.Rule) bool { return rule.Check && rule.FromStage <= i }
	if stage.Early && !slices.ContainsFunc(p.Rules(), proves) {
		r.add(field(path, "early"), "add a check such as error_rate < 1%", "nothing says what must be proven before the stage ends early")
	}
}
