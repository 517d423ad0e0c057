package apitest

import (
	"slices"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/analysis/replay"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/rollout"
)

// Broken is a rollout that the judge ended.
func Broken() rollout.State {
	at := time.Date(2026, 11, 23, 14, 2, 10, 0, time.UTC)
	v := analysis.Verdict{
		Kind: analysis.Fail, Rule: "trigger-1", Path: analysis.PathFast, Action: analysis.Rollback, At: 7300 * time.Millisecond,
		Stable: analysis.Counts{N: 7813, X: 4, Raw: 4}, Candidate: analysis.Counts{N: 412, X: 198, Raw: 201},
		StableRate: 4. / 7813, CandidateRate: 201. / 412, Limit: .01, Evidence: 1.9e5, Threshold: 133,
		Text: "error_rate > 1% is broken: 201 of 412 failed (48.8%) on the candidate, 4 of 7813 failed (0.0512%) on stable; evidence 190,000 of 133 needed.",
	}
	return rollout.State{
		ID: "shop-7", Service: "shop", Strategy: configs.StrategyCanary, From: "blue", To: "green", Candidates: []string{"green"},
		Phase: rollout.RolledBack, Stage: 1, Weights: map[string]configs.Weight{"blue": configs.Whole},
		StartedAt: at, UpdatedAt: at.Add(8 * time.Second), EndedAt: at.Add(8 * time.Second), Actor: "ana",
		Verdict: &v, Reason: v.Text,
		History: []rollout.Transition{
			{At: at, From: rollout.Pending, To: rollout.Progressing, Weights: map[string]configs.Weight{"blue": 9500, "green": 500}, Actor: "ana", Reason: "Started."},
			{At: at.Add(8 * time.Second), From: rollout.Progressing, To: rollout.RolledBack, Stage: 1, Weights: map[string]configs.Weight{"blue": configs.Whole}, Reason: v.Text, Verdict: &v},
		},
	}
}

// Recording is what a node kept of a rollout to green, half of whose answers are
// errors in the seventh second.
func Recording() *control.Recording {
	limit := analysis.Condition{Metric: analysis.ErrorRate, Rate: 10_000}
	r := &control.Recording{
		Rollout: "shop-1", From: "blue", Candidates: []string{"green"},
		Header: replay.Header{Marks: []replay.Mark{{Kind: replay.MarkStage}}},
		Evidence: []control.Evidence{
			{Version: "green", Rule: "trigger-1", Condition: limit, Threshold: 133, Crossed: 7 * time.Second},
			{Version: "green", Rule: "trigger-2", Condition: analysis.Condition{Metric: analysis.HealthCheck}},
		},
	}
	var rows []*replay.Row
	for i := range 10 {
		t := time.Duration(i+1) * time.Second
		green := &replay.Row{T: t, Version: "green", Requests: 20}
		point := control.EvidencePoint{T: t, Evidence: .5}
		if i == 6 {
			green.Errors, point.Evidence = replay.Bad{All: 10, Unique: 10}, 500
		}
		rows = append(rows, &replay.Row{T: t, Version: "blue", Requests: 180}, green)
		r.Evidence[0].Points = append(r.Evidence[0].Points, point)
	}
	r.Rows = slices.Values(rows)
	return r
}
