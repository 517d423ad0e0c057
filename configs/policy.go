package configs

import (
	"cmp"
	"fmt"
	"time"

	"github.com/weirproxy/weir/analysis"
)

// maxPatience bounds how long a check waits for a marginal break to be proven.
const maxPatience = 5 * time.Minute

// maxHandmade is how long weights by hand are judged at full promise: the plan
// has no end, and the judge must share its looks over some time.
const maxHandmade = 24 * time.Hour

// stageFloor stands for a stage without duration where its length counts: its
// checks may wait for evidence three times as long.
const stageFloor = time.Minute

// extension is how many times its duration a stage may last, when it holds for
// evidence.
const extension = 3

// Rules are the limits that the plan is judged by: triggers from the start,
// each check from its stage to the end. A check that several stages repeat is
// one rule, of its first stage. Without any of them the default guard judges.
func (p *Rollout) Rules() []analysis.Rule {
	rules := triggerRules(p.Rollback.Triggers, p.Rollback.Action)
	type seen struct {
		condition analysis.Condition
		action    analysis.Action
	}
	checks := map[seen]bool{}
	add := func(stage int, c analysis.Condition, patience time.Duration, action analysis.Action) {
		if key := (seen{c, action}); !checks[key] {
			checks[key] = true
			rules = append(rules, analysis.Rule{
				ID: fmt.Sprintf("check-%d", len(checks)), Condition: c, Check: true,
				Patience: patience, FromStage: stage, Action: action,
			})
		}
	}
	for _, c := range p.Checks {
		add(0, c, maxPatience, analysis.Rollback)
	}
	// A stage without duration judges what the stages before it gathered.
	gathered := time.Duration(0)
	for i, stage := range p.Stages {
		if stage.Duration > 0 {
			gathered = stage.Duration.Std()
		}
		patience := max(min(gathered, maxPatience), time.Second)
		if gathered == 0 {
			patience = maxPatience
		}
		for _, c := range stage.Checks {
			add(i, c, patience, actionOf(stage.OnFail))
		}
	}
	if len(rules) == 0 {
		return analysis.DefaultGuard()
	}
	return rules
}

// Policy is what the judge of this plan judges by. The caller adds what only
// the fleet knows: LiveNodes, Fuse.
func (p *Rollout) Policy(s Service) analysis.Policy {
	return analysis.Policy{
		Rules: p.Rules(), Keyed: s.Sticky != nil, MaxDuration: p.MaxDuration(),
		Timeout: s.Timeout.Std(), Warmup: p.Warmup.Std(),
	}
}

// Hold is how long stage i may last in all when it waits for evidence, and what
// follows if that was not enough. Stage i beyond the last is the bake.
func (p *Rollout) Hold(i int) (limit time.Duration, then string) {
	length, limit, then := p.Bake.Std(), p.MaxHold.Std(), p.OnInconclusive
	if i < len(p.Stages) {
		stage := p.Stages[i]
		length = stage.Duration.Std()
		limit = cmp.Or(stage.MaxHold.Std(), limit)
		then = cmp.Or(stage.OnInconclusive, then)
	}
	if limit == 0 {
		limit = extension * cmp.Or(length, stageFloor)
	}
	return max(limit, length), cmp.Or(then, "hold")
}

// MaxDuration is how long the plan can last, with every stage held for evidence
// as long as it may be. Pauses are not in it.
func (p *Rollout) MaxDuration() time.Duration {
	total := time.Duration(0)
	for i := range p.Stages {
		limit, _ := p.Hold(i)
		total += limit
	}
	if p.Bake > 0 {
		limit, _ := p.Hold(len(p.Stages))
		total += limit
	}
	return total
}

// GuardPolicy is what the judge of weights by hand judges by: the triggers of
// s.Guard, or the default guard. The caller adds Candidates, LiveNodes and Fuse.
func (s *Service) GuardPolicy() analysis.Policy {
	return analysis.Policy{Rules: s.Guard.rules(), Keyed: s.Sticky != nil, MaxDuration: maxHandmade, Timeout: s.Timeout.Std()}
}

func (g *Guard) rules() []analysis.Rule {
	if g == nil || len(g.Triggers) == 0 {
		return analysis.DefaultGuard()
	}
	return triggerRules(g.Triggers, "")
}

// triggerRules makes rules of triggers. Fallback is the action of those that
// name none.
func triggerRules(triggers []Trigger, fallback string) []analysis.Rule {
	rules := make([]analysis.Rule, 0, len(triggers))
	for i, t := range triggers {
		rule := analysis.Rule{
			ID: fmt.Sprintf("trigger-%d", i+1), Condition: t.Condition,
			Patience: t.Duration.Std(), Count: t.Count, Action: actionOf(fallback), Literal: t.Confidence == "literal",
		}
		if t.Action != "" {
			rule.Action = actionOf(t.Action)
		}
		rules = append(rules, rule)
	}
	return rules
}

// actionOf translates the action of a document.
func actionOf(s string) analysis.Action {
	switch s {
	case "pause":
		return analysis.Pause
	case "notify":
		return analysis.Notify
	}
	return analysis.Rollback
}
