package main

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/rollout"
)

func TestWhy_RemarksSayWhatTheNumbersMean(t *testing.T) {
	r := &api.Rollout{From: "blue", To: "green"}
	f := func(d api.Decision, want ...string) {
		t.Helper()
		got := strings.Join(remarks(r, &d), "\n")
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%q is not in:\n%s", w, got)
			}
		}
		if len(want) == 0 && got != "" {
			t.Errorf("nothing is worth saying, and this was said:\n%s", got)
		}
	}
	f(api.Decision{Verdict: analysis.Pass})
	f(api.Decision{Verdict: analysis.Pass, Evidence: .5, Threshold: 400}, "evidence 0.5, threshold 400")
	f(api.Decision{Verdict: analysis.Fail, Evidence: 500, Threshold: 400, Limit: .01}, "in at most 0.25% of rollouts", "the fault is green's own")
	f(api.Decision{Verdict: analysis.Fail, NoBaseline: true}, "blue had too few requests", "does not cover")
	f(api.Decision{Verdict: analysis.Shared, StableRate: .2, Limit: .01}, "green is not to blame: weir holds")
	f(api.Decision{Verdict: analysis.Inconclusive, Needed: 3000, Seen: 1200}, "about 1,800 more requests: 1,200 of 3,000")
	f(api.Decision{Verdict: analysis.Pass, CandidateBad: 9, CandidateCounted: 2}, "2 of green's and 0 of blue's")
}

func TestWhy_AHealthDecisionHasNoTable(t *testing.T) {
	var out strings.Builder
	why := &api.Why{
		Text:    "weir put all traffic of shop back on blue.",
		Rollout: api.Rollout{ID: "shop-1", Service: "shop", From: "blue", To: "green", Phase: rollout.RolledBack},
		Decision: &api.Decision{Verdict: analysis.Fail, Rule: "health", Path: analysis.PathHealth, T: 12,
			Text: "green has had no healthy endpoint for 5s."},
	}
	if err := writeWhy(&out, why); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"rule     health\n", "path health: probes failed", "12s into the trial", "green has had no healthy endpoint for 5s."} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, out.String())
		}
	}
	for _, not := range []string{"AGAINST THE LIMIT", "HISTORY", "RULES"} {
		if strings.Contains(out.String(), not) {
			t.Errorf("%q is in:\n%s", not, out.String())
		}
	}
}
