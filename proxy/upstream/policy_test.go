package upstream

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func newPoolWith(n int, policy Policy) (*Registry, *Pool) {
	g, p := newPool(n)
	return g, NewPool(p.Endpoints(), policy)
}

// opened are the counted refusals by circuit.
func opened(g *Registry) map[Circuit]uint64 {
	n := map[Circuit]uint64{}
	g.Refusals(func(_, _ string, c Circuit, requests uint64) { n[c] += requests })
	return n
}

func TestPool_FillsEveryEndpointAndOpensThen(t *testing.T) {
	f := func(policy Policy, each int, want Circuit) {
		t.Helper()
		g, p := newPoolWith(3, policy)
		total := 3 * each
		if policy.VersionRequests > 0 {
			total = policy.VersionRequests
		}
		for i := range total {
			e := p.Pick(rand.Uint64())
			if e == nil {
				t.Fatalf("%+v: refused with %d of %d in flight", policy, i, total)
			}
			if e.Begin(); e.InFlight() > int64(each) {
				t.Fatalf("%+v: %d in flight at one endpoint", policy, e.InFlight())
			}
		}
		if e := p.Pick(rand.Uint64()); e != nil || !p.AnyUp() {
			t.Fatalf("%+v: picked %v beyond the limit; any up: %v", policy, e, p.AnyUp())
		}
		if p.PickOther(rand.Uint64(), nil) != nil {
			t.Errorf("%+v: another one is picked beyond the limit", policy)
		}
		if n := opened(g); n[want] != 1 || len(n) != 1 {
			t.Errorf("%+v: counted %v, want one of %s", policy, n, want)
		}
		p.Endpoints()[1].End()
		if e := p.Pick(rand.Uint64()); e != p.Endpoints()[1] && policy.VersionRequests == 0 || e == nil {
			t.Errorf("%+v: picked %v, want the one with room", policy, e)
		}
	}
	f(Policy{Connections: 2, Pending: 3}, 5, PendingCircuit)
	f(Policy{Connections: 2}, 2, PendingCircuit)
	f(Policy{Requests: 4}, 4, RequestsCircuit)
	f(Policy{Connections: 9, Pending: 9, Requests: 4}, 4, RequestsCircuit)
	f(Policy{Connections: 2, Pending: 1, Requests: 9}, 3, PendingCircuit)
	f(Policy{VersionRequests: 5}, 5, VersionRequestsCircuit)
}

// TestPool_PicksFromThoseThatItsPolicyAllows compares with rules written down plainly.
func TestPool_PicksFromThoseThatItsPolicyAllows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policy := Policy{Panic: rapid.SampledFrom([]int{0, 50, 100}).Draw(t, "panic"), LastResort: rapid.Bool().Draw(t, "last resort")}
		_, p := newPoolWith(rapid.IntRange(0, 6).Draw(t, "n"), policy)
		var up []*Endpoint
		for _, e := range p.Endpoints() {
			e.SetUp(rapid.Bool().Draw(t, "probed"))
			e.SetEjected(rapid.Bool().Draw(t, "ejected"))
			if rapid.Bool().Draw(t, "slow") {
				e.SetShare(rapid.IntRange(1, FullShare).Draw(t, "share"))
			}
			if e.Probed() && !e.Ejected() {
				up = append(up, e)
			}
		}
		allowed := up
		if len(up) > 0 && 100*len(up)/len(p.Endpoints()) < policy.Panic {
			allowed = p.Endpoints()
		}
		check := func(what string, e *Endpoint, from []*Endpoint) {
			if e == nil && len(from) > 0 || e != nil && !slices.Contains(from, e) {
				t.Fatalf("%s: picked %v of %d", what, e, len(from))
			}
		}
		for range 8 {
			check("pick", p.Pick(rapid.Uint64().Draw(t, "random")), allowed)
			check("other", p.PickOther(rapid.Uint64().Draw(t, "random"), nil), allowed)
		}
		if p.AnyUp() != (len(up) > 0) {
			t.Fatalf("any up: %v, with %d", p.AnyUp(), len(up))
		}
		if !policy.LastResort {
			check("any", p.PickAny(rapid.Uint64().Draw(t, "random")), nil)
		} else {
			check("any", p.PickAny(rapid.Uint64().Draw(t, "random")), p.Endpoints())
		}
	})
}

