package api_test

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/zap/zapcore"

	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/api/apitest"
	"github.com/weirproxy/weir/control/diagnose"
	"github.com/weirproxy/weir/proxy/route"
)

const shop = `{
  "name": "shop",
  "routes": [{"host": "shop.example.com"}],
  "versions": {"blue": {"endpoints": ["127.0.0.1:9001"]}, "green": {"endpoints": ["127.0.0.1:9002"]}},
  "stable": "blue",
  "weights": {"blue": "100%"}
}`

const canary = `
service: shop
to: green
strategy: canary
stages:
  - {weight: 5%, duration: 5s}
  - {weight: 100%, duration: 5s}
`

// bench is an API over an in-memory Controller.
type bench struct {
	t       *testing.T
	control *apitest.Controller
	handler http.Handler
}

func newBench(t *testing.T, edits ...func(*api.Options)) *bench {
	t.Helper()
	c := apitest.New()
	o := api.Options{Control: c, Version: "v0.1.0", Level: diagnose.NewLevel(zapcore.InfoLevel), Node: &diagnose.Node{
		Name: "n1", Version: "v0.1.0", Config: map[string]string{"name": "n1"}, Control: c, Log: &diagnose.Ring{},
		Table: func() *route.Table { return nil }, Metrics: func(w io.Writer) { _, _ = io.WriteString(w, "up 1\n") },
	}}
	for _, edit := range edits {
		edit(&o)
	}
	return &bench{t, c, api.New(o)}
}

// withShop adds the service shop.
func withShop(t *testing.T, edits ...func(*api.Options)) *bench {
	t.Helper()
	b := newBench(t, edits...)
	b.want(http.StatusCreated, b.do("PUT", "/v1/services/shop", shop))
	return b
}

// withCanary adds the service shop and a rollout of it in force.
func withCanary(t *testing.T) *bench {
	t.Helper()
	b := withShop(t)
	b.want(http.StatusCreated, b.do("POST", "/v1/rollouts", canary))
	return b
}

// reply is a recorded answer.
type reply struct {
	status int
	header http.Header
	body   string
}

