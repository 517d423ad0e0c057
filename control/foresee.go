package control

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
)

// foresee turns the plan of a start into what a person is told instead: what
// would be done, in order, and what each check needs at the present traffic.
func (c *Controller) foresee(p plan, cmd StartRollout, doc configs.Service, stable string) plan {
	name := cmd.Plan.Service
	r := rollout.State{Service: name, Strategy: cmd.Plan.Strategy, Plan: cmd.Plan, From: stable, To: cmd.Plan.To, Candidates: []string{cmd.Plan.To}, Nodes: max(1, len(c.mirror.nodes))}
	out := plan{reply: Reply{Name: name, Text: fmt.Sprintf("would release %s to %s by %s", name, cmd.Plan.To, cmd.Plan.Strategy)}}
	out.reply.Changes = append(out.reply.Changes, fmt.Sprintf("%s → %s", stable, cmd.Plan.To))
	if current, ok := c.mirror.inForce(name); ok {
		what := fmt.Sprintf("takes the place of rollout %s, which is %s", current.ID, current.Phase)
		if cmd.Plan.Concurrency == "queue" && current.Strategy != configs.StrategyManual {
			what = fmt.Sprintf("waits for rollout %s, which is %s, and %d more", current.ID, current.Phase, len(c.mirror.queuedOf(name)))
		}
		out.reply.Changes = append(out.reply.Changes, what)
	}
	out.reply.Changes = append(out.reply.Changes, foreseen(r, doc, c.requestsOf(name))...)
	if last, ok := c.lastPlanned(name); ok {
		for _, d := range configs.Differences(last.Plan, cmd.Plan, func(path string) bool { return path == "meta" || strings.HasPrefix(path, "meta.") }) {
			out.reply.Changes = append(out.reply.Changes, fmt.Sprintf("unlike %s: %s", last.ID, d))
		}
	}
	out.reply.Warnings = p.reply.Warnings
	return out
}

// lastPlanned is the newest planned rollout of a service.
func (c *Controller) lastPlanned(service string) (rollout.State, bool) {
	for _, id := range c.mirror.newestFirst() {
		if r := c.mirror.rollouts[id].value; r.Service == service && r.Strategy != configs.StrategyManual {
			return r, true
		}
	}
	return rollout.State{}, false
}

// requestsOf is how many requests a second a service gets on this node now; a flag
// gets those of the services that carry it, which are not counted by variant before
// its rollout.
func (c *Controller) requestsOf(service string) (rps float64) {
	names := []string{service}
	if flag, ok := configs.FlagOf(service); ok {
		names = c.mirror.flags[flag].value.Services
	}
	for _, name := range names {
		if s, ok := c.View().Service(name); ok {
			for _, v := range s.Versions {
				rps += v.RPS
			}
		}
	}
	return rps
}

// foreseen are the steps of a rollout, one a line.
func foreseen(r rollout.State, doc configs.Service, rps float64) []string {
	p := &r.Plan
	var lines []string
	for _, q := range p.Requires {
		lines = append(lines, requireLine(q, cmp.Or(p.Release, p.To)))
	}
	if n := len(p.Smoke); n > 0 {
		lines = append(lines, fmt.Sprintf("before the first user: %d smoke requests to %s", n, p.To))
	}
	weight := configs.Weight(0)
	for i, s := range p.Stages {
		if s.Weight != nil {
			weight = *s.Weight
		}
		lines = append(lines, stageLine(r, doc, i, weight, rps))
	}
	if p.Bake > 0 {
		lines = append(lines, fmt.Sprintf("bake: %s at %s", p.Bake, weight))
	}
	for _, t := range p.Rollback.Triggers {
		lines = append(lines, fmt.Sprintf("at any time: %s, %s", t.Condition, cmp.Or(t.Action, p.Rollback.Action, "rollback")))
	}
	if p.Approval != "" {
		lines = append(lines, fmt.Sprintf("approval of %d before %s has everything, or is stable", max(1, p.Approvers), p.To))
	}
	for _, h := range p.Hooks {
		lines = append(lines, hookLine(h))
	}
	return lines
}

// stageLine is one stage: its weight, its length, and what its checks need there.
func stageLine(r rollout.State, doc configs.Service, i int, weight configs.Weight, rps float64) string {
	s := r.Plan.Stages[i]
	line := fmt.Sprintf("stage %d of %d", i+1, len(r.Plan.Stages))
	if s.Name != "" {
		line += " (" + s.Name + ")"
	}
	line += fmt.Sprintf(": %s at %s", r.To, weight)
	if s.Duration > 0 {
		line += fmt.Sprintf(" for %s", s.Duration)
	}
	if s.Mirror > 0 {
		line += fmt.Sprintf(", copies of %s", s.Mirror)
	}
	if len(s.Match) > 0 {
		line += ", chosen users"
	}
	if s.Approval != "" {
		line += fmt.Sprintf(", after approval of %d", max(1, r.Plan.Approvers))
	}
	for _, check := range s.Checks {
		line += "; " + check.String()
	}
	perSecond := rps * float64(weight) / float64(configs.Whole)
	most, took := uint64(0), time.Duration(0)
	for _, e := range policyOf(r, doc).Estimates(perSecond) {
		if e.Stage <= i && e.Pass > most {
			most, took = e.Pass, e.PassTime
		}
	}
	if most > 0 && weight > 0 {
		line += fmt.Sprintf("; its checks need %d requests of %s", most, r.To)
		if took > 0 {
			line += fmt.Sprintf(", %s at %.0f requests/s", took.Round(time.Second), rps)
		}
	}
	for _, h := range s.Hooks {
		line += "; " + hookLine(h)
	}
	if s.Pause {
		line += "; then a person goes on"
	}
	return line
}

func hookLine(h configs.Hook) string {
	return fmt.Sprintf("%s %s at %s: %s", cmp.Or(h.Mode, configs.HookGate), h.Name, cmp.Or(h.At, configs.HookEnd), h.URL)
}
