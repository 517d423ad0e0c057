package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
)

// fault is a way for an endpoint to fail, and what becomes of it. No fault may
// give a client wrong bytes, outlast its limit, or count elsewhere.
type fault struct {
	name   string
	reason stats.Reason

	// act deals with one request of path; nil: nobody listens.
	act func(c *upConn, path string)

	// status is what the client gets if nobody helps; 0: an answer whose end is
	// visibly missing, which nobody can help any more.
	status int
}

// faultLimit is the timeout of the service. What is good must never take it.
const faultLimit = 3 * time.Second

func faults() []fault {
	end := func(answer string) func(*upConn, string) {
		return func(c *upConn, _ string) { c.write(answer); c.Close() }
	}
	// wait says something and then nothing until the proxy gives up.
	wait := func(c *upConn, answer string) {
		c.write(answer)
		_ = c.SetReadDeadline(time.Now().Add(2 * faultLimit))
		_, _ = c.br.Peek(1)
	}
	large := strings.Repeat("x", 100<<10)
	return []fault{
		{name: "refuses", reason: stats.Connect, status: 502},
		{name: "hangs", reason: stats.Timeout, status: 504, act: func(c *upConn, _ string) { wait(c, "") }},
		{name: "hangs in the head", reason: stats.Timeout, status: 504, act: func(c *upConn, _ string) { wait(c, "HTTP/1.1 200 OK\r\nConte") }},
		{name: "hangs in a small body", reason: stats.Timeout, status: 504, act: func(c *upConn, _ string) { wait(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel") }},
		{name: "hangs in a large body", reason: stats.Timeout, act: func(c *upConn, _ string) {
			wait(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"+large)
		}},
		{name: "is slow", reason: stats.None, status: 200, act: func(c *upConn, path string) {
			time.Sleep(20 * time.Millisecond)
			c.write(told(path))
		}},
		{name: "resets before the head", reason: stats.Reset, status: 502, act: func(c *upConn, _ string) { c.reset() }},
		{name: "closes before the head", reason: stats.Reset, status: 502, act: end("")},
		{name: "closes in the head", reason: stats.Reset, status: 502, act: end("HTTP/1.1 200 OK\r\nConte")},
		{name: "closes in a small body", reason: stats.Truncated, status: 502, act: end("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel")},
		{name: "closes in a large body", reason: stats.Truncated, act: end("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + large)},
		{name: "closes in a chunked body", reason: stats.Truncated, act: end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n19000\r\n" + large + "\r\n")},
		{name: "breaks its chunks", reason: stats.Protocol, act: end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n19000\r\n" + large + "\r\nzz\r\n")},
		{name: "talks garbage", reason: stats.Protocol, status: 502, act: end("SSH-2.0-OpenSSH_9\r\n\r\n")},
		{name: "has two lengths", reason: stats.Protocol, status: 502, act: end("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx")},
		{name: "fails", reason: stats.Status, status: 503, act: func(c *upConn, _ string) { c.write(broken) }},
	}
}

// told is the only right answer to a request of path.
func told(path string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(path), path)
}

// pathOf is the path of a request as an endpoint sees it.
func pathOf(request string) string {
	_, rest, _ := strings.Cut(request, " ")
	path, _, _ := strings.Cut(rest, " ")
	return path
}

// endpoint answers each request with its path or, whenever faulty says so, does
// what act does; it counts how often.
func (f *fault) endpoint(t testing.TB, faulty func() bool) (*script, *atomic.Int64) {
	done := new(atomic.Int64)
	if f.act == nil {
		return refuses(t), done
	}
	s := new(script)
	s.rawUpstream = newUpstream(t, func(c *upConn) {
		for {
			request := c.request()
			if request == "" {
				return
			}
			s.requests.Add(1)
			if path := pathOf(request); faulty() {
				done.Add(1)
				f.act(c, path)
			} else {
				c.write(told(path))
			}
		}
	})
	return s, done
}

func always() bool { return true }
func never() bool  { return false }

// bombard sends requests from several clients at once, each for a path of its
// own, and counts the statuses; 0 stands for an answer that was visibly cut off.
func bombard(t *testing.T, w *world, clients, requests int) (statuses map[int]int) {
	t.Helper()
	statuses = make(map[int]int)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for k := range clients {
		wg.Go(func() {
			for i := range requests {
				path := fmt.Sprintf("/of/%d/%d", k, i)
				c := w.dial()
				_ = c.SetDeadline(time.Now().Add(20 * time.Second))
				c.send("GET " + path + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
				status, wrong := understood(c, path)
				c.Close()
				mu.Lock()
				if statuses[status]++; wrong != "" {
					t.Errorf("%s: %s", path, wrong)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return statuses
}

// understood reads an answer to a request of path, and tells what is wrong with it.
func understood(c *client, path string) (status int, wrong string) {
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		return -1, fmt.Sprintf("no answer: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil && isTimeout(err):
		return -1, "no end"
	case err != nil:
		return 0, ""
	case resp.StatusCode == 200 && string(body) != path:
		return 200, fmt.Sprintf("the body is %.40q of %d bytes", body, len(body))
	}
	return resp.StatusCode, ""
}

// onTrial is a world whose first version is a candidate with all requests, and
// its second stable.
func onTrial(t *testing.T, change func(*route.Service), candidate []*script, stable *script) *world {
	return fleet(t, func(s *route.Service, _ *Options) {
		s.Timeout, s.IdleTimeout, s.ConnectTimeout = faultLimit, faultLimit, faultLimit
		s.Stable, s.Mixed, s.Rollout = 1, true, "r1"
		change(s)
	}, candidate, []*script{stable})
}

const (
	faultClients  = 6
	faultRequests = 1
	faultAll      = faultClients * faultRequests
)

func TestFaults_EachCountsOnItsVersionAndHarmsNobodyElse(t *testing.T) {
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			bad, _ := f.endpoint(t, always)
			good, _ := (&fault{act: f.act, name: "good"}).endpoint(t, never)
			if f.act == nil {
				good = truthful(t)
			}
			w := onTrial(t, func(*route.Service) {}, []*script{bad}, good)
			start := time.Now()
			statuses := bombard(t, w, faultClients, faultRequests)
			if took := time.Since(start); took > faultRequests*faultLimit+10*time.Second {
				t.Errorf("it took %s", took)
			}
			if statuses[f.status] != faultAll {
				t.Errorf("statuses %v, want %d of %d", statuses, faultAll, f.status)
			}
			candidate, stable := w.settled(0), w.settled(1)
			if f.reason == stats.None && candidate.Errors() != 0 || f.reason != stats.None && (candidate.Errors() != faultAll || candidate.Reasons[f.reason] != faultAll) {
				t.Errorf("candidate's reasons %v, want %d of %v", candidate.Reasons, faultAll, f.reason)
			}
			if candidate.Ended() != faultAll || stable.Begun() != 0 || good.requests.Load() != 0 {
				t.Errorf("candidate ended %d, stable began %d", candidate.Ended(), stable.Begun())
			}
		})
	}
}

// truthful is an endpoint that answers each request with its path.
func truthful(t testing.TB) *script {
	s, _ := (&fault{act: func(*upConn, string) {}}).endpoint(t, never)
	return s
}

func TestFaults_ShieldGivesTheGoodAnswer(t *testing.T) {
	for _, f := range faults() {
		if f.reason == stats.Timeout && f.status != 0 {
			continue // its time is over: see TestShield_HangingCandidateLeavesTimeForStable
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			bad, _ := f.endpoint(t, always)
			w := onTrial(t, func(s *route.Service) {
				s.SetReplays(route.Retry{Attempts: 1}, true, nil)
			}, []*script{bad}, truthful(t))
			funds(w)
			statuses := bombard(t, w, faultClients, faultRequests)
			want := 200
			if f.status == 0 {
				want = 0 // the client has seen a part of it
			}
			if statuses[want] != faultAll {
				t.Errorf("statuses %v, want %d of %d", statuses, faultAll, want)
			}
			candidate, stable := w.settled(0), w.settled(1)
			if f.reason != stats.None && (candidate.Errors() != faultAll || candidate.Reasons[f.reason] != faultAll) {
				t.Errorf("candidate's reasons %v, want %d of %v", candidate.Reasons, faultAll, f.reason)
			}
			if shielded := candidate.Retries[stats.ShieldCause]; stable.Errors() != 0 || stable.Lanes != [stats.Lanes]uint64{stats.Split: 1_000, stats.Replay: shielded} {
				t.Errorf("stable's lanes %v, reasons %v; %d shielded", stable.Lanes, stable.Reasons, shielded)
			}
		})
	}
}

// funds gives every version the budget of a thousand requests.
func funds(w *world) {
	for _, v := range w.service.Versions {
		for range 1_000 {
			token := v.Recorder.Begin(0, stats.Split, w.handler.Now(), -1)
			v.Recorder.End(&token, w.handler.Now(), stats.Outcome{Status: 200})
		}
	}
}

func TestFaults_RetryFindsTheGoodEndpoint(t *testing.T) {
	for _, f := range faults() {
		if f.reason == stats.Timeout && f.status != 0 {
			continue // its time is over: see TestRetry_RepeatsWhatBroke
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			bad, done := f.endpoint(t, always)
			w := onTrial(t, func(s *route.Service) {
				s.SetReplays(route.Retry{Attempts: 3, Connect: true, Reset: true, Status: route.Statuses(503)}, false, nil)
			}, []*script{bad, truthful(t)}, truthful(t))
			funds(w)
			statuses := bombard(t, w, faultClients, faultRequests)
			candidate, stable := w.settled(0), w.settled(1)
			failed := candidate.Errors()
			if f.act != nil && f.reason != stats.None && failed != uint64(done.Load()) || candidate.Reasons[f.reason] != failed && f.reason != stats.None {
				t.Errorf("candidate's reasons %v, %d attempts failed", candidate.Reasons, done.Load())
			}
			wantCut := 0
			if f.status == 0 {
				wantCut = int(failed)
			}
			if statuses[200] != faultAll-wantCut || statuses[0] != wantCut {
				t.Errorf("statuses %v, want %d cut off and all else 200", statuses, wantCut)
			}
			if stable.Ended() != 1_000 {
				t.Errorf("stable ended %d of others' requests", stable.Ended()-1_000)
			}
		})
	}
}

func TestFaults_FlappingEndpointLosesNothingWithRetries(t *testing.T) {
	for _, f := range faults() {
		if f.act == nil || f.status == 0 || f.reason == stats.Timeout || f.reason == stats.None {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			var turn atomic.Int64
			flapping, done := f.endpoint(t, func() bool { return turn.Add(1)/3%2 == 0 })
			w := onTrial(t, func(s *route.Service) {
				s.SetReplays(route.Retry{Attempts: 4, Reset: true, Status: route.Statuses(503)}, false, nil)
			}, []*script{flapping, truthful(t)}, truthful(t))
			funds(w)
			if statuses := bombard(t, w, faultClients, 5); statuses[200] != faultClients*5 {
				t.Errorf("statuses %v", statuses)
			}
			candidate := w.settled(0)
			// One that broke a kept connection without a byte is asked again uncounted.
			failed := uint64(done.Load()) - w.handler.StaleRetries()
			if candidate.Errors() != failed || candidate.Reasons[f.reason] != failed {
				t.Errorf("candidate's reasons %v, %d attempts failed", candidate.Reasons, failed)
			}
		})
	}
}
