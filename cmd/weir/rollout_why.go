package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/control/api"
)

func (c *cli) newRolloutWhyCommand() *cobra.Command {
	var export string
	cmd := &cobra.Command{
		Use:   "why ID|SERVICE",
		Short: "Explain what a rollout did, with the numbers",
		Long: `why says what happened to a rollout, when, and by whom, and gives for each rule
the requests, rates, limit and evidence of both versions, so that every decision
can be recomputed.

A rule is a limit plus a patience. A blatant break acts as soon as it is proven:
evidence grows while the candidate breaks the limit and stable does not, and acts
at its threshold. A marginal break acts after the patience, if the rate over it is
above the limit by more than luck. If stable breaks the same rule, weir holds.

--export writes what the node counted of both versions, so that ` + "`weir replay`" + ` can
judge it by other rules: the last two minutes by tick of 100 ms, the last six hours
by second, the last week by minute. A node keeps the counts and the evidence over
time of the rollouts in force and of the last 50 that ended, in memory: a restart
loses them.`,
		Example: `  weir rollout why shop
  weir rollout why shop -o json | jq .decision
  weir rollout why shop --export counts.csv`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			r, _, err := client.resolve(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if export != "" {
				return c.export(cmd.Context(), client, r.ID, export)
			}
			var why api.Why
			a, err := client.get(cmd.Context(), rolloutPath(r.ID)+"/why", &why)
			if err != nil {
				return err
			}
			return c.print(a, func(w io.Writer) error { return writeWhy(w, &why) })
		},
	}
	cmd.Flags().StringVar(&export, "export", "", "write the recorded counts to this file instead, - for the standard output")
	return cmd
}

// writeWhy is what a person on call reads: first what happened, then the
// numbers that decided it, then every rule, then the history.
func writeWhy(w io.Writer, why *api.Why) error {
	r := &why.Rollout
	fmt.Fprintf(w, "%s\n\n", strings.Replace(why.Text, ". ", ".\n", 1))
	if err := writeFacts(w, why); err != nil {
		return err
	}
	if d := why.Decision; d != nil && d.Rule != "" {
		fmt.Fprintf(w, "\n%s\n", decidedTitle(r))
		if err := writeDecision(w, r, d, conditionOf(why.Rules, d.Rule)); err != nil {
			return err
		}
		if a := why.Around; a != nil && a.From > 0 && ended(r) {
			fmt.Fprintln(w, "  "+aroundText(r, a))
		}
	}
	if len(why.Rules) > 0 {
		fmt.Fprintln(w, "\nRULES")
		if err := writeRules(w, r, why.Rules); err != nil {
			return err
		}
	}
	if err := writeEvidence(w, why.Evidence); err != nil {
		return err
	}
	for _, cut := range why.Cuts {
		fmt.Fprintf(w, "\nCUT\n  %s  node %s took %s to 0 ahead of the shared state, by %s\n", clock(cut.At), cut.Node, cut.Version, cut.Actor)
	}
	return writeHistory(w, why.History)
}

func decidedTitle(r *api.Rollout) string {
	if ended(r) {
		return "WHAT DECIDED IT"
	}
	return "WHAT WEIGHS MOST NOW"
}

func writeFacts(w io.Writer, why *api.Why) error {
	r := &why.Rollout
	t := newTable(w)
	t.row("  rollout", fmt.Sprintf("%s: %s of %s, %s -> %s", r.ID, r.Strategy, r.Service, r.From, r.To))
	t.row("  phase", phaseText(r))
	if r.Stages > 0 {
		t.row("  stage", stageLine(r))
	}
	t.row("  weights", weightsText(r.Weights))
	t.row("  started", startedText(r))
	t.row("  last change", fmt.Sprintf("%s, %s, by %s", clock(r.UpdatedAt), ago(r.UpdatedAt), why.Actor))
	t.row("  revision", fmt.Sprint(why.Revision))
	return t.end()
}

func conditionOf(rules []api.Rule, rule string) string {
	for _, r := range rules {
		if r.Rule == rule {
			return r.Condition
		}
	}
	return ""
}

