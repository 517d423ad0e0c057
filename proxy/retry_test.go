package proxy

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

const broken = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 6\r\n\r\nbroken"

// script is an upstream whose n-th request, counted over all connections, is
// dealt with by say(n).
type script struct {
	*rawUpstream
	requests atomic.Int64
	last     atomic.Pointer[string] // the last whole request
}

func newScript(t testing.TB, say func(n int, c *upConn)) *script {
	s := new(script)
	s.rawUpstream = newUpstream(t, func(c *upConn) {
		for {
			request := c.request()
			if request == "" {
				return
			}
			s.last.Store(&request)
			say(int(s.requests.Add(1)), c)
		}
	})
	return s
}

func gives(t testing.TB, answer string) *script {
	return newScript(t, func(_ int, c *upConn) { c.write(answer) })
}

func resets(t testing.TB) *script {
	return newScript(t, func(_ int, c *upConn) { c.reset() })
}

// refuses is an endpoint that nobody listens on. The port is held, so that
// nobody else comes to listen there.
func refuses(t testing.TB) *script {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}
	return &script{rawUpstream: &rawUpstream{t: t, ln: nobody{addr}}}
}

// nobody is the address of a listener that is none.
type nobody struct{ addr net.Addr }

func (l nobody) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (l nobody) Close() error              { return nil }
func (l nobody) Addr() net.Addr            { return l.addr }

// fleet is a world whose versions have several endpoints each: the first version
// gets all requests.
func fleet(t testing.TB, change func(s *route.Service, o *Options), versions ...[]*script) *world {
	t.Helper()
	var first []*rawUpstream
	for _, v := range versions {
		first = append(first, v[0].rawUpstream)
	}
	w := newWorld(t, func(s *route.Service, o *Options) {
		for _, v := range s.Versions {
			v.Budget = new(upstream.Budget)
		}
		change(s, o)
	}, first...)
	for i, v := range versions {
		var endpoints []*upstream.Endpoint
		for _, e := range v {
			endpoints = append(endpoints, w.registry.Endpoint("shop", w.service.Versions[i].Name, e.ln.Addr().String()))
		}
		w.service.Versions[i].Pool = upstream.NewPool(endpoints, upstream.Policy{})
	}
	return w
}

// settled waits until every endpoint is idle and returns a version's counts.
func (w *world) settled(version int) *stats.Totals {
	w.t.Helper()
	totals := new(stats.Totals)
	waitUntil(w.t, "nothing is in flight", func() bool {
		for _, v := range w.service.Versions {
			for _, e := range v.Pool.Endpoints() {
				if e.InFlight() != 0 {
					return false
				}
			}
		}
		w.service.Versions[version].Recorder.Totals(totals)
		return totals.InFlight == 0
	})
	return totals
}

// asks sends a request on a new connection and returns status and body.
func (w *world) asks(request string) (int, string) {
	w.t.Helper()
	c := w.dial()
	defer c.Close()
	method, _, _ := strings.Cut(request, " ")
	c.send(request)
	resp, body := c.answer(method)
	return resp.StatusCode, body
}

func retrying(r route.Retry) func(*route.Service, *Options) {
	return func(s *route.Service, _ *Options) { s.SetReplays(r, false, nil) }
}

const post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"

func TestRetry_WhatReachedNoEndpointGoesToAnother(t *testing.T) {
	slow := "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n" + strings.Repeat("x", 200_000)
	for _, request := range []string{get, post, slow} {
		good := gives(t, hello)
		w := fleet(t, retrying(route.Retry{Attempts: 3}), []*script{refuses(t), good, refuses(t)})
		w.service.Versions[0].Budget = nil // it costs none
		for i := range 20 {
			if status, body := w.asks(request); status != 200 || body != "hello" {
				t.Fatalf("%.4s %d: status %d %q", request, i, status, body)
			}
		}
		totals := w.settled(0)
		refused := totals.Reasons[stats.Connect]
		if refused == 0 || totals.Lanes[stats.Split] != 20 || totals.Lanes[stats.Replay] != refused ||
			totals.Retries[stats.ConnectCause] != refused || totals.Codes[200] != 20 || totals.Codes[0] != refused {
			t.Errorf("%.4s: lanes %v, reasons %v, retries %v", request, totals.Lanes, totals.Reasons, totals.Retries)
		}
		if n := good.requests.Load(); n != 20 {
			t.Errorf("%.4s: %d requests upstream, want 20", request, n)
		}
	}
}