// do asks; headers are "Name: value".
func (b *bench) do(method, path, body string, headers ...string) reply {
	b.t.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1:9797"+path, strings.NewReader(body))
	if body == "" {
		r = httptest.NewRequest(method, "http://127.0.0.1:9797"+path, http.NoBody)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return reply{w.Code, maps.Clone(w.Header()), w.Body.String()}
}

// want checks a status and returns the answer's JSON.
func (b *bench) want(status int, r reply) map[string]any {
	b.t.Helper()
	if r.status != status {
		b.t.Fatalf("status is %d, want %d: %s", r.status, status, r.body)
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		b.t.Fatalf("the answer is not a JSON object: %v: %s", err, r.body)
	}
	return v
}

// wantProblem checks that an answer is a problem whose text holds all of texts.
func (b *bench) wantProblem(status int, r reply, texts ...string) api.Problem {
	b.t.Helper()
	if r.status != status {
		b.t.Fatalf("status is %d, want %d: %s", r.status, status, r.body)
	}
	if ct := r.header.Get("Content-Type"); ct != "application/problem+json" {
		b.t.Fatalf("Content-Type is %q, want a problem: %s", ct, r.body)
	}
	var p api.Problem
	d := json.NewDecoder(strings.NewReader(r.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		b.t.Fatalf("not a problem: %v: %s", err, r.body)
	}
	if p.Status != status || p.Title != http.StatusText(status) || p.Detail == "" {
		b.t.Fatalf("status, title and detail are not all there: %s", r.body)
	}
	for _, text := range texts {
		if !strings.Contains(p.Error(), text) && !strings.Contains(strings.Join(p.Allowed, " "), text) {
			b.t.Fatalf("%q is not in the problem: %s", text, r.body)
		}
	}
	return p
}

// lastCommand is the last that the Controller was asked for.
func lastCommand[T control.Command](b *bench) T {
	b.t.Helper()
	all := b.control.Commands()
	if len(all) == 0 {
		b.t.Fatal("no command was given")
	}
	cmd, ok := all[len(all)-1].(T)
	if !ok {
		b.t.Fatalf("the last command is %T", all[len(all)-1])
	}
	return cmd
}

func TestAPI_UnknownPathAndMethodAreProblems(t *testing.T) {
	b := newBench(t)
	b.wantProblem(404, b.do("GET", "/v2/services", ""), "/openapi.json")
	r := b.do("POST", "/v1/nodes", "{}")
	b.wantProblem(405, r, "does not take POST")
	if allow := r.header.Get("Allow"); !strings.Contains(allow, "GET") {
		t.Fatalf("Allow is %q", allow)
	}
	b.wantProblem(404, b.do("GET", "/v1/services/nope", ""), `no service "nope"`)
	b.wantProblem(404, b.do("GET", "/v1/rollouts/nope", ""))
	b.wantProblem(404, b.do("GET", "/v1/rollouts/nope/why", ""))
	b.wantProblem(404, b.do("POST", "/v1/rollouts/nope/abort", ""))
}

func TestAPI_BadQueryIsAProblemThatNamesIt(t *testing.T) {
	b := newBench(t)
	b.wantProblem(422, b.do("GET", "/v1/rollouts?phase=deploying", ""), "phase", "progressing")
	b.wantProblem(422, b.do("GET", "/v1/rollouts?limit=0", ""), "limit")
	b.wantProblem(422, b.do("GET", "/v1/rollouts?servce=shop", ""), "servce")
}

func TestAPI_EveryRefusalHasItsStatus(t *testing.T) {
	f := func(kind control.ErrorKind, status int) {
		t.Helper()
		b := withShop(t)
		b.control.Fault = &control.Error{Kind: kind, Text: "it is so", Hint: "do this", Problems: []string{"one", "two"}, Allowed: []string{"abort"}}
		p := b.wantProblem(status, b.do("DELETE", "/v1/services/shop", ""), "it is so", "do this", "one", "two", "abort")
		if len(p.Problems) != 2 || len(p.Allowed) != 1 || p.Hint != "do this" {
			t.Fatalf("the refusal lost something: %+v", p)
		}
	}
	f(control.Invalid, 422)
	f(control.NotFound, 404)
	f(control.Conflict, 409)
	f(control.Stale, 412)
	f(control.NotBuilt, 501)
	f(control.Unavailable, 503)
}

func TestAPI_AFaultIs500(t *testing.T) {
	b := withShop(t)
	b.control.Fault = io.ErrUnexpectedEOF
	b.wantProblem(500, b.do("DELETE", "/v1/services/shop", ""), "unexpected EOF")
}

func TestAPI_ProcessRoutes(t *testing.T) {
	ready := io.ErrClosedPipe
	var now = error(ready)
	b := withShop(t, func(o *api.Options) {
		o.Metrics = func(w io.Writer) { _, _ = io.WriteString(w, "weir_state_connected 1\n") }
		o.Ready = func() error { return now }
	})
	f := func(path string, status int, body string) {
		t.Helper()
		if r := b.do("GET", path, ""); r.status != status || r.body != body {
			t.Fatalf("%s: %d %q, want %d %q", path, r.status, r.body, status, body)
		}
	}
	f("/healthz", 200, "ok\n")
	f("/readyz", 503, ready.Error()+"\n")
	now = nil
	f("/readyz", 200, "ready\n")
	f("/metrics", 200, "weir_state_connected 1\n")
	f("/healthz?from=balancer", 200, "ok\n")

	v := b.want(200, b.do("GET", "/", ""))
	if v["node"] != "n1" || v["connected"] != true || v["links"].(map[string]any)["openapi"] != "/openapi.json" {
		t.Fatalf("the index says %v", v)
	}
}

func TestAPI_StatusServesThreePathsAndNoMore(t *testing.T) {
	b := newBench(t)
	b.handler = api.NewStatus(api.Options{Control: b.control, Metrics: func(w io.Writer) { _, _ = io.WriteString(w, "x 1\n") }})
	for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
		if r := b.do("GET", path, ""); r.status != 200 {
			t.Fatalf("%s: %d", path, r.status)
		}
	}
	b.wantProblem(404, b.do("GET", "/v1/services", ""))
	b.wantProblem(405, b.do("POST", "/metrics", ""))
}

// lagging shows the state from before a command for a while after it, as a node
// does that waits for its own watch.
type lagging struct {
	*apitest.Controller
	old   atomic.Pointer[control.View]
	looks atomic.Int64 // how often the old state is still shown
}

func (l *lagging) Do(ctx context.Context, cmd control.Command) (control.Reply, error) {
	l.old.Store(l.Controller.View())
	l.looks.Store(5)
	return l.Controller.Do(ctx, cmd)
}

func (l *lagging) View() *control.View {
	if l.looks.Add(-1) >= 0 {
		return l.old.Load()
	}
	return l.Controller.View()
}

func TestAPI_AClientReadsWhatItWrote(t *testing.T) {
	l := &lagging{Controller: apitest.New()}
	b := &bench{t, l.Controller, api.New(api.Options{Control: l})}
	b.want(http.StatusCreated, b.do("PUT", "/v1/services/shop", shop))
	b.want(http.StatusOK, b.do("GET", "/v1/services/shop", ""))
	id := b.want(http.StatusCreated, b.do("POST", "/v1/rollouts", canary))["id"].(string)
	b.want(http.StatusOK, b.do("GET", "/v1/rollouts/"+id, ""))
}