// writeDecision shows one rule with all its numbers.
func writeDecision(w io.Writer, r *api.Rollout, d *api.Decision, condition string) error {
	t := newTable(w)
	rule := d.Rule
	if condition != "" {
		rule = condition + "  (" + rule + ")"
	}
	t.row("  rule", rule)
	t.row("  verdict", string(d.Verdict)+pathText(d.Path))
	t.row("  when", span(seconds(d.T))+" into the trial")
	if err := t.end(); err != nil {
		return err
	}
	if d.CandidateRequests+d.StableRequests == 0 {
		fmt.Fprintf(w, "  %s\n", d.Text)
		return nil
	}
	fmt.Fprintln(w)
	t = newTable(w, "  VERSION", "REQUESTS", "BAD", "RATE", "LIMIT", "AGAINST THE LIMIT")
	limit := percent(d.Limit)
	t.row("  "+r.To+" (candidate)", count(d.CandidateRequests), count(d.CandidateBad), percent(d.CandidateRate), limit, againstLimit(d.CandidateRate, d.Limit))
	t.row("  "+r.From+" (stable)", count(d.StableRequests), count(d.StableBad), percent(d.StableRate), limit, againstLimit(d.StableRate, d.Limit))
	if err := t.end(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, line := range remarks(r, d) {
		fmt.Fprintln(w, "  "+line)
	}
	return nil
}

// pathText says in words by which road a rule was found broken.
func pathText(p analysis.Path) string {
	switch p {
	case analysis.PathFast:
		return ", path fast: the evidence passed its threshold"
	case analysis.PathSlow:
		return ", path slow: the rate over the rule's patience is above the limit by more than luck"
	case analysis.PathLiteral:
		return ", path literal: the plain rate over the rule's patience is above the limit"
	case analysis.PathHealth:
		return ", path health: probes failed"
	case analysis.PathSmoke:
		return ", path smoke: smoke checks failed"
	case analysis.PathValue:
		return ", path value: every measurement over the rule's patience was beyond the limit"
	case analysis.PathFuse:
		return ", path fuse: the evidence of one node passed its threshold"
	}
	return ""
}

func againstLimit(rate, limit float64) string {
	switch {
	case limit == 0:
		return "-"
	case rate <= limit:
		return "within"
	case rate < 9.95*limit:
		return fmt.Sprintf("%.1fx over", rate/limit)
	}
	return fmt.Sprintf("%.0fx over", rate/limit)
}

// remarks say what the numbers mean.
func remarks(r *api.Rollout, d *api.Decision) []string {
	var lines []string
	if d.Threshold > 0 {
		line := fmt.Sprintf("evidence %s, threshold %s", analysis.Figures(d.Evidence), analysis.Figures(d.Threshold))
		if d.Evidence >= d.Threshold {
			line += fmt.Sprintf(": if %s kept the limit, luck alone would get this far in at most %s of rollouts", r.To, percent(1/d.Threshold))
		}
		lines = append(lines, line)
	}
	switch {
	case d.NoBaseline:
		lines = append(lines, r.From+" had too few requests to compare with: the bound on false rollbacks does not cover this stretch")
	case d.Verdict == analysis.Shared:
		lines = append(lines, r.From+" breaks the rule too, so "+r.To+" is not to blame: weir holds")
	case d.Verdict == analysis.Fail && d.StableRate <= d.Limit:
		lines = append(lines, r.From+" kept the limit in the same time: the fault is "+r.To+"'s own")
	}
	if d.CandidateCounted != d.CandidateBad || d.StableCounted != d.StableBad {
		lines = append(lines, fmt.Sprintf("as evidence count %s of %s's and %s of %s's bad requests: one per client bucket",
			count(d.CandidateCounted), r.To, count(d.StableCounted), r.From))
	}
	if d.Verdict == analysis.Inconclusive && d.Needed > d.Seen {
		lines = append(lines, fmt.Sprintf("it needs about %s more requests: %s of %s were seen", count(d.Needed-d.Seen), count(d.Seen), count(d.Needed)))
	}
	return lines
}

// writeRules shows all rules, one a line.
func writeRules(w io.Writer, r *api.Rollout, rules []api.Rule) error {
	t := newTable(w, "  RULE", "KIND", "STATE", strings.ToUpper(r.To), strings.ToUpper(r.From), "LIMIT", "EVIDENCE", "PATH").yield("PATH", "KIND", "LIMIT", "EVIDENCE")
	for _, rule := range rules {
		kind := "trigger"
		if rule.Check {
			kind = "check"
		}
		limit, evidence := "-", "-"
		if rule.Limit > 0 {
			limit = percent(rule.Limit)
		}
		if rule.Threshold > 0 {
			evidence = analysis.Figures(rule.Evidence) + " of " + analysis.Figures(rule.Threshold)
		}
		candidate := shareText(rule.CandidateBad, rule.CandidateRequests, rule.CandidateRate)
		stable := shareText(rule.StableBad, rule.StableRequests, rule.StableRate)
		if m := rule.Measured; m != nil {
			candidate, stable, limit = measuredText(rule.Condition, m)
		}
		t.row("  "+rule.Condition, kind, string(rule.State), candidate, stable, limit, evidence, orDash(string(rule.Path)))
	}
	return t.end()
}

// measuredText spells a measurement in the unit of its condition.
func measuredText(condition string, m *api.Measured) (candidate, stable, limit string) {
	c, err := analysis.ParseCondition(condition)
	if err != nil {
		c = analysis.Condition{Metric: analysis.Named} // of a newer release
	}
	stable = "-"
	if m.Stable != nil {
		stable = c.Amount(*m.Stable)
	}
	return c.Amount(m.Candidate), stable, c.Amount(m.Limit)
}

func shareText(bad, requests uint64, rate float64) string {
	if requests == 0 {
		return "-"
	}
	return fmt.Sprintf("%s of %s (%s)", count(bad), count(requests), percent(rate))
}

// historyReason is where a reason is cut in the history: what decided it stands
// in full above.
const historyReason = 80

func writeHistory(w io.Writer, history []api.Transition) error {
	if len(history) == 0 {
		return nil
	}
	fmt.Fprintln(w, "\nHISTORY")
	t := newTable(w)
	var before time.Time
	for _, h := range history {
		after := ""
		if !before.IsZero() {
			after = "+" + span(h.At.Sub(before))
		}
		before = h.At
		t.row("  "+clock(h.At), after, string(h.To), historyStage(&h), weightsText(h.Weights), h.Actor, shorten(h.Reason, historyReason))
	}
	return t.end()
}

func historyStage(h *api.Transition) string {
	if h.Stage < 0 || h.To.Final() {
		return "-"
	}
	return fmt.Sprintf("stage %d", h.Stage+1)
}
