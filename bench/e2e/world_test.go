//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// labOf is set once by TestMain, before any test.
var labOf *lab.Lab

func TestMain(m *testing.M) {
	l, err := lab.New(os.Getenv("WEIR_BIN"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	labOf = l
	code := m.Run()
	if code != 0 {
		fmt.Fprintf(os.Stderr, "the logs are in %s\n", l.Dir)
	}
	if err := l.Close(code != 0); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// world is a service `shop` with two versions behind one node.
type world struct {
	t     *testing.T
	etcd  *lab.Etcd // nil: embedded
	node  *lab.Node
	api   *lab.API
	blue  *lab.Origin
	green *lab.Origin
}

// options are what a test wants of its world.
type options struct {
	external bool
	sticky   string // a line of the service document
	tokens   string
	token    string
}

func newWorld(t *testing.T, o options) *world {
	t.Helper()
	w := &world{t: t}
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(strings.TrimPrefix(t.Name(), "Test")))
	var err error
	if o.external {
		w.etcd, err = labOf.Etcd(name + "-etcd")
		w.check(err)
		t.Cleanup(func() { w.check(w.etcd.Close()); w.etcd.Kill() })
	}
	w.blue, err = labOf.Origin("blue", 0)
	w.check(err)
	t.Cleanup(func() { w.blue.Kill() })
	w.green, err = labOf.Origin("green", 0)
	w.check(err)
	t.Cleanup(func() { w.green.Kill() })
	w.node, err = labOf.Node(lab.NodeOptions{Name: name, Etcd: w.etcd, Tokens: o.tokens, Token: o.token})
	w.check(err)
	w.api = w.node.API
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of %s:\n%s", w.node.Log, w.node.Tail(30))
		}
		w.node.Kill()
		w.api.Close()
	})
	w.check(w.api.Apply("shop", w.document(o.sticky)))
	return w
}

// document is the service as an operator writes it.
func (w *world) document(more string) lab.Document {
	return lab.Document(fmt.Sprintf(`kind: Service
name: shop
routes: [{path: /}]
versions:
  blue: {endpoints: [%q], revision: v1}
  green: {endpoints: [%q], revision: v2}
stable: blue
health: {path: /healthz, interval: 500ms}
%s
`, w.blue.Address, w.green.Address, more))
}

// quickCanary is the rollout in seconds that ships as an example.
func quickCanary(t *testing.T) lab.Document {
	t.Helper()
	data, err := os.ReadFile("../../configs/examples/quick-canary.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return lab.Document(data)
}

// canary is a rollout with the stages given, and the triggers of quickCanary.
func canary(stages ...string) lab.Document {
	return lab.Document(fmt.Sprintf(`kind: Rollout
service: shop
to: green
strategy: canary
stages:
  - %s
rollback:
  triggers:
    - {condition: error_rate > 1%%, duration: 10s}
    - {condition: latency_p99 > 200ms, duration: 10s}
    - {condition: health_check == failing, count: 3}
`, strings.Join(stages, "\n  - ")))
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// load is the traffic of many users.
func (w *world) load() lab.Load { return lab.Load{Address: w.node.Clients, Users: 5000} }

func (w *world) begin(plan lab.Document) string {
	w.t.Helper()
	id, err := w.api.Begin(plan)
	w.check(err)
	return id
}

func (w *world) await(id, phase string, patience time.Duration) lab.Rollout {
	w.t.Helper()
	r, err := w.api.AwaitPhase(id, phase, patience)
	w.check(err)
	return r
}

// awaitStage waits until a rollout is in a stage, counted from 0.
func (w *world) awaitStage(id string, stage int, patience time.Duration) lab.Rollout {
	w.t.Helper()
	r, err := w.api.AwaitRollout(id, fmt.Sprintf("in stage %d", stage), patience,
		func(r *lab.Rollout) bool { return r.Stage >= stage && r.Phase == "progressing" })
	w.check(err)
	return r
}

func (w *world) fail(o *lab.Origin, fault string) time.Time {
	w.t.Helper()
	s, err := o.Fail(fault)
	w.check(err)
	return s.NowAt()
}

func (w *world) stats(o *lab.Origin) lab.OriginStats {
	w.t.Helper()
	s, err := o.Stats()
	w.check(err)
	return s
}

// stored is a value in the external etcd.
func (w *world) stored(key string) map[string]any {
	w.t.Helper()
	data, err := w.etcd.Get("/weir/default/" + key)
	w.check(err)
	var value map[string]any
	if len(data) > 0 {
		w.check(json.Unmarshal(data, &value))
	}
	return value
}

// unharmed fails the test if a user saw a failure.
func (w *world) unharmed(shots lab.Shots) {
	w.t.Helper()
	w.t.Logf("traffic: %s", shots)
	if n := shots.Failed(); n > 0 {
		w.t.Errorf("%d of %d requests failed for their users", n, len(shots))
	}
}

// only fails the test unless a version alone answered.
func (w *world) only(version string, shots lab.Shots) {
	w.t.Helper()
	if len(shots) == 0 {
		w.t.Errorf("no requests to judge by")
	}
	if others := len(shots) - shots.To(version); others > 0 {
		w.t.Errorf("%d of %d requests were not answered by %s: %s", others, len(shots), version, shots)
	}
}

// holds fails the test unless text holds every part.
func (w *world) holds(text string, parts ...string) {
	w.t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			w.t.Errorf("%q is missing in:\n%s", part, text)
		}
	}
}
