package api_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/api/apitest"
	"github.com/weirproxy/weir/control/rollout"
)

func TestRollout_HasTheFieldsThatPeopleScriptAgainst(t *testing.T) {
	b := withCanary(t)
	v := b.want(200, b.do("GET", "/v1/rollouts/shop-1", ""))
	for _, name := range strings.Fields("id service strategy from to phase stage weights started_at updated_at verdict reason waiting_for") {
		if _, ok := v[name]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
	if v["weights"].(map[string]any)["green"] != "5%" || v["phase"] != "progressing" || v["stage"] != 0.0 || v["verdict"] != "" || v["waiting_for"] != "" {
		t.Fatalf("the rollout is %v", v)
	}
	if v["in_force"] != true || v["elapsed_seconds"] != 3.0 || v["stage_duration_seconds"] != 5.0 || v["stages"] != 2.0 {
		t.Fatalf("the rollout is %v", v)
	}
	if len(v["history"].([]any)) != 1 || v["plan"].(map[string]any)["strategy"] != "canary" {
		t.Fatalf("the rollout is %v", v)
	}
}

func TestRollout_Start(t *testing.T) {
	b := withShop(t)
	r := b.do("POST", "/v1/rollouts", canary, "Content-Type: application/yaml", "X-Weir-Actor: ana")
	if b.want(201, r)["id"] != "shop-1" || r.header.Get("Location") != "/v1/rollouts/shop-1" {
		t.Fatalf("%s, Location %q", r.body, r.header.Get("Location"))
	}
	if cmd := lastCommand[control.StartRollout](b); cmd.Actor != "ana" || len(cmd.Plan.Stages) != 2 {
		t.Fatalf("the command is %+v", cmd)
	}
	b.wantProblem(409, b.do("POST", "/v1/rollouts", canary), "in force", "abort")
	b.wantProblem(404, b.do("POST", "/v1/rollouts", strings.Replace(canary, "shop", "cart", 1)))
	b.wantProblem(422, b.do("POST", "/v1/rollouts", `{"service": "shop", "to": "green", "strategy": "canry"}`), "canry", "canary")
	b.wantProblem(501, func() reply {
		b := withShop(t)
		return b.do("POST", "/v1/rollouts", `{"service": "shop", "to": "green", "strategy": "all-at-once"}`)
	}(), "not built yet")
}

// Without tokens different people are different names, and the start says so.
func TestRollout_SaysThatNobodyProvesWhoApproves(t *testing.T) {
	warned := func(plan string) bool {
		t.Helper()
		b := withShop(t)
		return strings.Contains(b.do("POST", "/v1/rollouts?dry_run=true", plan, "Content-Type: application/yaml").body, "no tokens are in use")
	}
	if !warned(canary + "approval: manual\napprovers: 2\n") {
		t.Error("two approvers without tokens are no word worth")
	}
	if warned(canary + "approval: manual\n") {
		t.Error("one approver is warned of")
	}
}

func TestRollout_ListFiltersNewestFirst(t *testing.T) {
	b := withCanary(t)
	b.want(200, b.do("POST", "/v1/rollouts/shop-1/abort", ""))
	b.want(201, b.do("POST", "/v1/rollouts", canary))
	f := func(query string, want ...string) {
		t.Helper()
		var list []api.Rollout
		r := b.do("GET", "/v1/rollouts"+query, "")
		if err := json.Unmarshal([]byte(r.body), &list); err != nil {
			t.Fatalf("%v: %s", err, r.body)
		}
		var ids []string
		for _, one := range list {
			ids = append(ids, one.ID)
		}
		if !slices.Equal(ids, want) {
			t.Fatalf("%s lists %v, want %v", query, ids, want)
		}
	}
	f("", "shop-2", "shop-1")
	f("?phase=aborted", "shop-1")
	f("?service=shop&limit=1", "shop-2")
	f("?service=cart")
	if r := b.do("GET", "/v1/rollouts?service=cart", ""); strings.TrimSpace(r.body) != "[]" {
		t.Fatalf("an empty list is %s", r.body)
	}
}

func TestRollout_VerbsBecomeCommands(t *testing.T) {
	f := func(verb, body string, want control.Act) {
		t.Helper()
		b := withCanary(t)
		if verb == "resume" {
			b.want(200, b.do("POST", "/v1/rollouts/shop-1/pause", ""))
		}
		b.want(200, b.do("POST", "/v1/rollouts/shop-1/"+verb, body, "X-Weir-Actor: ana"))
		want.ID, want.Verb, want.Actor = "shop-1", verb, "ana"
		if cmd := lastCommand[control.Act](b); cmd != want {
			t.Fatalf("the command is %+v, want %+v", cmd, want)
		}
	}
	f("pause", "", control.Act{})
	f("resume", "{}", control.Act{})
	f("promote", `{"full": true}`, control.Act{Full: true})
	f("abort", `{"reason": "checkout is slow"}`, control.Act{Reason: "checkout is slow"})
	f("undo", "", control.Act{})
}

func TestRollout_VerbsThatDoNotFitNameThoseThatDo(t *testing.T) {
	b := withCanary(t)
	p := b.wantProblem(409, b.do("POST", "/v1/rollouts/shop-1/resume", ""))
	if !slices.Contains(p.Allowed, "pause") || !slices.Contains(p.Allowed, "abort") {
		t.Fatalf("allowed is %v", p.Allowed)
	}
	b.wantProblem(501, b.do("POST", "/v1/rollouts/shop-1/approve", ""), "not built yet")
	b.wantProblem(422, b.do("POST", "/v1/rollouts/shop-1/pause", `{"full": true}`), "promote")
	b.wantProblem(422, b.do("POST", "/v1/rollouts/shop-1/pause", `{"resaon": "x"}`), "resaon")
	b.wantProblem(422, b.do("POST", "/v1/rollouts/shop-1/abort", `{"reason": "`+strings.Repeat("x", 501)+`"}`), "501")
	b.wantProblem(404, b.do("POST", "/v1/rollouts/shop-1/destroy", ""))
}

func TestRollout_IfMatchHoldsForAllVerbsButAbort(t *testing.T) {
	b := withCanary(t)
	b.wantProblem(412, b.do("POST", "/v1/rollouts/shop-1/pause", "", `If-Match: "1"`))
	tag := b.do("GET", "/v1/rollouts/shop-1", "").header.Get("ETag")
	b.want(200, b.do("POST", "/v1/rollouts/shop-1/pause", "", "If-Match: "+tag))
	b.wantProblem(412, b.do("POST", "/v1/rollouts/shop-1/resume", "", "If-Match: "+tag))
	b.want(200, b.do("POST", "/v1/rollouts/shop-1/abort", "", "If-Match: "+tag))
}

func TestWhy_HasEveryNumberOfTheDecision(t *testing.T) {
	b := withShop(t)
	b.control.AddRollout(apitest.Broken())
	b.control.Change(func(v *control.View, _ int64) {
		health := analysis.RuleReport{State: analysis.StateHolding, Verdict: analysis.Verdict{Kind: analysis.Pass, Rule: "trigger-2"}}
		health.Condition.Metric = analysis.HealthCheck
		rate := analysis.RuleReport{State: analysis.StateFail, Verdict: v.Rollouts[0].Verdict, Condition: analysis.Condition{Metric: analysis.ErrorRate, Rate: 10_000}}
		v.Rollouts[0].Rules = []analysis.RuleReport{health, rate}
		v.Rollouts[0].Cuts = []rollout.Cut{{Node: "n1", Version: "green", Reason: "broken"}}
	})
	r := b.do("GET", "/v1/rollouts/shop-7/why", "")
	b.want(200, r)
	var w api.Why
	if err := json.Unmarshal([]byte(r.body), &w); err != nil {
		t.Fatal(err)
	}
	want := api.Decision{
		Verdict: analysis.Fail, Rule: "trigger-1", Path: analysis.PathFast, Action: "rollback", T: 7.3,
		CandidateRequests: 412, CandidateBad: 201, CandidateCounted: 198, CandidateRate: 201. / 412,
		StableRequests: 7813, StableBad: 4, StableCounted: 4, StableRate: 4. / 7813,
		Limit: .01, Evidence: 1.9e5, Threshold: 133, Text: apitest.Broken().Verdict.Text,
	}
	if w.Decision == nil || *w.Decision != want {
		t.Fatalf("the decision is %+v, want %+v", w.Decision, want)
	}
	if w.Rules[0].Rule != "trigger-1" || w.Rules[0].Condition != "error_rate > 1%" || w.Rules[1].Rule != "trigger-2" {
		t.Fatalf("the deciding rule is not first: %+v", w.Rules)
	}
	if w.Actor != "weir" || w.History[0].Actor != "ana" || w.History[1].Decision == nil || w.Cuts[0].Actor != "weir" {
		t.Fatalf("who did it is lost: %+v", w)
	}
	if w.Revision == 0 || w.Rollout.ID != "shop-7" || w.Rollout.Verdict != analysis.Fail {
		t.Fatalf("the rollout is %+v", w.Rollout)
	}
	for _, text := range []string{"put all traffic of shop back on blue", "201 of 412"} {
		if !strings.Contains(w.Text, text) {
			t.Errorf("%q is not in %q", text, w.Text)
		}
	}
}

func TestWhy_TellsEveryPhase(t *testing.T) {
	f := func(phase rollout.Phase, text string) {
		t.Helper()
		b := withShop(t)
		s := apitest.Broken()
		s.Phase, s.Verdict, s.Reason, s.Weights = phase, nil, "Because of this", map[string]configs.Weight{"blue": 9500, "green": 500}
		b.control.AddRollout(s)
		v := b.want(200, b.do("GET", "/v1/rollouts/shop-7/why", ""))
		if got := v["text"].(string); !strings.Contains(got, text) || !strings.HasSuffix(got, "Because of this.") {
			t.Fatalf("%s: %q", phase, got)
		}
	}
	f(rollout.Queued, "no traffic yet")
	f(rollout.Pending, "no traffic yet")
	f(rollout.Progressing, "green has 5% of shop")
	f(rollout.Paused, "paused with green at 5%")
	f(rollout.Baking, "before it becomes stable")
	f(rollout.Succeeded, "green became the stable version")
	f(rollout.RolledBack, "back on blue")
	f(rollout.Aborted, "A person put all traffic")
	f(rollout.Failed, "never got user traffic")
	f(rollout.Superseded, "took the place")
}

func TestFleet_NodesAndAudit(t *testing.T) {
	b := withShop(t)
	r := b.do("GET", "/v1/nodes", "")
	if !strings.Contains(r.body, `"name":"n1"`) || !strings.Contains(r.body, `"refused":{}`) {
		t.Fatalf("the nodes are %s", r.body)
	}
	b.want(200, b.do("PUT", "/v1/services/shop", shop, "X-Weir-Actor: ana\x07 b"))
	var list []api.Audit
	if err := json.Unmarshal([]byte(b.do("GET", "/v1/audit?limit=1", "").body), &list); err != nil || len(list) != 1 {
		t.Fatalf("%v: %v", list, err)
	}
	if list[0].Actor != "ana b" || list[0].Object != "services/shop" {
		t.Fatalf("the entry is %+v", list[0])
	}
}

func TestRollout_IsFoundByTheNameOfItsService(t *testing.T) {
	b := withCanary(t)
	id := func(path string) any { return b.want(http.StatusOK, b.do("GET", path, ""))["id"] }
	first := id("/v1/rollouts/shop")
	if first == "" || first != id("/v1/rollouts/"+first.(string)) || b.do("GET", "/v1/rollouts/shop/why", "").status != http.StatusOK {
		t.Fatalf("the rollout of shop is %v", first)
	}
	b.want(http.StatusOK, b.do("POST", "/v1/rollouts/shop/abort", ""))
	if cmd := lastCommand[control.Act](b); cmd.ID != first {
		t.Errorf("aborted %q, not %q", cmd.ID, first)
	}
	if got := id("/v1/rollouts/shop"); got != first {
		t.Errorf("with none in force the newest is %v", got)
	}
	// One that is over may be so because this node lags: it looks once more.
	b.control.Behind = errors.New("etcd is gone")
	if r := b.do("POST", "/v1/rollouts/shop/undo", ""); r.status < 500 {
		t.Errorf("undone without a look: %d %s", r.status, r.body)
	}
	b.control.Behind = nil
	b.want(http.StatusCreated, b.do("POST", "/v1/rollouts", canary))
	second := id("/v1/rollouts/shop")
	b.control.Behind = errors.New("etcd is gone")
	b.want(http.StatusOK, b.do("POST", "/v1/rollouts/shop/abort", ""))
	if cmd := lastCommand[control.Act](b); cmd.ID != second || second == first {
		t.Errorf("aborted %q, not %q", cmd.ID, second)
	}
	b.wantProblem(http.StatusNotFound, b.do("GET", "/v1/rollouts/other", ""), "nor one of a service of that name")
}
