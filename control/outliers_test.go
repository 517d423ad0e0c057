package control

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/health"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/upstream"
)

// wide is shop whose blue has n endpoints.
func wide(n int) configs.Service {
	doc := shop()
	blue := configs.Version{}
	for i := range n {
		blue.Endpoints = append(blue.Endpoints, "127.0.0.1:"+string(rune('1'+i))+"000")
	}
	doc.Versions["blue"] = blue
	return doc
}

func (b *bare) serve(doc configs.Service) {
	b.t.Helper()
	b.deliver(true, map[string]any{"services/shop": doc, "state/shop": rollout.NewService(doc, shopTime())})
	b.pass(time.Second)
}

func (b *bare) pool(version string) *upstream.Pool { return b.compiled("shop", version).Pool }

// fail lets an endpoint fail n requests in a row.
func (b *bare) fail(version string, i, n int) {
	p := b.pool(version)
	for range n {
		p.Bad(p.Endpoints()[i])
	}
}

// states are those of a version's endpoints as the View shows them.
func (b *bare) states(version string) string {
	b.show(b.clock)
	s, _ := b.View().Service("shop")
	var states []string
	for _, v := range s.Versions {
		for _, e := range v.Endpoints {
			if v.Name == version {
				states = append(states, string(e.State))
			}
		}
	}
	return strings.Join(states, " ")
}

func TestOutliers_GoAndComeBackAtTheirTime(t *testing.T) {
	b := newBare(t)
	b.serve(wide(3))
	b.fail("blue", 1, 4)
	b.pass(lookEvery)
	if got := b.states("blue"); got != "up up up" {
		t.Fatalf("after 4 failures: %s", got)
	}
	b.fail("blue", 1, 1)
	b.pass(lookEvery)
	if got := b.states("blue"); got != "up ejected up" {
		t.Fatalf("after 5 failures: %s", got)
	}
	b.fail("blue", 2, 5) // one of three is out already, and 10 % are none more
	b.pass(lookEvery)
	b.pass(29 * time.Second)
	if got := b.states("blue"); got != "up ejected up" {
		t.Fatalf("before its time is over: %s", got)
	}
	b.pass(time.Second)
	if got := b.states("blue"); got != "up up up" {
		t.Fatalf("after its time: %s", got)
	}
	var metrics strings.Builder
	b.WriteMetrics(&metrics)
	if want := `weir_endpoint_ejections_total{service="shop",version="blue"} 1`; !strings.Contains(metrics.String(), want) {
		t.Errorf("metrics lack %s", want)
	}
}

func TestOutliers_LastEndpointStays(t *testing.T) {
	b := newBare(t)
	b.deliver(true, shopWith(nil)) // green is a candidate with one endpoint
	b.pass(time.Second)
	b.fail("green", 0, 50)
	b.fail("blue", 0, 50)
	b.pass(lookEvery)
	if !b.versionUp("shop", "green") || !b.versionUp("shop", "blue") {
		t.Fatal("an only endpoint is out")
	}
}

func TestOutliers_OutlivesAChangeOfTables(t *testing.T) {
	b := newBare(t)
	b.serve(wide(2))
	b.fail("blue", 0, 5)
	b.pass(lookEvery)
	b.deliver(false, map[string]any{"services/shop": wide(3)})
	b.pass(lookEvery)
	if got := b.states("blue"); got != "ejected up up" && got != "ejected up starting" {
		t.Fatalf("after the change: %s", got)
	}
	only := wide(2)
	only.Versions["blue"] = configs.Version{Endpoints: only.Versions["blue"].Endpoints[1:]}
	b.deliver(false, map[string]any{"services/shop": only})
	b.pass(lookEvery)
	if n := len(b.outliers.of); n != 0 {
		t.Fatalf("%d outliers are remembered of endpoints that are gone", n)
	}
}

