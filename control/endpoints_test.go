package control

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/health"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/upstream"
)

// probedShop is shop with probes that come once an hour.
func probedShop() configs.Service {
	doc := shop()
	doc.Health = &configs.Health{Path: "/healthz", Interval: configs.Duration(time.Hour)}
	return doc
}

func (b *bare) known() (n int) {
	b.opts.Endpoints.Range(func(*upstream.Endpoint) { n++ })
	return n
}

func TestEndpoints_RemovedOnesStayAway(t *testing.T) {
	b := newBare(t)
	state := rollout.NewService(shop(), shopTime())
	b.deliver(true, map[string]any{"services/shop": probedShop(), "state/shop": state})
	b.pass(time.Second)
	red := health.Target{Service: "shop", Version: "red", Address: "127.0.0.1:9003"}
	b.probed(health.Report{Target: red, Failures: 3, Reason: "refused"})
	if b.versionUp("shop", "red") || b.known() != 3 {
		t.Fatalf("red is up: %v; %d endpoints", b.versionUp("shop", "red"), b.known())
	}
	without := probedShop()
	delete(without.Versions, "red")
	b.deliver(false, map[string]any{"services/shop": without})
	b.pass(time.Second)
	b.probed(health.Report{Target: red, Failures: 4, Reason: "refused"}) // it was under way
	if b.known() != 2 || b.failingRounds("shop", "red") != 0 {
		t.Fatalf("%d endpoints are known, want 2", b.known())
	}
}

func TestEndpoints_AreUpOnceNobodyProbesThem(t *testing.T) {
	b := newBare(t)
	state := rollout.NewService(shop(), shopTime())
	b.deliver(true, map[string]any{"services/shop": probedShop(), "state/shop": state})
	b.pass(time.Second)
	b.probed(health.Report{Target: health.Target{Service: "shop", Version: "blue", Address: "127.0.0.1:9001"}, Failures: 3})
	if b.versionUp("shop", "blue") {
		t.Fatal("blue is up")
	}
	b.deliver(false, map[string]any{"services/shop": shop()})
	b.pass(time.Second)
	if !b.versionUp("shop", "blue") || b.failingRounds("shop", "blue") != 0 {
		t.Fatal("an endpoint that is probed no more stays down")
	}
}

// A document that does not compile keeps its last good route: its endpoints
// must be watched as before.
func TestEndpoints_OfALastGoodRouteAreProbedOn(t *testing.T) {
	b := newBare(t)
	state := rollout.NewService(shop(), shopTime())
	b.deliver(true, map[string]any{"services/shop": probedShop(), "state/shop": state})
	b.pass(time.Second)
	blue := health.Target{Service: "shop", Version: "blue", Address: "127.0.0.1:9001"}
	b.probed(health.Report{Target: blue, Failures: 3})
	broken := probedShop()
	broken.Versions = map[string]configs.Version{"blue": {Endpoints: []string{"nowhere"}}}
	b.deliver(false, map[string]any{"services/shop": broken})
	b.pass(time.Second)
	if b.refused["shop"] == "" {
		t.Fatal("the document compiles")
	}
	if _, ok := b.targets[blue]; !ok || b.versionUp("shop", "blue") {
		t.Fatalf("probed: %v, up: %v", ok, b.versionUp("shop", "blue"))
	}
}

func TestEndpoints_FailingRoundsWaitForEachEndpoint(t *testing.T) {
	b := newBare(t)
	doc := probedShop()
	doc.Versions["green"] = configs.Version{Endpoints: []string{"127.0.0.1:9002", "127.0.0.1:9004"}}
	b.deliver(true, map[string]any{"services/shop": doc, "state/shop": rollout.NewService(doc, shopTime())})
	b.pass(time.Second)
	f := func(address string, failures, want int) {
		t.Helper()
		b.probed(health.Report{Target: health.Target{Service: "shop", Version: "green", Address: address}, Failures: failures, Up: true})
		if got := b.failingRounds("shop", "green"); got != want {
			t.Errorf("%d rounds, want %d", got, want)
		}
	}
	f("127.0.0.1:9002", 5, 0)
	f("127.0.0.1:9004", 3, 3)
	f("127.0.0.1:9002", 0, 0)
}

func TestController_CandidateGetsNobodyBeforeAProbeWentWell(t *testing.T) {
	l := newLab(t)
	var up atomic.Bool
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !up.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer origin.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	address := strings.TrimPrefix(origin.URL, "http://")
	doc := shop()
	doc.Versions["green"] = configs.Version{Endpoints: []string{address, closed.Addr().String()}}
	delete(doc.Versions, "red")
	doc.Versions["blue"] = configs.Version{Endpoints: []string{strings.Replace(address, "127.0.0.1", "localhost", 1)}}
	doc.Health = &configs.Health{Path: "/", Interval: configs.Duration(100 * time.Millisecond), Fall: 100}
	l.do(ApplyService{Document: doc, Actor: "ana"})
	id := l.do(StartRollout{Plan: canary(stage(1000, time.Hour)), Actor: "ana"}).ID
	l.until("time passes", func() bool { return l.rollout(id).StageElapsed > 500*time.Millisecond })
	if r := l.rollout(id); r.State.Phase != rollout.Pending || r.State.WaitingFor != rollout.WaitHealth || l.picked("green") != 0 {
		t.Fatalf("before a good probe: %s, waiting for %q, green has %d buckets", r.State.Phase, r.State.WaitingFor, l.picked("green"))
	}
	up.Store(true)
	l.until("green has 10 %", func() bool { return l.picked("green") == 1000 })
}
