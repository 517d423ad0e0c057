package proxy

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

// candidateFirst makes the first version a candidate that has all requests, and
// the second stable.
func candidateFirst(r route.Retry, shield bool, f func(s *route.Service) *route.Fallback) func(*route.Service, *Options) {
	return func(s *route.Service, _ *Options) {
		s.Stable, s.Mixed, s.Rollout = 1, true, "r1"
		var other *route.Fallback
		if f != nil {
			other = f(s)
		}
		s.SetReplays(r, shield, other)
	}
}

func TestShield_UsersGetTheGoodAnswer(t *testing.T) {
	f := func(name string, reason stats.Reason, candidate *script) {
		t.Run(name, func(t *testing.T) {
			stable := gives(t, hello)
			w := fleet(t, candidateFirst(route.Retry{Attempts: 3}, true, nil), []*script{candidate}, []*script{stable})
			trials := []*stats.Trial{stats.NewTrial(nil, false, nil), stats.NewTrial(nil, false, nil)}
			for i, trial := range trials {
				w.service.Versions[i].Recorder.Arm(trial)
			}
			if status, body := w.asks(get); status != 200 || body != "hello" {
				t.Errorf("status %d %q", status, body)
			}
			bad, good := w.settled(0), w.settled(1)
			if bad.Errors() != 1 || bad.Reasons[reason] != 1 || bad.Codes[0] != 1 || bad.Retries[stats.ShieldCause] != 1 || bad.Begun() != 1 {
				t.Errorf("candidate: lanes %v, reasons %v, retries %v", bad.Lanes, bad.Reasons, bad.Retries)
			}
			if good.Errors() != 0 || good.Codes[200] != 1 || good.Lanes[stats.Replay] != 1 || good.Begun() != 1 {
				t.Errorf("stable: lanes %v, reasons %v", good.Lanes, good.Reasons)
			}
			if a, b := evidence(w, trials[0]), evidence(w, trials[1]); a.Started != 1 || a.Errors != 1 || b.Started != 0 {
				t.Errorf("evidence: candidate %d of %d, stable %d of %d", a.Errors, a.Started, b.Errors, b.Started)
			}
		})
	}
	f("error", stats.Status, gives(t, broken))
	f("refused", stats.Connect, refuses(t))
	f("reset", stats.Reset, resets(t))
	f("garbage", stats.Protocol, gives(t, "SSH-2.0\r\n\r\n"))
	f("small body cut", stats.Truncated, newScript(t, func(_ int, c *upConn) {
		c.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel")
		c.Close()
	}))
	f("large error", stats.Status, newScript(t, func(_ int, c *upConn) {
		c.write("HTTP/1.1 500 Oh\r\nContent-Length: 1000000\r\n\r\nhalf")
		c.head()
	}))
}

// evidence sums all ticks of a trial.
func evidence(w *world, trial *stats.Trial) (sum stats.Outcomes) {
	var out stats.Outcomes
	for tick := range stats.TickOf(w.handler.Now()) + 1 {
		trial.Outcomes(tick, &out)
		sum.Started += out.Started
		sum.Errors += out.Errors
		sum.Ended += out.Ended
		sum.ClientErrors += out.ClientErrors
	}
	return sum
}

func TestShield_HangingCandidateLeavesTimeForStable(t *testing.T) {
	hang := newScript(t, func(_ int, c *upConn) { c.head() })
	w := fleet(t, candidateFirst(route.Retry{Attempts: 2, Timeout: true, Attempt: 50 * time.Millisecond}, true, nil),
		[]*script{hang}, []*script{gives(t, hello)})
	if status, _ := w.asks(get); status != 200 {
		t.Errorf("status %d", status)
	}
	if totals := w.settled(0); totals.Reasons[stats.Timeout] != 1 || totals.Retries[stats.ShieldCause] != 1 {
		t.Errorf("reasons %v, retries %v", totals.Reasons, totals.Retries)
	}
}

func TestShield_LeavesAloneWhatItMust(t *testing.T) {
	f := func(name, request string, change func(*route.Service), status int) {
		t.Helper()
		candidate, stable := gives(t, broken), gives(t, hello)
		w := fleet(t, candidateFirst(route.Retry{Attempts: 3}, true, nil), []*script{candidate}, []*script{stable})
		change(w.service)
		if got, _ := w.asks(request); got != status {
			t.Errorf("%s: status %d, want %d", name, got, status)
		}
		w.settled(0)
		if n := stable.requests.Load(); n != 0 {
			t.Errorf("%s: stable saw %d requests", name, n)
		}
	}
	f("POST", post, func(*route.Service) {}, 503)
	f("stable's own failure", get, func(s *route.Service) { s.Stable = 0 }, 503)
	f("no budget", get, func(s *route.Service) { s.Versions[1].Budget = nil }, 503)
	f("stable down", get, func(s *route.Service) { s.Versions[1].Pool.Endpoints()[0].SetUp(false) }, 503)
}