func TestRetry_AttemptsAreCounted(t *testing.T) {
	f := func(r route.Retry, endpoint func(testing.TB) *script, endpoints, attempts int, reason stats.Reason) {
		t.Helper()
		var all []*script
		for range endpoints {
			all = append(all, endpoint(t))
		}
		w := fleet(t, retrying(r), all)
		if status, _ := w.asks(get); status != 502 {
			t.Errorf("%+v: status %d", r, status)
		}
		totals := w.settled(0)
		if totals.Begun() != uint64(attempts) || totals.Reasons[reason] != uint64(attempts) || totals.Codes[502] != 1 || totals.Codes[0] != uint64(attempts-1) {
			t.Errorf("%+v, %d endpoints: lanes %v, reasons %v, want %d attempts", r, endpoints, totals.Lanes, totals.Reasons, attempts)
		}
	}

	f(route.Retry{}, refuses, 3, 1, stats.Connect)
	f(route.Retry{Attempts: 1}, refuses, 3, 1, stats.Connect)
	f(route.Retry{Attempts: 3}, refuses, 5, 3, stats.Connect)
	f(route.Retry{Attempts: 3}, refuses, 2, 2, stats.Connect) // no third endpoint
	f(route.Retry{Attempts: 3}, refuses, 1, 1, stats.Connect)
	f(route.Retry{Attempts: 3, Connect: true}, refuses, 1, 3, stats.Connect)
	f(route.Retry{Attempts: 3}, resets, 2, 1, stats.Reset) // not asked for
	f(route.Retry{Attempts: 3, Reset: true}, resets, 2, 3, stats.Reset)
}

