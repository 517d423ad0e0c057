package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

func description(t *testing.T) map[string]any {
	t.Helper()
	b := newBench(t)
	r := b.do("GET", "/openapi.json", "")
	if ct := r.header.Get("Content-Type"); ct != "application/openapi+json" {
		t.Fatalf("Content-Type is %q", ct)
	}
	return b.want(200, r)
}

// operations are all operations of a description as "METHOD path".
func operations(spec map[string]any) map[string]map[string]any {
	all := map[string]map[string]any{}
	for path, item := range spec["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			all[strings.ToUpper(method)+" "+path] = op.(map[string]any)
		}
	}
	return all
}

func TestOpenAPI_IsTheGoldenOne(t *testing.T) {
	got, err := json.MarshalIndent(description(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const golden = "testdata/openapi.json"
	if *rewrite {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatal("the description changed: people script against it. If it should, run `go test ./control/api -rewrite` and review the difference")
	}
}

func TestOpenAPI_HasEveryRoute(t *testing.T) {
	want := strings.Split(strings.TrimSpace(`
GET /
GET /healthz
GET /metrics
GET /readyz
GET /v1/audit
GET /v1/events
GET /v1/advice
GET /v1/applications
GET /v1/applications/{application}/tasks
GET /v1/deployments
POST /v1/deployments
POST /v1/forwarded
GET /v1/releases
DELETE /v1/releases/{application}/{version}
GET /v1/releases/{application}/{version}
PUT /v1/releases/{application}/{version}
GET /v1/releases/{application}/{version}/changelog
GET /v1/migrations
DELETE /v1/migrations/{application}/{environment}/{name}
GET /v1/migrations/{application}/{environment}/{name}
PUT /v1/migrations/{application}/{environment}/{name}
DELETE /v1/flags/{name}
GET /v1/flags
GET /v1/flags/{name}
GET /v1/flags/{name}/weights
PUT /v1/flags/{name}/weights
PUT /v1/flags/{name}
POST /v1/flags/{name}/evaluate
POST /v1/flags/{name}/kill
POST /v1/flags/{name}/restore
DELETE /v1/freezes/{name}
GET /v1/freezes
GET /v1/freezes/{name}
PUT /v1/freezes/{name}
GET /v1/keys
POST /v1/keys/rotate
GET /v1/log
PUT /v1/log
POST /v1/debug
GET /debug/pprof/
GET /debug/pprof/allocs
GET /debug/pprof/goroutine
GET /debug/pprof/heap
GET /debug/pprof/profile
GET /debug/pprof/trace
GET /v1/nodes
GET /v1/notifiers
GET /v1/outbox
DELETE /v1/notifiers/{name}
GET /v1/notifiers/{name}
PUT /v1/notifiers/{name}
POST /v1/notifiers/{name}/test
POST /v1/outbox/resend
POST /v1/outbox/{id}/resend
GET /v1/rollouts
POST /v1/rollouts
GET /v1/rollouts/{id}
GET /v1/rollouts/{id}/why
GET /v1/rollouts/{id}/counts
POST /v1/rollouts/{id}/abort
POST /v1/rollouts/{id}/approve
POST /v1/rollouts/{id}/override
POST /v1/rollouts/{id}/pause
POST /v1/rollouts/{id}/promote
POST /v1/rollouts/{id}/resume
POST /v1/rollouts/{id}/retry
POST /v1/rollouts/{id}/undo
GET /v1/services
DELETE /v1/services/{name}
GET /v1/services/{name}
PUT /v1/services/{name}
GET /v1/services/{name}/weights
GET /v1/state
PUT /v1/state
PUT /v1/services/{name}/weights`), "\n")
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(operations(description(t)))); !slices.Equal(got, want) {
		t.Fatalf("the routes are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestOpenAPI_IsValidAndDocumented(t *testing.T) {
	spec := description(t)
	if !strings.HasPrefix(spec["openapi"].(string), "3.1.") {
		t.Fatalf("it is OpenAPI %v", spec["openapi"])
	}
	ids := map[string]bool{}
	inPath := regexp.MustCompile(`\{([^}]+)\}`)
	for name, op := range operations(spec) {
		id, _ := op["operationId"].(string)
		if id == "" || ids[id] {
			t.Errorf("%s: operationId %q is empty or not its own", name, id)
		}
		ids[id] = true
		for _, field := range []string{"summary", "description"} {
			if text, _ := op[field].(string); text == "" {
				t.Errorf("%s has no %s", name, field)
			}
		}
		var declared, wanted []string
		parameters, _ := op["parameters"].([]any)
		for _, p := range parameters {
			if p := p.(map[string]any); p["in"] == "path" {
				declared = append(declared, p["name"].(string))
			}
		}
		for _, m := range inPath.FindAllStringSubmatch(name, -1) {
			wanted = append(wanted, m[1])
		}
		if !slices.Equal(declared, wanted) {
			t.Errorf("%s: path parameters are %v, want %v", name, declared, wanted)
		}
		responses := op["responses"].(map[string]any)
		if _, ok := responses["default"].(map[string]any)["content"].(map[string]any)["application/problem+json"]; !ok {
			t.Errorf("%s does not document its problems", name)
		}
		if secured, open := op["security"] != nil, name == "GET /healthz" || name == "GET /readyz" || name == "POST /v1/forwarded"; secured == open {
			t.Errorf("%s: security is %v", name, op["security"])
		}
		if method, _, _ := strings.Cut(name, " "); (method == "PUT" || name == "POST /v1/rollouts") && op["requestBody"] == nil {
			t.Errorf("%s does not document its body", name)
		}
	}
	checkReferences(t, spec, spec)
}

// checkReferences follows every $ref.
func checkReferences(t *testing.T, spec map[string]any, v any) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			checkReferences(t, spec, item)
		}
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			var at any = spec
			for _, part := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
				at = at.(map[string]any)[part]
				if at == nil {
					t.Fatalf("%s leads nowhere", ref)
				}
			}
		}
		for _, item := range v {
			checkReferences(t, spec, item)
		}
	}
}

func TestOpenAPI_WeightsAndConditionsAreTexts(t *testing.T) {
	schemas := description(t)["components"].(map[string]any)["schemas"].(map[string]any)
	f := func(schema, field, want string) {
		t.Helper()
		s, ok := schemas[schema].(map[string]any)
		if !ok {
			t.Fatalf("there is no schema %s", schema)
		}
		if got := fmt.Sprint(s["properties"].(map[string]any)[field].(map[string]any)["type"]); got != want {
			t.Errorf("%s.%s is of type %s, want %s", schema, field, got, want)
		}
	}
	f("Version", "weight", "string")
	f("TriggerDocument", "condition", "string")
	f("StageDocument", "duration", "string")
	f("Rollout", "phase", "string")
}