func TestShield_WithoutAnAnswerOfStableTheCandidatesIsGiven(t *testing.T) {
	for _, stable := range []*script{refuses(t), resets(t)} {
		w := fleet(t, candidateFirst(route.Retry{Attempts: 3}, true, nil), []*script{gives(t, broken)}, []*script{stable})
		if status, body := w.asks(get); status != 503 || body != "broken" {
			t.Errorf("got %d %q", status, body)
		}
		bad, good := w.settled(0), w.settled(1)
		if bad.Codes[503] != 1 || bad.Errors() != 1 || good.Codes[0] != 1 || good.Errors() != 1 {
			t.Errorf("candidate %v, stable %v", bad.Reasons, good.Reasons)
		}
	}
}

func TestShield_StaysWithinStablesBudget(t *testing.T) {
	candidate, stable := gives(t, broken), gives(t, hello)
	w := fleet(t, candidateFirst(route.Retry{Attempts: 3}, true, nil), []*script{candidate}, []*script{stable})
	start := time.Now()
	c, saved := w.dial(), 0
	for range 100 {
		c.send(get)
		if resp, _ := c.answer("GET"); resp.StatusCode == 200 {
			saved++
		}
	}
	// Stable has no requests of its own here, so all it gives is the floor.
	if most := 3 + 3*int(time.Since(start)/time.Second+1); saved < 3 || saved > most || int(stable.requests.Load()) != saved {
		t.Errorf("%d of 100 were shielded, want 3 to %d; stable saw %d", saved, most, stable.requests.Load())
	}
	if totals := w.settled(0); totals.Denied != uint64(100-saved) || totals.Codes[503] != uint64(100-saved) {
		t.Errorf("%d denied, %d answered 503, %d saved", totals.Denied, totals.Codes[503], saved)
	}
}

const unknown = "HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\nunknown"

// mutual makes two versions each other's fallback.
func mutual(s *route.Service) *route.Fallback {
	return &route.Fallback{
		Status: route.Statuses(404), Methods: []string{"GET", "HEAD"},
		Others: []*route.Version{s.Versions[1], s.Versions[0]},
	}
}

func TestFallback_AsksTheOtherLiveVersion(t *testing.T) {
	chunked := "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nunknown\r\n0\r\n\r\n"
	f := func(name, request, first string, second *script, status int, body string, asked int64) {
		t.Run(name, func(t *testing.T) {
			u := gives(t, first)
			w := fleet(t, candidateFirst(route.Retry{}, false, mutual), []*script{u}, []*script{second})
			trial := stats.NewTrial(nil, false, nil)
			w.service.Versions[0].Recorder.Arm(trial)
			if got, text := w.asks(request); got != status || text != body {
				t.Errorf("got %d %q, want %d %q", got, text, status, body)
			}
			one, other := w.settled(0), w.settled(1)
			if n := second.requests.Load(); n != asked {
				t.Errorf("the other version saw %d requests, want %d", n, asked)
			}
			if one.Begun() != 1 || one.Lanes[stats.Split] != 1 || other.Begun() != other.Lanes[stats.Replay] {
				t.Errorf("lanes %v and %v", one.Lanes, other.Lanes)
			}
			if e := evidence(w, trial); e.Started != 1 || e.Ended != 1 || e.Errors != 0 {
				t.Errorf("evidence %+v", e)
			}
			if sum := one.Codes[status] + other.Codes[status]; sum != 1 || one.Ended()+other.Ended() != one.Begun()+other.Begun() {
				t.Errorf("%d ended with status %d, want 1", sum, status)
			}
		})
	}
	headOf := func(s string) string { return s[:strings.Index(s, "\r\n\r\n")+4] }
	head := "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"
	f("it knows", get, unknown, gives(t, hello), 200, "hello", 1)
	f("chunked 404", get, chunked, gives(t, hello), 200, "hello", 1)
	f("HEAD", head, headOf(unknown), gives(t, headOf(hello)), 200, "", 1)
	f("it does not know either", get, unknown, gives(t, "HTTP/1.1 404 Other\r\nContent-Length: 5\r\n\r\nother"), 404, "unknown", 1)
	f("neither, chunked", get, chunked, gives(t, chunked), 404, "unknown", 1)
	f("it fails", get, unknown, gives(t, broken), 404, "unknown", 1)
	f("it is gone", get, unknown, refuses(t), 404, "unknown", 0)
	f("it breaks", get, unknown, resets(t), 404, "unknown", 1)
	f("POST", post, unknown, gives(t, hello), 404, "unknown", 0)
	f("another status", get, "HTTP/1.1 410 Gone\r\nContent-Length: 4\r\n\r\ngone", gives(t, hello), 410, "gone", 0)
}

