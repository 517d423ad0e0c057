package upstream

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// It ends by itself within MaxIdle of the last connection's end.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*HostClient).connsCleaner"))
}

func newPool(n int) (*Registry, *Pool) {
	g := NewRegistry(Options{})
	var endpoints []*Endpoint
	for i := range n {
		endpoints = append(endpoints, g.Endpoint("s", "v", fmt.Sprint("127.0.0.1:", i+1)))
	}
	return g, NewPool(endpoints, Policy{})
}

func TestPool_PicksOnlyWhatIsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 6).Draw(t, "n")
		_, p := newPool(n)
		for range rapid.IntRange(1, 10).Draw(t, "changes") {
			any := false
			for _, e := range p.Endpoints() {
				up := rapid.Bool().Draw(t, "up")
				e.SetUp(up)
				any = any || up
			}
			if p.AnyUp() != any {
				t.Fatalf("AnyUp %v, want %v", p.AnyUp(), any)
			}
			e := p.Pick(rapid.Uint64().Draw(t, "random"))
			if (e != nil) != any || e != nil && !e.Up() {
				t.Fatalf("picked %v with any up %v", e, any)
			}
		}
	})
}

func TestEndpoint_SetUpTellsNewsOnly(t *testing.T) {
	e := NewRegistry(Options{}).Endpoint("s", "v", "127.0.0.1:1")
	for i, step := range []struct{ up, changed bool }{{true, false}, {false, true}, {false, false}, {true, true}} {
		if got := e.SetUp(step.up); got != step.changed || e.Up() != step.up {
			t.Errorf("step %d: changed %v, up %v", i, got, e.Up())
		}
	}
}

func TestPool_SpreadsEvenlyAndAvoidsTheBusy(t *testing.T) {
	_, p := newPool(5)
	random := rand.New(rand.NewPCG(1, 2))
	counts := map[*Endpoint]int{}
	for range 50_000 {
		counts[p.Pick(random.Uint64())]++
	}
	for e, n := range counts {
		// With equal load the first draw decides: 10 000 each, s.d. 89.
		if n < 9_600 || n > 10_400 {
			t.Errorf("%s got %d of 50000", e.Address, n)
		}
	}
	busy := p.Endpoints()[2]
	busy.Begin()
	defer busy.End()
	for range 1000 {
		if p.Pick(random.Uint64()) == busy {
			t.Fatal("the only busy endpoint was picked")
		}
	}
}

func TestPool_LongestQueueStaysShort(t *testing.T) {
	_, p := newPool(16)
	random := rand.New(rand.NewPCG(3, 4))
	for range 1600 {
		p.Pick(random.Uint64()).Begin()
	}
	for _, e := range p.Endpoints() {
		if n := e.InFlight(); n < 96 || n > 104 {
			t.Errorf("%s has %d in flight of 100 on average", e.Address, n)
		}
	}
}

func TestPool_PickAllocatesNothing(t *testing.T) {
	_, p := newPool(3)
	if n := testing.AllocsPerRun(100, func() {
		tried := [1]*Endpoint{p.Pick(rand.Uint64())}
		p.PickOther(rand.Uint64(), tried[:])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestPool_PickOtherLeavesOutWhatWasTried(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		_, p := newPool(rapid.IntRange(0, 6).Draw(t, "n"))
		var tried, left []*Endpoint
		for _, e := range p.Endpoints() {
			e.SetUp(rapid.Bool().Draw(t, "up"))
			for range rapid.IntRange(0, 2).Draw(t, "in flight") {
				e.Begin()
			}
			if rapid.Bool().Draw(t, "tried") {
				tried = append(tried, e)
			} else if e.Up() {
				left = append(left, e)
			}
		}
		got := p.PickOther(rapid.Uint64().Draw(t, "random"), tried)
		if got == nil && len(left) > 0 || got != nil && !slices.Contains(left, got) {
			t.Fatalf("picked %v of %d left", got, len(left))
		}
		busiest := func(e *Endpoint) bool {
			return !slices.ContainsFunc(left, func(o *Endpoint) bool { return o != e && o.InFlight() >= e.InFlight() })
		}
		if len(left) > 1 && busiest(got) {
			t.Fatalf("picked the one that is busier than all others")
		}
	})
}

func TestPool_ChangesOfHealthWhilePicking(t *testing.T) {
	_, p := newPool(3)
	var wg sync.WaitGroup
	for i, e := range p.Endpoints()[:2] {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := range 2000 {
				e.SetUp(n%2 == i)
			}
			e.SetUp(false)
		}()
	}
	for range 2000 {
		if p.Pick(rand.Uint64()) == nil {
			t.Error("nothing is picked though one endpoint never went down")
			break
		}
	}
	wg.Wait()
	if e := p.Pick(rand.Uint64()); e != p.Endpoints()[2] {
		t.Errorf("picked %v, want the last one up", e)
	}
}

