package api_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
)

func TestService_PutCreatesThenReplaces(t *testing.T) {
	b := newBench(t)
	r := b.do("PUT", "/v1/services/shop", shop, "X-Weir-Actor: ana")
	if b.want(201, r)["created"] != true {
		t.Fatalf("not created: %s", r.body)
	}
	if r.header.Get("Location") != "/v1/services/shop" || r.header.Get("ETag") != `"11"` {
		t.Fatalf("Location %q, ETag %q", r.header.Get("Location"), r.header.Get("ETag"))
	}
	if cmd := lastCommand[control.ApplyService](b); cmd.Actor != "ana" || cmd.IfMatch != 0 || cmd.Document.Stable != "blue" {
		t.Fatalf("the command is %+v", cmd)
	}
	b.want(200, b.do("PUT", "/v1/services/shop?reset_weights=true", shop))
	if cmd := lastCommand[control.ApplyService](b); !cmd.ResetWeights || cmd.DryRun {
		t.Fatalf("the command is %+v", cmd)
	}
	changes := b.want(200, b.do("PUT", "/v1/services/shop?dry_run=true", shop))
	if cmd := lastCommand[control.ApplyService](b); !cmd.DryRun {
		t.Fatalf("the command is %+v", cmd)
	}
	if len(changes["changes"].([]any)) != 1 || changes["revision"] != 0.0 {
		t.Fatalf("the dry run says %v", changes)
	}
}

func TestService_PutTakesYAMLAndKind(t *testing.T) {
	b := newBench(t)
	yaml := "kind: Service\nname: shop\nroutes: [{path: /}]\nversions: {blue: {endpoints: ['127.0.0.1:9001']}}\nstable: blue\n"
	b.want(201, b.do("PUT", "/v1/services/shop", yaml, "Content-Type: application/yaml"))
	b.want(200, b.do("PUT", "/v1/services/shop", yaml, "Content-Type: text/yaml; charset=utf-8"))
	b.wantProblem(415, b.do("PUT", "/v1/services/shop", yaml, "Content-Type: image/png"), "application/yaml")
	b.wantProblem(422, b.do("PUT", "/v1/services/shop", strings.Replace(yaml, "Service", "Rollout", 1)), "Service")
}

func TestService_PutListsAllProblemsAndChangesNothing(t *testing.T) {
	b := newBench(t)
	p := b.wantProblem(422, b.do("PUT", "/v1/services/shop", "name: shop\nstabel: blue\ntimeout: 15\nversions: {blue: {endpoints: [nope]}}\n"),
		"2:1: stabel", "timeout", "endpoints")
	if len(p.Problems) < 3 {
		t.Fatalf("only %d problems: %v", len(p.Problems), p.Problems)
	}
	if n := len(b.control.Commands()); n != 0 {
		t.Fatalf("%d commands reached the Controller", n)
	}
	b.wantProblem(422, b.do("PUT", "/v1/services/cart", shop), `of service "shop"`)
	b.wantProblem(400, b.do("PUT", "/v1/services/shop", ""), "body is required")
}

func TestService_GetShowsStateAndMeasurements(t *testing.T) {
	b := withShop(t)
	r := b.do("GET", "/v1/services/shop", "")
	v := b.want(200, r)
	if r.header.Get("ETag") != `"11"` {
		t.Fatalf("ETag is %q", r.header.Get("ETag"))
	}
	if v["stable"] != "blue" || v["weights"].(map[string]any)["blue"] != "100%" || v["document"].(map[string]any)["name"] != "shop" {
		t.Fatalf("the service is %v", v)
	}
	version := v["versions"].([]any)[0].(map[string]any)
	if version["name"] != "blue" || version["role"] != "stable" || version["weight"] != "100%" {
		t.Fatalf("the version is %v", version)
	}
	var list []any
	if err := json.Unmarshal([]byte(b.do("GET", "/v1/services", "").body), &list); err != nil || len(list) != 1 {
		t.Fatalf("the list is %v: %v", list, err)
	}
}

func TestService_GetPutRoundTrips(t *testing.T) {
	b := withShop(t)
	v := b.want(200, b.do("GET", "/v1/services/shop", ""))
	document, err := json.Marshal(v["document"])
	if err != nil {
		t.Fatal(err)
	}
	b.want(200, b.do("PUT", "/v1/services/shop", string(document)))
	again := b.want(200, b.do("GET", "/v1/services/shop", ""))
	second, _ := json.Marshal(again["document"])
	if string(second) != string(document) {
		t.Fatalf("the document changed:\n%s\n%s", document, second)
	}
}

func TestService_IfMatch(t *testing.T) {
	b := withShop(t)
	f := func(status int, header string) {
		t.Helper()
		before := b.want(200, b.do("GET", "/v1/services/shop", ""))["revision"]
		r := b.do("PUT", "/v1/services/shop", shop, header)
		if status == 200 {
			b.want(200, r)
			return
		}
		b.wantProblem(status, r)
		if after := b.want(200, b.do("GET", "/v1/services/shop", ""))["revision"]; after != before {
			t.Fatalf("a refused change moved the revision from %v to %v", before, after)
		}
	}
	f(200, `If-Match: "11"`)
	f(412, `If-Match: "11"`) // it is 12 now
	f(200, `If-Match: *`)
	f(412, `If-Match: W/"13"`)
	f(412, `If-Match: 13`)
	f(412, `If-Match: "0"`)
	f(412, `If-Match: "-1"`)
	f(412, `If-Match: "13", "14"`)
	f(412, `If-None-Match: *`)
	f(400, `If-None-Match: "13"`)
	b.wantProblem(412, b.do("PUT", "/v1/services/cart", strings.Replace(shop, "shop", "cart", 1), "If-Match: *"))
	b.want(201, b.do("PUT", "/v1/services/cart", strings.Replace(shop, `"shop"`, `"cart"`, 1), "If-None-Match: *"))
}

