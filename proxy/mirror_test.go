package proxy

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

// mirrored is a world in which the first version is stable and takes all
// requests, and the second gets copies.
func mirrored(t testing.TB, share int, stable, candidate *script) *world {
	return fleet(t, func(s *route.Service, _ *Options) {
		s.Mirror = &route.Mirror{Version: s.Versions[1], Share: share}
	}, []*script{stable}, []*script{candidate})
}

// copiesOf waits until n requests were copied, or dropped, and all copies ended.
func (w *world) copiesOf(n uint64) *stats.Totals {
	w.t.Helper()
	totals := new(stats.Totals)
	waitUntil(w.t, "the copies have ended", func() bool {
		w.service.Versions[1].Recorder.Totals(totals)
		var ended uint64
		for _, c := range totals.Copies {
			ended += c
		}
		return ended+totals.Dropped == n && totals.InFlight == 0
	})
	return totals
}

func TestMirror_CopiesReachTheCandidateAndNobodyElse(t *testing.T) {
	stable, candidate := gives(t, hello), gives(t, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
	w := mirrored(t, 10_000, stable, candidate)
	c := w.dial()
	for i, method := range []string{"GET", "GET", "OPTIONS"} {
		c.send(method + " /a?b=c HTTP/1.1\r\nHost: shop.test\r\nCookie: d=e\r\nX-Weir-Mirror: 0\r\n\r\n")
		c.expect(hello)
		w.copiesOf(uint64(i + 1)) // copies overtake each other
	}
	totals := w.copiesOf(3)
	if totals.Lanes != [stats.Lanes]uint64{stats.Mirror: 3} || totals.Copies[stats.None] != 3 || totals.Ended() != 0 {
		t.Errorf("lanes %v, copies %v, %d ended for clients", totals.Lanes, totals.Copies, totals.Ended())
	}
	original, copied := *stable.last.Load(), *candidate.last.Load()
	if strings.Contains(strings.ToLower(original), "x-weir-mirror") {
		t.Errorf("a client's own mark reached stable: %q", original)
	}
	if want := strings.TrimSuffix(original, "\r\n") + "X-Weir-Mirror: 1\r\n\r\n"; copied != want {
		t.Errorf("the copy is %q, want %q", copied, want)
	}
	if n := w.settled(0); n.Ended() != 3 || n.Codes[200] != 3 {
		t.Errorf("stable answered %d", n.Ended())
	}
}

func TestMirror_HostAndVersionAreTheCandidates(t *testing.T) {
	candidate := gives(t, hello)
	w := mirrored(t, 10_000, gives(t, hello), candidate)
	w.service.HostPolicy = route.HostEndpoint
	w.asks(get)
	w.copiesOf(1)
	if want := "\r\nHost: " + candidate.ln.Addr().String() + "\r\n"; !strings.Contains(*candidate.last.Load(), want) {
		t.Errorf("the copy is %q, want %q in it", *candidate.last.Load(), want)
	}
}

func TestMirror_CopiesItsShare(t *testing.T) {
	candidate := gives(t, hello)
	w := mirrored(t, 2_500, gives(t, hello), candidate)
	const requests = 2_000
	c := w.dial()
	for range requests {
		c.send(get)
		c.expect(hello)
	}
	totals := new(stats.Totals)
	w.service.Versions[1].Recorder.Totals(totals)
	// 500 expected; six standard deviations are 116.
	if n := totals.Lanes[stats.Mirror] + totals.Dropped; n < 384 || n > 616 {
		t.Errorf("%d of %d were copied, want about a quarter", n, requests)
	}
}

func TestMirror_LeavesAloneWhatCouldHappenTwice(t *testing.T) {
	f := func(name, request string, change func(*world)) {
		t.Helper()
		stable, candidate := gives(t, hello), gives(t, hello)
		w := mirrored(t, 10_000, stable, candidate)
		change(w)
		c := w.dial()
		c.send(request)
		if resp, _ := c.answer("GET"); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", name, resp.StatusCode)
		}
		w.settled(0)
		totals := new(stats.Totals)
		w.service.Versions[1].Recorder.Totals(totals)
		if totals.Lanes[stats.Mirror] != 0 || totals.Dropped != 0 {
			t.Errorf("%s was copied", name)
		}
	}
	as := func(*world) {}
	f("POST", post, as)
	f("PUT", "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", as)
	f("DELETE", "DELETE / HTTP/1.1\r\nHost: h\r\n\r\n", as)
	f("a GET with a body", "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx", as)
	f("an upgrade", "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n", as)
	f("draining", get, func(w *world) { w.handler.draining.Store(true) })
	f("the candidate's own", get, func(w *world) { w.service.Mirror.Version = w.service.Versions[0] })
}