func TestFallback_OnlyWhileTheOtherIsLive(t *testing.T) {
	f := func(name string, change func(*route.Service), status int) {
		t.Helper()
		second := gives(t, hello)
		w := fleet(t, candidateFirst(route.Retry{}, false, mutual), []*script{gives(t, unknown)}, []*script{second})
		change(w.service)
		if got, _ := w.asks(get); got != status {
			t.Errorf("%s: status %d, want %d", name, got, status)
		}
		w.settled(0)
	}
	f("live", func(*route.Service) {}, 200)
	f("kept", func(s *route.Service) { s.Fallback.Until = time.Now().Add(time.Hour) }, 200)
	f("kept no more", func(s *route.Service) { s.Fallback.Until = time.Now().Add(-time.Second) }, 404)
	f("nobody else", func(s *route.Service) { s.Fallback.Others[0] = nil }, 404)
	f("down", func(s *route.Service) { s.Versions[1].Pool.Endpoints()[0].SetUp(false) }, 404)
	f("no budget", func(s *route.Service) { s.Versions[0].Budget, s.Versions[1].Budget = nil, nil }, 404)
	f("the other's budget", func(s *route.Service) { s.Versions[0].Budget = nil }, 200)
	f("its own budget", func(s *route.Service) { s.Versions[1].Budget = nil }, 200)
}

func TestFallback_KeepsConnectionsWhoseAnswerWasWhole(t *testing.T) {
	first, second := gives(t, unknown), gives(t, unknown)
	w := fleet(t, candidateFirst(route.Retry{}, false, mutual), []*script{first}, []*script{second})
	c := w.dial()
	for range 3 {
		c.send(get)
		if _, body := c.answer("GET"); body != "unknown" {
			t.Fatalf("body %q", body)
		}
	}
	w.settled(0)
	if a, b := first.conns.Load(), second.conns.Load(); a != 1 || b != 1 {
		t.Errorf("%d and %d connections for 3 requests each, want 1", a, b)
	}
}

func TestShield_HelpsAtACandidatesLimit(t *testing.T) {
	release := make(chan struct{})
	candidate := newScript(t, func(_ int, c *upConn) {
		<-release
		c.write(hello)
	})
	w := fleet(t, candidateFirst(route.Retry{Attempts: 3}, true, nil), []*script{candidate}, []*script{gives(t, hello)})
	w.repool(0, upstream.Policy{Requests: 1})
	free := sync.OnceFunc(func() { close(release) })
	t.Cleanup(free)
	first := w.dial()
	first.send(get)
	waitUntil(t, "the candidate is busy", func() bool { return candidate.requests.Load() == 1 })
	for _, request := range []string{get, post} { // neither was sent
		if status, body := w.asks(request); status != 200 || body != "hello" {
			t.Errorf("%.4s beyond the limit: %d %q", request, status, body)
		}
	}
	free()
	first.expect(hello)
	if totals := w.settled(0); totals.Reasons[stats.Exhausted] != 2 || totals.Retries[stats.ShieldCause] != 2 || totals.Lanes[stats.Split] != 3 {
		t.Errorf("reasons %v, retries %v, lanes %v", totals.Reasons, totals.Retries, totals.Lanes)
	}
	if totals := w.settled(1); totals.Codes[200] != 2 || totals.Lanes[stats.Replay] != 2 {
		t.Errorf("stable: lanes %v", totals.Lanes)
	}
}

func TestFallback_NothingOfTheFirstAnswerIsLeftBehind(t *testing.T) {
	f := func(name, answer, rest string, conns int64) {
		t.Helper()
		asked := make(chan struct{})
		free := sync.OnceFunc(func() { close(asked) })
		first := newScript(t, func(n int, c *upConn) {
			if n > 1 {
				c.write(unknown)
				return
			}
			c.write(answer)
			<-asked
			c.write(rest)
		})
		second := newScript(t, func(n int, c *upConn) {
			if n == 1 {
				free()
			}
			c.write(hello)
		})
		t.Cleanup(free)
		w := fleet(t, candidateFirst(route.Retry{}, false, mutual), []*script{first}, []*script{second})
		for range 2 {
			if status, body := w.asks(get); status != 200 || body != "hello" {
				t.Errorf("%s: got %d %q", name, status, body)
			}
		}
		w.settled(0)
		if n := first.conns.Load(); n != conns {
			t.Errorf("%s: %d connections, want %d", name, n, conns)
		}
	}
	f("whole", unknown, "", 1)
	f("half", "HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\n\r\nhalf", "theother", 2)
	f("close", "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno", "", 2)
	f("chunked", "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n", "0\r\n\r\n", 2)
	f("more than asked for", unknown+"more", "", 2)
}

func TestFallback_TheFirstVersionIsFreeWhileTheOtherAnswers(t *testing.T) {
	release := make(chan struct{})
	second := newScript(t, func(_ int, c *upConn) {
		c.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n")
		<-release
		c.write("3\r\nllo\r\n0\r\n\r\n")
	})
	w := fleet(t, candidateFirst(route.Retry{}, false, mutual), []*script{gives(t, unknown)}, []*script{second})
	free := sync.OnceFunc(func() { close(release) })
	t.Cleanup(free)
	c := w.dial()
	c.send(get)
	waitUntil(t, "the first is free", func() bool {
		return second.requests.Load() == 1 && w.service.Versions[0].Pool.Endpoints()[0].InFlight() == 0
	})
	free()
	if resp, body := c.answer("GET"); resp.StatusCode != 200 || body != "hello" {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
}