func TestRetry_RepeatsWhatBroke(t *testing.T) {
	f := func(name string, r route.Retry, cause stats.Cause, reason stats.Reason, bad func(c *upConn)) {
		t.Run(name, func(t *testing.T) {
			u := newScript(t, func(n int, c *upConn) {
				if n == 1 {
					bad(c)
					return
				}
				c.write(hello)
			})
			w := fleet(t, retrying(r), []*script{u})
			const put = "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
			if status, body := w.asks(put); status != 200 || body != "hello" {
				t.Fatalf("status %d %q", status, body)
			}
			if last := *u.last.Load(); !strings.HasSuffix(last, "\r\n\r\nbody") {
				t.Errorf("the second attempt was %q", last)
			}
			totals := w.settled(0)
			if totals.Retries[cause] != 1 || totals.Errors() != 1 || totals.Reasons[reason] != 1 ||
				totals.Lanes[stats.Split] != 1 || totals.Lanes[stats.Replay] != 1 {
				t.Errorf("lanes %v, reasons %v, retries %v", totals.Lanes, totals.Reasons, totals.Retries)
			}
		})
	}
	reset := route.Retry{Attempts: 2, Reset: true}
	f("reset", reset, stats.ResetCause, stats.Reset, func(c *upConn) { c.reset() })
	f("closed", reset, stats.ResetCause, stats.Reset, func(c *upConn) { c.Close() })
	f("in the head", reset, stats.ResetCause, stats.Reset, func(c *upConn) { c.write("HTTP/1.1 200 O"); c.Close() })
	f("garbage", reset, stats.ResetCause, stats.Protocol, func(c *upConn) { c.write("SSH-2.0\r\n\r\n"); c.Close() })
	f("small body cut", reset, stats.ResetCause, stats.Truncated, func(c *upConn) { c.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel"); c.Close() })
	f("status", route.Retry{Attempts: 2, Status: route.Statuses(503)}, stats.StatusCause, stats.Status, func(c *upConn) { c.write(broken) })
	f("too long", route.Retry{Attempts: 2, Timeout: true, Attempt: 50 * time.Millisecond}, stats.TimeoutCause, stats.Timeout, func(c *upConn) { c.head() })
}

func TestRetry_LeavesAloneWhatMayHaveBeenDone(t *testing.T) {
	every := route.Retry{Attempts: 3, Connect: true, Reset: true, Status: route.Statuses(503)}
	f := func(name, request string, u *script, status int) {
		t.Helper()
		w := fleet(t, retrying(every), []*script{u})
		c := w.dial()
		c.send(request)
		method, _, _ := strings.Cut(request, " ")
		if resp, _ := c.answer(method); resp.StatusCode != status {
			t.Errorf("%s: status %d, want %d", name, resp.StatusCode, status)
		}
		w.settled(0)
		if n := u.requests.Load(); n != 1 {
			t.Errorf("%s: the endpoint saw %d requests", name, n)
		}
	}
	f("POST reset", post, resets(t), 502)
	f("POST 503", post, gives(t, broken), 503)
	large := "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100_000)
	f("a body that is not here any more", large, gives(t, broken), 503)
	hints := newScript(t, func(_ int, c *upConn) {
		c.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
		c.Close()
	})
	w := fleet(t, retrying(every), []*script{hints})
	if got := w.exchange("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"); strings.Count(got, " 502 ") != 1 {
		t.Errorf("after an interim answer: %q", got)
	}
	if n := hints.requests.Load(); n != 1 {
		t.Errorf("after an interim answer the endpoint saw %d requests", n)
	}
}

func TestRetry_NeverAfterAByteOfTheAnswer(t *testing.T) {
	begun := make(chan struct{})
	u := newScript(t, func(_ int, c *upConn) {
		c.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		<-begun
		c.reset()
	})
	free := sync.OnceFunc(func() { close(begun) })
	t.Cleanup(free)
	w := fleet(t, retrying(route.Retry{Attempts: 3, Reset: true}), []*script{u})
	c := w.dial()
	c.send(get)
	c.expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	free()
	if rest, _ := io.ReadAll(c.br); len(rest) > 0 {
		t.Errorf("after that the client got %q", rest)
	}
	if n := u.requests.Load(); n != 1 {
		t.Errorf("the endpoint saw %d requests", n)
	}
}

func TestRetry_TheLastAnswerIsGiven(t *testing.T) {
	u := newScript(t, func(n int, c *upConn) {
		if n == 1 {
			c.write(broken)
			return
		}
		c.reset()
	})
	every := route.Retry{Attempts: 2, Reset: true, Status: route.Statuses(503)}
	w := fleet(t, retrying(every), []*script{u})
	if status, body := w.asks(get); status != 503 || body != "broken" {
		t.Errorf("got %d %q, want the answer that there was", status, body)
	}
	if totals := w.settled(0); totals.Codes[503] != 1 || totals.Codes[0] != 1 || totals.Reasons[stats.Reset] != 1 || totals.Reasons[stats.Status] != 1 {
		t.Errorf("reasons %v, 503: %d, 0: %d", totals.Reasons, totals.Codes[503], totals.Codes[0])
	}
}

func TestRetry_StaysWithinItsBudget(t *testing.T) {
	u := gives(t, broken)
	w := fleet(t, retrying(route.Retry{Attempts: 3, Status: route.Statuses(503)}), []*script{u})
	const requests = 300
	c := w.dial()
	start := time.Now()
	for range requests {
		c.send(get)
		if resp, _ := c.answer("GET"); resp.StatusCode != 503 {
			t.Fatalf("status %d", resp.StatusCode)
		}
	}
	totals := w.settled(0)
	most := requests/5 + 3 + 3*int(time.Since(start)/time.Second+1)
	extra := int(u.requests.Load()) - requests
	if extra == 0 || extra > most || totals.Retries[stats.StatusCause] != uint64(extra) || totals.Denied == 0 {
		t.Errorf("%d attempts beyond %d requests, want at most %d; retries %v, %d denied", extra, requests, most, totals.Retries, totals.Denied)
	}
}

func TestRetry_StaysWithinTheTimeout(t *testing.T) {
	hang := newScript(t, func(_ int, c *upConn) { c.head() })
	w := fleet(t, func(s *route.Service, _ *Options) {
		s.Timeout = 300 * time.Millisecond
		s.SetReplays(route.Retry{Attempts: 10, Timeout: true, Attempt: 100 * time.Millisecond}, false, nil)
	}, []*script{hang})
	funds(w)
	start := time.Now()
	status, _ := w.asks(get)
	if took := time.Since(start); status != 504 || took < 100*time.Millisecond || took > 4*time.Second {
		t.Errorf("status %d after %s", status, took)
	}
	if totals := w.settled(0); totals.Lanes[stats.Replay] > 3 || totals.Reasons[stats.Timeout] != 1+totals.Lanes[stats.Replay] {
		t.Errorf("lanes %v, reasons %v: at most 3 more attempts fit into the timeout", totals.Lanes, totals.Reasons)
	}
}

func TestRetry_ClientThatLeavesEndsIt(t *testing.T) {
	u := newScript(t, func(_ int, c *upConn) {
		time.Sleep(20 * time.Millisecond)
		c.reset()
	})
	w := fleet(t, retrying(route.Retry{Attempts: 10, Reset: true}), []*script{u})
	for range 3 {
		c := w.dial()
		c.send(get)
		c.Close()
	}
	waitUntil(t, "the clients are gone", func() bool { return w.server.Connections() == 0 })
	w.settled(0)
}

func TestRetry_EvidenceIsTheFirstAttemptAlone(t *testing.T) {
	u := newScript(t, func(n int, c *upConn) {
		if n%2 == 1 {
			c.write(broken)
			return
		}
		c.write(hello)
	})
	w := fleet(t, retrying(route.Retry{Attempts: 2, Status: route.Statuses(503)}), []*script{u})
	trial := stats.NewTrial(nil, false, nil)
	w.service.Versions[0].Recorder.Arm(trial)
	for range 3 {
		if status, _ := w.asks(get); status != 200 {
			t.Errorf("status %d", status)
		}
	}
	w.settled(0)
	var sum, out stats.Outcomes
	for tick := range stats.TickOf(w.handler.Now()) + 1 {
		trial.Outcomes(tick, &out)
		sum.Started += out.Started
		sum.Errors += out.Errors
		sum.Ended += out.Ended
	}
	if sum.Started != 3 || sum.Errors != 3 || sum.Ended != 3 {
		t.Errorf("evidence %d started, %d errors, %d ended, want 3 each", sum.Started, sum.Errors, sum.Ended)
	}
}

func TestRetry_HostOfTheEndpointFollowsTheAttempt(t *testing.T) {
	good := gives(t, hello)
	w := fleet(t, func(s *route.Service, _ *Options) {
		s.HostPolicy = route.HostEndpoint
		s.SetReplays(route.Retry{Attempts: 2}, false, nil)
	}, []*script{refuses(t), good})
	for range 8 {
		w.asks(get)
		if want := fmt.Sprintf("Host: %s\r\n", good.ln.Addr()); !strings.Contains(*good.last.Load(), want) {
			t.Fatalf("got %q, want %q", *good.last.Load(), want)
		}
	}
}