func TestService_Delete(t *testing.T) {
	b := withCanary(t)
	b.wantProblem(409, b.do("DELETE", "/v1/services/shop", ""), "shop-1")
	b.want(200, b.do("POST", "/v1/rollouts/shop-1/abort", ""))
	b.wantProblem(412, b.do("DELETE", "/v1/services/shop", "", `If-Match: "1"`))
	b.want(200, b.do("DELETE", "/v1/services/shop", ""))
	b.wantProblem(404, b.do("GET", "/v1/services/shop", ""))
}

func TestWeights_AreReadAndWrittenInOneForm(t *testing.T) {
	b := withShop(t)
	r := b.do("GET", "/v1/services/shop/weights", "")
	if strings.TrimSpace(r.body) != `{"blue":"100%"}` || r.header.Get("ETag") != `"11"` {
		t.Fatalf("%s, ETag %q", r.body, r.header.Get("ETag"))
	}
	put := b.do("PUT", "/v1/services/shop/weights", `{"blue":"90%","green":"10%"}`, `If-Match: "11"`)
	b.want(200, put)
	if cmd := lastCommand[control.SetWeights](b); cmd.IfMatch != 11 || cmd.Weights["green"] != 1000 || cmd.Actor != "local" {
		t.Fatalf("the command is %+v", cmd)
	}
	r = b.do("GET", "/v1/services/shop/weights", "")
	if strings.TrimSpace(r.body) != `{"blue":"90%","green":"10%"}` || r.header.Get("ETag") != put.header.Get("ETag") {
		t.Fatalf("%s, ETag %q", r.body, r.header.Get("ETag"))
	}
	b.wantProblem(412, b.do("PUT", "/v1/services/shop/weights", `{"blue":"100%"}`, `If-Match: "11"`))
	b.wantProblem(404, b.do("PUT", "/v1/services/cart/weights", `{"blue":"100%"}`))
}

func TestWeights_BadOnesAreRefused(t *testing.T) {
	b := withShop(t)
	f := func(body, text string) {
		t.Helper()
		b.wantProblem(422, b.do("PUT", "/v1/services/shop/weights", body), text)
	}
	f(`{"blue":"90%","green":"20%"}`, "110%")
	f(`{"blue":"90%","red":"10%"}`, `"red"`)
	f(`{"blue":"50%","blue":"50%"}`, "twice")
	f(`{"blue":90}`, "percentage in quotes")
	f(`{"blue":"90"}`, "blue")
	f(`{"blue":"100%"} {}`, "follows")
	f(`{"blue":"100%"`, "")
	f(`["blue"]`, "not a JSON object")
	f(`{"blue":{"weight":"100%"}}`, "percentage")
	f("blue: 100%", "not a JSON object")
}

func TestWeights_OfAPlanAreNotMovedByHand(t *testing.T) {
	b := withCanary(t)
	b.wantProblem(409, b.do("PUT", "/v1/services/shop/weights", `{"blue":"100%"}`), "plan", "abort")
}

func TestWeights_WaitApplied(t *testing.T) {
	b := withShop(t)
	b.want(200, b.do("PUT", "/v1/services/shop/weights?wait=applied", `{"blue":"90%","green":"10%"}`))
	b.control.Lag = errors.New("n2 is at revision 3")
	b.wantProblem(504, b.do("PUT", "/v1/services/shop/weights?wait=applied", `{"blue":"80%","green":"20%"}`), "n2 is at revision 3", "the change stands")
	b.wantProblem(422, b.do("PUT", "/v1/services/shop/weights?wait=forever", `{"blue":"100%"}`), "applied")
	s, _ := b.control.View().Service("shop")
	if s.State.Weights["green"] != configs.Weight(2000) {
		t.Fatalf("the weights are %v", s.State.Weights)
	}
}

func TestReads_AreAsConsistentAsTheyAreAskedToBe(t *testing.T) {
	b := withCanary(t)
	id := b.control.View().Rollouts[0].State.ID
	for _, path := range []string{"/v1/services/shop", "/v1/services/shop/weights", "/v1/rollouts/" + id} {
		b.control.Behind = nil
		b.want(200, b.do("GET", path+"?consistent=true", ""))
		b.control.Behind = &control.Error{Kind: control.Unavailable, Text: "the state cannot be reached"}
		b.wantProblem(503, b.do("GET", path+"?consistent=true", ""), "cannot be reached")
		b.want(200, b.do("GET", path, ""))
		b.wantProblem(422, b.do("GET", path+"?consistent=perhaps", ""), "consistent")
	}
	// Nor is anybody told that there is no such thing by a node that may not have heard of it.
	b.wantProblem(503, b.do("PUT", "/v1/services/new/weights", `{"blue":"100%"}`), "cannot be reached")
	b.wantProblem(503, b.do("POST", "/v1/rollouts/new/pause", ""), "cannot be reached")
}
