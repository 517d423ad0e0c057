package api_test

import (
	"encoding/csv"
	"net/http"
	"strings"
	"testing"

	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api/apitest"
)

func TestCounts_AreCSV(t *testing.T) {
	b := withShop(t)
	b.wantProblem(http.StatusNotFound, b.do("GET", "/v1/rollouts/shop-9/counts", ""), "no rollout")
	b.control.AddRollout(apitest.Broken())
	id := apitest.Broken().ID
	b.wantProblem(http.StatusNotFound, b.do("GET", "/v1/rollouts/"+id+"/counts", ""), "keeps no counts", "last 50")
	b.control.Recordings = map[string]*control.Recording{id: apitest.Recording()}
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
	b.control.AddRollout(apitest.Broken())
	id := apitest.Broken().ID
	why := b.want(http.StatusOK, b.do("GET", "/v1/rollouts/"+id+"/why", ""))
	if e := why["evidence"].([]any); len(e) != 0 || why["around"] != nil {
		t.Fatalf("evidence of nothing: %v %v", e, why["around"])
	}
	b.control.Recordings = map[string]*control.Recording{id: apitest.Recording()}
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