func TestPool_ASlowStarterGetsItsShare(t *testing.T) {
	for _, share := range []int{1000, 5000, 9000, FullShare} {
		_, p := newPool(5)
		slow := p.Endpoints()[1]
		slow.SetShare(share)
		random, n := rand.New(rand.NewPCG(5, 6)), 0
		const picks = 200_000
		for range picks {
			if p.Pick(random.Uint64()) == slow {
				n++
			}
		}
		// With equal load it is picked as often as its share of a fifth says.
		want := picks / 5 * float64(share) / FullShare
		if float64(n) < want*.95 || float64(n) > want*1.05 {
			t.Errorf("with a share of %d it got %d of %d, want about %.0f", share, n, picks, want)
		}
	}
}

func TestPool_SlowStartersAloneShareEvenly(t *testing.T) {
	_, p := newPool(3)
	for _, e := range p.Endpoints() {
		e.SetShare(1000)
	}
	counts, random := map[*Endpoint]int{}, rand.New(rand.NewPCG(7, 8))
	for range 30_000 {
		counts[p.Pick(random.Uint64())]++
	}
	for e, n := range counts {
		if n < 9_000 || n > 11_000 {
			t.Errorf("%s got %d of 30000", e.Address, n)
		}
	}
}

func TestPool_SuspectsAfterFailuresInARow(t *testing.T) {
	f := func(outcomes string, limit int, want string) {
		t.Helper()
		g, p := newPoolWith(1, Policy{Failures: limit})
		e, got := p.Endpoints()[0], ""
		for _, o := range outcomes {
			if o == '+' {
				p.Good(e)
			} else {
				p.Bad(e)
			}
			before := g.Suspects()
			failures, suspect := e.Suspect()
			if suspect {
				got += fmt.Sprint(failures)
			} else {
				got += "-"
			}
			if g.Suspects() != before || suspect && before == 0 {
				t.Errorf("%s: asking changes the count, or nobody was told", outcomes)
			}
		}
		if got != want {
			t.Errorf("%s with %d: %s, want %s", outcomes, limit, got, want)
		}
	}
	f("xxx", 3, "--3")
	f("xx+xxx", 3, "-----3")
	f("xxxxx", 3, "--345") // still failing: suspected again
	f("xxx", 0, "---")
	f("x", 1, "1")
}

func TestEndpoint_ComesBackWithoutOldFailures(t *testing.T) {
	_, p := newPoolWith(2, Policy{Failures: 2})
	e := p.Endpoints()[0]
	p.Bad(e)
	p.Bad(e)
	if !e.SetEjected(true) || e.SetEjected(true) || e.Up() || !e.Probed() {
		t.Fatal("it is not ejected, once")
	}
	p.Bad(e) // was in flight
	e.SetEjected(false)
	if _, suspect := e.Suspect(); suspect || !e.Up() {
		t.Error("it is still suspect")
	}
	p.Bad(e)
	if _, suspect := e.Suspect(); suspect {
		t.Error("old failures count")
	}
}

func TestEndpoint_LimitOfConnectionsChangesInUse(t *testing.T) {
	ln, _ := accepting(t)
	g := NewRegistry(Options{MaxConnectionWait: -1})
	defer g.Close()
	e := g.Endpoint("s", "v", ln.Addr().String())
	e.SetMaxConnections(1)
	a := acquire(t, e)
	if _, err := e.Acquire(0); err == nil {
		t.Fatal("a second connection is opened")
	}
	if n := opened(g); n[ConnectionsCircuit] != 1 {
		t.Errorf("counted %v", n)
	}
	e.SetMaxConnections(2)
	acquire(t, e).Close()
	a.Close()
}

func BenchmarkPool_PickSlow(b *testing.B) {
	_, p := newPool(8)
	p.Endpoints()[3].SetShare(FullShare / 2)
	b.ReportAllocs()
	for b.Loop() {
		p.Pick(rand.Uint64())
	}
}