// accepting is a listener that accepts and holds.
func accepting(t *testing.T) (net.Listener, chan net.Conn) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns := make(chan net.Conn, 100)
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				close(conns)
				return
			}
			conns <- nc
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		for c := range conns {
			c.Close()
		}
	})
	return ln, conns
}

func acquire(t *testing.T, e *Endpoint) *Conn {
	t.Helper()
	c, err := e.Acquire(0)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEndpoint_ReusesTheLatestConnection(t *testing.T) {
	ln, _ := accepting(t)
	g := NewRegistry(Options{MaxIdle: time.Second})
	defer g.Close()
	e := g.Endpoint("s", "v", ln.Addr().String())
	a, b := acquire(t, e), acquire(t, e)
	if a.Reused || b.Reused {
		t.Error("a new connection claims to be reused")
	}
	a.Release()
	b.Release()
	if c := acquire(t, e); c != b || !c.Reused {
		t.Error("not the connection released last")
	} else {
		c.Close()
	}
	if n := e.Connections(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestEndpoint_LimitOfConnections(t *testing.T) {
	ln, _ := accepting(t)
	g := NewRegistry(Options{MaxConnections: 1, MaxConnectionWait: 20 * time.Millisecond})
	defer g.Close()
	e := g.Endpoint("s", "v", ln.Addr().String())
	c := acquire(t, e)
	if _, err := e.Acquire(0); !errors.Is(err, ErrExhausted) {
		t.Errorf("got %v, want ErrExhausted", err)
	}
	time.AfterFunc(5*time.Millisecond, c.Release)
	if again, err := e.Acquire(0); err != nil {
		t.Errorf("waiting for a release: %v", err)
	} else {
		again.Close()
	}
}

func TestEndpoint_RefusedConnectIsAnError(t *testing.T) {
	ln, _ := accepting(t)
	ln.Close()
	g := NewRegistry(Options{})
	defer g.Close()
	e := g.Endpoint("s", "v", ln.Addr().String())
	if _, err := e.Acquire(0); err == nil || errors.Is(err, ErrExhausted) {
		t.Errorf("got %v", err)
	}
	if e.Connections() != 0 {
		t.Error("a failed connect is counted")
	}
}

func TestConn_AliveSeesEndsAndUnaskedBytes(t *testing.T) {
	ln, conns := accepting(t)
	g := NewRegistry(Options{})
	defer g.Close()
	e := g.Endpoint("s", "v", ln.Addr().String())
	f := func(what string, do func(nc net.Conn), want bool) {
		t.Helper()
		c := acquire(t, e)
		defer c.Close()
		nc := <-conns
		defer nc.Close()
		do(nc)
		for range 100 { // what was done takes a moment to arrive
			if c.Alive() == want {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if got := c.Alive(); got != want {
			t.Errorf("%s: alive %v, want %v", what, got, want)
		}
	}
	f("silent", func(net.Conn) {}, true)
	f("ended", func(nc net.Conn) { nc.Close() }, false)
	f("reset", func(nc net.Conn) { _ = nc.(*net.TCPConn).SetLinger(0); nc.Close() }, false)
	f("speaking", func(nc net.Conn) { _, _ = io.WriteString(nc, "x") }, false)
}

func TestConn_WithBytesLeftIsNotReused(t *testing.T) {
	ln, conns := accepting(t)
	g := NewRegistry(Options{})
	defer g.Close()
	e := g.Endpoint("s", "v", ln.Addr().String())
	c := acquire(t, e)
	_, _ = io.WriteString(<-conns, "answer and more")
	if _, err := c.Reader.Peek(1); err != nil {
		t.Fatal(err)
	}
	c.Release()
	if n := e.Connections(); n != 0 {
		t.Errorf("%d connections, want 0", n)
	}
}

func TestRegistry_KeepsIdentityAndRetiresTheRest(t *testing.T) {
	ln, _ := accepting(t)
	g := NewRegistry(Options{})
	defer g.Close()
	e := g.Endpoint("s", "v", ln.Addr().String())
	if g.Endpoint("s", "v", ln.Addr().String()) != e || g.Endpoint("s", "w", ln.Addr().String()) == e {
		t.Error("identity is not service, version and address")
	}
	e.Begin()
	busy, idle := acquire(t, e), acquire(t, e)
	idle.Release()
	g.Retain(func(e *Endpoint) bool { return e.Version == "w" })
	if n := e.Connections(); n != 1 {
		t.Errorf("%d connections after retiring, want the one in use", n)
	}
	busy.Release()
	e.End()
	if n := e.Connections(); n != 0 {
		t.Errorf("%d connections after the last request, want 0", n)
	}
	count := 0
	g.Range(func(*Endpoint) { count++ })
	if count != 1 {
		t.Errorf("%d endpoints are left, want 1", count)
	}
	if g.Endpoint("s", "v", ln.Addr().String()) == e {
		t.Error("a retired endpoint came back")
	}
}

func BenchmarkPool_Pick(b *testing.B) {
	_, p := newPool(8)
	b.ReportAllocs()
	for b.Loop() {
		p.Pick(rand.Uint64())
	}
}
