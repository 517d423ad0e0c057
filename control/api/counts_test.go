package api_test

import (
	"encoding/csv"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/analysis/replay"
	"github.com/weirproxy/weir/control"
)

// recording is what a node kept of a rollout to green, half of whose answers are
// errors in the seventh second.
func recording() *control.Recording {
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

func TestCounts_AreCSV(t *testing.T) {
	b := withShop(t)
	b.wantProblem(http.StatusNotFound, b.do("GET", "/v1/rollouts/shop-9/counts", ""), "no rollout")
	b.control.AddRollout(broken())
	id := broken().ID
	b.wantProblem(http.StatusNotFound, b.do("GET", "/v1/rollouts/"+id+"/counts", ""), "keeps no counts", "last 50")
	b.control.Recordings = map[string]*control.Recording{id: recording()}
	r := b.do("GET", "/v1/rollouts/"+id+"/counts", "")
	if r.status != http.StatusOK || r.header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Fatalf("%d %v", r.status, r.header)
	}
	rows := csv.NewReader(strings.NewReader(r.body))
	rows.Comment = '#'
	all, err := rows.ReadAll()
	if err != nil || len(all) != 21 || strings.Join(all[20], ",") != "10,green,20,0" {
		t.Fatalf("%v %v", err, all)
	}
}

func TestWhy_ShowsEvidenceOverTime(t *testing.T) {
	b := withShop(t)
	b.control.AddRollout(broken())
	id := broken().ID
	why := b.want(http.StatusOK, b.do("GET", "/v1/rollouts/"+id+"/why", ""))
	if e := why["evidence"].([]any); len(e) != 0 || why["around"] != nil {
		t.Fatalf("evidence of nothing: %v %v", e, why["around"])
	}
	b.control.Recordings = map[string]*control.Recording{id: recording()}
	why = b.want(http.StatusOK, b.do("GET", "/v1/rollouts/"+id+"/why", ""))
	series := why["evidence"].([]any)
	if len(series) != 1 {
		t.Fatalf("rules that are not counted have evidence: %v", series)
	}
	e := series[0].(map[string]any)
	if points := e["points"].([]any); e["crossed_at"] != 7. || e["threshold"] != 133. || e["condition"] != "error_rate > 1%" || len(points) != 10 {
		t.Errorf("%v", e)
	}
	around, ok := why["around"].(map[string]any)
	if !ok || around["candidate_bad"] != 10. || around["candidate_requests"] != 140. || around["stable_requests"] != 1260. || around["stable_rate"] != 0. {
		t.Errorf("%v", around)
	}
}