func TestMirror_HangingCandidateDelaysNobody(t *testing.T) {
	candidate := newScript(t, func(_ int, c *upConn) { c.head() })
	w := mirrored(t, 10_000, gives(t, hello), candidate)
	c := w.dial()
	for range 200 {
		c.send(get)
		c.expect(hello)
	}
	totals := new(stats.Totals)
	w.service.Versions[1].Recorder.Totals(totals)
	// As long as no copy has run out of time, there are 64 and no more.
	if totals.Copies[stats.Timeout] == 0 && (totals.Lanes[stats.Mirror] != 64 || totals.Dropped != 136) {
		t.Errorf("%d copies and %d dropped, want 64 and 136", totals.Lanes[stats.Mirror], totals.Dropped)
	}
	if stable := w.totals(0); stable.Codes[200] != 200 {
		t.Errorf("stable answered %d of 200", stable.Codes[200])
	}
	w.server.Close()
	totals = w.copiesOf(200)
	if left := totals.Copies[stats.ClientLeft] + totals.Copies[stats.Timeout]; left != totals.Lanes[stats.Mirror] {
		t.Errorf("copies %v", totals.Copies)
	}
}

func TestMirror_OutcomesAreApart(t *testing.T) {
	f := func(name string, reason stats.Reason, candidate *script) {
		t.Run(name, func(t *testing.T) {
			w := mirrored(t, 10_000, gives(t, hello), candidate)
			w.service.Timeout = 3 * time.Second
			trial := stats.NewTrial(nil, false, nil)
			w.service.Versions[1].Recorder.Arm(trial)
			if status, _ := w.asks(get); status != 200 {
				t.Errorf("the client got %d", status)
			}
			totals := w.copiesOf(1)
			if totals.Copies[reason] != 1 || totals.Errors() != 0 || totals.Latency.Total() != 0 {
				t.Errorf("copies %v, errors %d; want one of reason %v", totals.Copies, totals.Errors(), reason)
			}
			if e := evidence(w, trial); e.Started != 0 {
				t.Errorf("%d copies are evidence", e.Started)
			}
		})
	}
	say := func(answer string) *script {
		return newScript(t, func(_ int, c *upConn) { c.write(answer); c.Close() })
	}
	f("good", stats.None, gives(t, hello))
	f("chunked", stats.None, gives(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
	f("to the end", stats.None, say("HTTP/1.1 200 OK\r\n\r\nhello"))
	f("after hints", stats.None, gives(t, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"+hello))
	f("large", stats.None, say("HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n"+strings.Repeat("x", 3_000_000)))
	f("not found", stats.None, gives(t, unknown))
	f("error", stats.Status, gives(t, broken))
	f("refused", stats.Connect, refuses(t))
	f("reset", stats.Reset, resets(t))
	f("garbage", stats.Protocol, gives(t, "SSH-2.0\r\n\r\n"))
	f("silent", stats.Timeout, newScript(t, func(_ int, c *upConn) { c.head() }))
	f("cut", stats.Truncated, say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel"))
	f("chunked, cut", stats.Truncated, say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"))
	f("broken chunks", stats.Protocol, gives(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"))
	f("101", stats.Protocol, gives(t, "HTTP/1.1 101 Switching Protocols\r\n\r\n"))
}

func TestMirror_NoRoomIsTheCandidatesFailure(t *testing.T) {
	w := mirrored(t, 10_000, gives(t, hello), gives(t, hello))
	w.service.Versions[1].Pool.Endpoints()[0].SetUp(false)
	w.repool(1, upstream.Policy{})
	w.asks(get)
	if totals := w.copiesOf(1); totals.Copies[stats.Exhausted] != 1 {
		t.Errorf("copies %v", totals.Copies)
	}
}

func TestMirror_ConnectionsAreUsedAgain(t *testing.T) {
	candidate := gives(t, hello)
	w := mirrored(t, 10_000, gives(t, hello), candidate)
	for i := range 5 {
		w.asks(get)
		w.copiesOf(uint64(i + 1))
	}
	if n := candidate.conns.Load(); n != 1 {
		t.Errorf("%d connections for 5 copies, one after the other", n)
	}
}

func TestMirror_StaleConnectionsAreReplaced(t *testing.T) {
	candidate := newUpstream(t, func(c *upConn) {
		c.request()
		c.write(hello)
		if c.n == 1 {
			c.head() // takes the second and dies
		}
	})
	w := mirrored(t, 10_000, gives(t, hello), &script{rawUpstream: candidate})
	for i := range 2 {
		w.asks(get)
		w.copiesOf(uint64(i + 1))
	}
	if totals := w.copiesOf(2); totals.Copies[stats.None] != 2 {
		t.Errorf("copies %v", totals.Copies)
	}
}

func TestMirror_EndsWithTheServer(t *testing.T) {
	var once sync.Once
	begun := make(chan struct{})
	candidate := newScript(t, func(_ int, c *upConn) {
		c.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		once.Do(func() { close(begun) })
		c.head()
	})
	w := mirrored(t, 10_000, gives(t, hello), candidate)
	w.asks(get)
	<-begun
	if err := w.server.Drain(context.Background()); err != nil {
		t.Error(err)
	}
	if totals := w.copiesOf(1); totals.Copies[stats.ClientLeft] != 1 {
		t.Errorf("copies %v", totals.Copies)
	}
}

func TestMirror_TakesNoRoomFromUsers(t *testing.T) {
	f := func(name string, policy upstream.Policy, busy int, copied, dropped uint64) {
		t.Helper()
		release := make(chan struct{})
		free := sync.OnceFunc(func() { close(release) })
		candidate := newScript(t, func(_ int, c *upConn) {
			<-release
			c.write(hello)
		})
		t.Cleanup(free)
		w := mirrored(t, 10_000, gives(t, hello), candidate)
		e := w.repool(1, policy).Endpoints()[0]
		for range busy {
			e.Begin() // users' requests
		}
		c := w.dial()
		for range 20 {
			c.send(get)
			c.expect(hello)
		}
		totals := new(stats.Totals)
		w.service.Versions[1].Recorder.Totals(totals)
		if totals.Lanes[stats.Mirror] != copied || totals.Dropped != dropped {
			t.Errorf("%s: %d copied and %d dropped, want %d and %d", name, totals.Lanes[stats.Mirror], totals.Dropped, copied, dropped)
		}
		if n := e.InFlight(); n != int64(busy) {
			t.Errorf("%s: %d in flight, want those of users, %d", name, n, busy)
		}
		free()
		w.copiesOf(20)
		for range busy {
			e.End()
		}
	}
	f("no limit", upstream.Policy{}, 100, 20, 0)
	f("a quarter of the connections", upstream.Policy{Connections: 16, Pending: 100}, 0, 4, 16)
	f("users have half of them", upstream.Policy{Connections: 16, Pending: 100}, 8, 0, 20)
	f("as many requests as it takes", upstream.Policy{Requests: 8}, 8, 0, 20)
	f("room for one request", upstream.Policy{Requests: 8}, 7, 20, 0)
	f("a version with all it may have", upstream.Policy{VersionRequests: 3}, 3, 0, 20)
}