// TestPool_StablePanicsAndACandidateDoesNot: three of four of stable's endpoints
// cannot be spared; a candidate is judged by those it has left.
func TestPool_StablePanicsAndACandidateDoesNot(t *testing.T) {
	b := newBare(t)
	doc := probedShop()
	four := func(port string) (v configs.Version) {
		for i := range 4 {
			v.Endpoints = append(v.Endpoints, "127.0.0.1:"+port+string(rune('0'+i)))
		}
		return v
	}
	doc.Versions = map[string]configs.Version{"blue": four("800"), "green": four("900")}
	values := shopWith(nil)
	values["services/shop"] = doc
	b.deliver(true, values)
	b.pass(time.Second)
	for _, version := range []string{"blue", "green"} {
		for _, address := range doc.Versions[version].Endpoints[1:] {
			b.probed(health.Report{Target: health.Target{Service: "shop", Version: version, Address: address}, Failures: 2})
		}
	}
	picked := func(version string) int {
		seen := map[*upstream.Endpoint]bool{}
		for range 200 {
			seen[b.pool(version).Pick(rand.Uint64())] = true
		}
		return len(seen)
	}
	if blue, green := picked("blue"), picked("green"); blue != 4 || green != 1 {
		t.Fatalf("%d of stable's endpoints and %d of the candidate's are picked, want 4 and 1", blue, green)
	}
	// The panic is no health: with stable's last endpoint down nothing is cut.
	b.probed(health.Report{Target: health.Target{Service: "shop", Version: "blue", Address: "127.0.0.1:8000"}, Failures: 3})
	b.probed(health.Report{Target: health.Target{Service: "shop", Version: "green", Address: "127.0.0.1:9000"}, Failures: 2})
	for range 30 {
		b.pass(time.Second)
	}
	if b.versionUp("shop", "blue") || b.picked("green") != 1000 {
		t.Fatalf("stable is up: %v; green has %d buckets", b.versionUp("shop", "blue"), b.picked("green"))
	}
	if b.pool("blue").PickAny(1) == nil {
		t.Error("with nobody up nobody is tried")
	}
	// With stable back the candidate without endpoints fails, declared or not.
	b.probed(health.Report{Target: health.Target{Service: "shop", Version: "blue", Address: "127.0.0.1:8000"}, Up: true})
	for range 4 {
		b.pass(time.Second)
	}
	if b.picked("green") != 1000 {
		t.Fatal("the candidate is cut before its time without endpoints is over")
	}
	b.pass(2 * time.Second)
	if b.picked("green") != 0 {
		t.Fatal("the candidate without endpoints keeps its traffic")
	}
}

func TestSlowStart_SharesRiseForThoseThatJoin(t *testing.T) {
	b := newBare(t)
	doc := wide(2)
	doc.SlowStart = configs.Duration(10 * time.Second)
	b.serve(doc)
	if got := b.states("blue"); got != "up up" {
		t.Fatalf("at the start: %s", got)
	}
	more := wide(3)
	more.SlowStart = doc.SlowStart
	b.deliver(false, map[string]any{"services/shop": more})
	b.pass(0)
	joined := b.pool("blue").Endpoints()[2]
	if got := b.states("blue"); got != "up up starting" || joined.Share() != leastShare {
		t.Fatalf("after one joined: %s, share %d", got, joined.Share())
	}
	b.pass(5 * time.Second / 2)
	b.pass(5 * time.Second / 2)
	if got := joined.Share(); got != upstream.FullShare/2 {
		t.Fatalf("after half of the time its share is %d", got)
	}
	b.pass(5 * time.Second)
	if got := b.states("blue"); got != "up up up" || len(b.slow.since) != 0 {
		t.Fatalf("after the time: %s", got)
	}
	b.fail("blue", 0, 5)
	b.pass(lookEvery)
	b.pass(30 * time.Second)
	if got := b.states("blue"); got != "starting up up" {
		t.Fatalf("after an ejection: %s", got)
	}
}
