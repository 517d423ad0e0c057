package control

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/health"
	"github.com/weirproxy/weir/control/rollout"
)

// zone is a DNS that a test writes.
type zone struct {
	mu      sync.Mutex
	records map[string][]string // nil: the look-up fails
	asked   int
}

func (z *zone) set(name string, addresses ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records[name] = addresses
}

func (z *zone) resolve(_ context.Context, name string) ([]netip.Addr, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked++
	if z.records[name] == nil {
		return nil, errors.New("SERVFAIL")
	}
	var out []netip.Addr
	for _, a := range z.records[name] {
		out = append(out, netip.MustParseAddr(a))
	}
	return out, nil
}

// nameWorld is a bare Controller whose green has a name.
func nameWorld(t *testing.T) (*bare, *zone) {
	b := newBare(t)
	z := &zone{records: map[string][]string{}}
	b.opts.Resolve = z.resolve
	return b, z
}

func named() configs.Service {
	doc := shop()
	doc.Versions["green"] = configs.Version{Endpoints: []string{"green.internal:80"}}
	return doc
}

func (b *bare) addresses(version string) (out []string) {
	for _, e := range b.pool(version).Endpoints() {
		out = append(out, e.Address)
	}
	return out
}

// turn looks twice: a look asks for names, and the next one lets go of what the
// table does not name any more.
func (b *bare) turn(d time.Duration) {
	b.pass(d)
	b.pass(0)
}

func TestNames_AreResolvedAgainAndKeptWhenTheDNSFails(t *testing.T) {
	b, z := nameWorld(t)
	b.serve(named())
	f := func(what string, want ...string) {
		t.Helper()
		// An interval of 5 s, and a tenth of spread.
		b.names.due["green.internal"] = b.clock
		b.turn(time.Second)
		if got := b.addresses("green"); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	f("never resolved", "green.internal:80")
	z.set("green.internal", "10.0.0.2", "10.0.0.1", "10.0.0.2", "::ffff:10.0.0.1")
	f("first", "10.0.0.1:80", "10.0.0.2:80")
	kept := b.pool("green").Endpoints()[1]
	z.set("green.internal", "10.0.0.3", "10.0.0.2")
	f("one goes and one comes", "10.0.0.2:80", "10.0.0.3:80")
	if b.pool("green").Endpoints()[0] != kept {
		t.Error("an address that stays is another endpoint")
	}
	z.set("green.internal")
	f("no address", "10.0.0.2:80", "10.0.0.3:80")
	delete(z.records, "green.internal")
	f("an outage", "10.0.0.2:80", "10.0.0.3:80")
	if b.known() != 4 {
		t.Errorf("%d endpoints are known, want 4", b.known())
	}
	b.deliver(false, map[string]any{"services/shop": shop()})
	b.turn(time.Second)
	if len(b.names.due) != 0 || b.known() != 3 {
		t.Errorf("names %v are asked for that nobody uses; %d endpoints", b.names.due, b.known())
	}
}

func TestNames_AreAskedForOnceAnInterval(t *testing.T) {
	b, z := nameWorld(t)
	z.set("green.internal", "10.0.0.1")
	began := b.clock
	b.serve(named())
	b.resolved("green.internal", nil, errors.New("to know when"), began)
	due := b.names.due["green.internal"].Sub(began)
	if due < 5*time.Second || due > 5500*time.Millisecond {
		t.Errorf("asked again after %s", due)
	}
	asked := z.asked
	for b.clock.Before(began.Add(4 * time.Second)) {
		b.pass(100 * time.Millisecond)
	}
	if z.asked != asked {
		t.Errorf("asked %d times within an interval", z.asked-asked)
	}
}

func TestNames_RequestsInFlightAtARemovedAddressEndInPeace(t *testing.T) {
	b, z := nameWorld(t)
	z.set("green.internal", "10.0.0.1", "10.0.0.2")
	b.serve(named())
	b.turn(time.Second)
	e := b.pool("green").Endpoints()[0]
	e.Begin()
	z.set("green.internal", "10.0.0.2")
	b.names.due["green.internal"] = b.clock
	b.turn(time.Second)
	if got := b.addresses("green"); !slices.Equal(got, []string{"10.0.0.2:80"}) || e.InFlight() != 1 {
		t.Fatalf("%v, %d in flight", got, e.InFlight())
	}
	e.End()
}

func TestNames_ACandidateWithoutAnAddressIsNotReady(t *testing.T) {
	b, z := nameWorld(t)
	b.serve(named())
	if b.ready("shop", "green") || !b.ready("shop", "blue") {
		t.Fatalf("green is ready: %v, blue: %v", b.ready("shop", "green"), b.ready("shop", "blue"))
	}
	z.set("green.internal", "10.0.0.1")
	b.names.due["green.internal"] = b.clock
	b.turn(time.Second)
	if !b.ready("shop", "green") {
		t.Fatal("green has an address and is not ready")
	}
}

func TestNames_OneAddressOfANameIsEnoughForABatch(t *testing.T) {
	b, z := nameWorld(t)
	z.set("green.internal", "10.0.0.1", "10.0.0.2")
	doc := named()
	doc.Health = probedShop().Health
	doc.Versions["green"] = configs.Version{Endpoints: []string{"green.internal:80", "127.0.0.1:9009"}}
	b.deliver(true, map[string]any{"services/shop": doc, "state/shop": rollout.NewService(doc, shopTime())})
	b.turn(time.Second)
	b.turn(time.Second)
	f := func(n, want int) {
		t.Helper()
		if got := b.healthyOf("shop", "green", n); got != want {
			t.Errorf("%d of the first %d are healthy, want %d", got, n, want)
		}
	}
	f(2, 0)
	well := func(address string) {
		b.probed(health.Report{Target: health.Target{Service: "shop", Version: "green", Address: address}, Up: true})
	}
	well("10.0.0.2:80")
	f(1, 1)
	f(2, 1)
	well("127.0.0.1:9009")
	f(1, 1)
	f(2, 2)
	if probe := b.targets[targetOf(b.pool("green").Endpoints()[0])]; probe.Name != "green.internal:80" {
		t.Errorf("it is asked for as %q", probe.Name)
	}
}

func TestNames_TheFirstAddressesDoNotStartSlowly(t *testing.T) {
	b, z := nameWorld(t)
	doc := wide(1)
	doc.SlowStart = configs.Duration(time.Minute)
	doc.Versions["blue"] = configs.Version{Endpoints: []string{"127.0.0.1:9001", "blue.internal:80"}}
	b.serve(doc)
	z.set("blue.internal", "10.0.0.1")
	b.names.due["blue.internal"] = b.clock
	b.turn(time.Second)
	if got := b.states("blue"); got != "up up" {
		t.Errorf("after the name was resolved: %s", got)
	}
	z.set("blue.internal", "10.0.0.1", "10.0.0.2")
	b.names.due["blue.internal"] = b.clock
	b.turn(time.Second)
	if got := b.states("blue"); got != "up up starting" {
		t.Errorf("after one was added: %s", got)
	}
}
