package main

import (
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
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

func TestWatch_PrintsEachTransitionOnceAndEachNewStand(t *testing.T) {
	var out strings.Builder
	w := &watcher{c: &cli{out: &out}}
	at := time.Date(2026, 1, 5, 14, 2, 10, 0, time.UTC)
	r := &api.Rollout{
		From: "blue", To: "green", Phase: rollout.Progressing, Stages: 2, InForce: true, StageElapsed: 1, StageLength: 60,
		Weights: map[string]configs.Weight{"blue": 9500, "green": 500},
		History: []api.Transition{{At: at, To: rollout.Progressing, Reason: "started by ana"}},
	}
	for range 3 {
		w.show(r)
		r.StageElapsed++ // time alone is not worth a line
	}
	r.WaitingFor = rollout.WaitEvidence
	w.show(r)
	r.Phase = rollout.Paused
	r.History = append(r.History, api.Transition{At: at, To: rollout.Paused, Reason: "paused by ana"})
	w.show(r)
	for text, want := range map[string]int{
		"started by ana": 1, "paused by ana": 1, "stage 1/2, 1s of 1m": 1, "waiting for evidence": 2, "stage 1/2": 3,
	} {
		if got := strings.Count(out.String(), text); got != want {
			t.Errorf("%q is there %d times, want %d:\n%s", text, got, want, out.String())
		}
	}
}
