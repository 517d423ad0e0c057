package proxy

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
)

// fFails checks the answer of ours when an endpoint does not do its part, and
// that it counts once, with its reason.
func fFails(t *testing.T, w *world, request string, status int, reason stats.Reason) {
	t.Helper()
	c := w.dial()
	c.send(request)
	resp, _ := c.answer("GET")
	if resp.StatusCode != status || resp.Header.Get("X-Weir-Reason") != reason.String() {
		t.Errorf("got %d, reason %q, want %d, %q", resp.StatusCode, resp.Header.Get("X-Weir-Reason"), status, reason)
	}
	totals := w.totals(0)
	if totals.Errors() != 1 || totals.Reasons[reason] != 1 || totals.Codes[status] != 1 || totals.Ended() != 1 {
		t.Errorf("want one outcome %q with status %d, got reasons %v of %d", reason, status, totals.Reasons, totals.Ended())
	}
}

func TestFailure_EachReasonHasItsAnswer(t *testing.T) {
	f := func(name string, status int, reason stats.Reason, serve func(c *upConn)) {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, serve)
			w := newWorld(t, func(s *route.Service, _ *Options) {
				s.Timeout, s.IdleTimeout = 100*time.Millisecond, 100*time.Millisecond
			}, u)
			fFails(t, w, get, status, reason)
			if n := w.service.Versions[0].Pool.Endpoints()[0].Connections(); n != 0 {
				t.Errorf("%d connections are kept, want none", n)
			}
		})
	}
	say := func(answer string) func(c *upConn) {
		return func(c *upConn) {
			c.request()
			c.write(answer)
		}
	}
	hold := func(answer string) func(c *upConn) {
		return func(c *upConn) {
			c.request()
			c.write(answer)
			c.head() // until the proxy closes
		}
	}
	f("closed without a byte", 502, stats.Reset, say(""))
	f("reset", 502, stats.Reset, func(c *upConn) { c.request(); c.reset() })
	f("closed in the head", 502, stats.Reset, say("HTTP/1.1 200 OK\r\nConte"))
	f("silent", 504, stats.Timeout, hold(""))
	f("silent in the head", 504, stats.Timeout, hold("HTTP/1.1 200 OK\r\n"))
	f("small body cut", 502, stats.Truncated, say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"))
	f("small body silent", 504, stats.Timeout, hold("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"))
	f("garbage", 502, stats.Protocol, hold("SSH-2.0-OpenSSH\r\n\r\n"))
	f("bare LF", 502, stats.Protocol, hold("HTTP/1.1 200 OK\nContent-Length: 0\n\n"))
	f("two lengths", 502, stats.Protocol, hold("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"))
	f("length and chunked", 502, stats.Protocol, hold("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"))
	f("fold", 502, stats.Protocol, hold("HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n"))
	f("NUL", 502, stats.Protocol, hold("HTTP/1.1 200 OK\r\nA: b\x00\r\nContent-Length: 0\r\n\r\n"))
	f("101 unasked", 502, stats.Protocol, hold("HTTP/1.1 101 Switching Protocols\r\n\r\n"))
	f("1xx flood", 502, stats.Protocol, hold(strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 17)))
	f("head too large", 502, stats.Protocol, hold("HTTP/1.1 200 OK\r\nA: "+strings.Repeat("x", 32<<10)))
}

func TestFailure_NoListenerIsConnect(t *testing.T) {
	u := answering(t, hello)
	w := newWorld(t, nil, u)
	u.close()
	fFails(t, w, get, 502, stats.Connect)
}

func TestFailure_EndpointsDownAreExhausted(t *testing.T) {
	w := newWorld(t, nil, answering(t, hello))
	w.service.Versions[0].Pool.Endpoints()[0].SetUp(false)
	fFails(t, w, get, 503, stats.Exhausted)
}

func TestFailure_ServerErrorCountsAndPasses(t *testing.T) {
	w := newWorld(t, nil, answering(t, "HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno"))
	c := w.dial()
	c.send(get)
	c.expect("HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno")
	if totals := w.totals(0); totals.Reasons[stats.Status] != 1 || totals.Codes[500] != 1 {
		t.Errorf("reasons %v", totals.Reasons)
	}
}

func TestFailure_TruncatedStreamNeverLooksWhole(t *testing.T) {
	big := strings.Repeat("x", 100<<10)
	f := func(name, request, answer string, clean bool) {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, func(c *upConn) {
				c.request()
				c.write(answer)
				time.Sleep(20 * time.Millisecond) // what was written arrives before the reset
				if !clean {
					c.reset()
				}
			})
			w := newWorld(t, nil, u)
			c := w.dial()
			c.send(request)
			resp, err := http.ReadResponse(c.br, nil)
			if err == nil {
				_, err = io.ReadAll(resp.Body)
			}
			if (err == nil) != clean {
				t.Errorf("reading the body: %v, want whole: %v", err, clean)
			}
			want := stats.Truncated
			if clean {
				want = stats.None
			}
			if totals := w.totals(0); totals.Errors() != totals.Reasons[want] || totals.Ended() != 1 {
				t.Errorf("reasons %v, want %v", totals.Reasons, want)
			}
		})
	}
	old := "GET / HTTP/1.0\r\nHost: h\r\n\r\n"
	f("length", get, "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n"+big, false)
	f("chunked", get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", false)
	f("chunked to an old client", old, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", false)
	f("to the end", get, "HTTP/1.1 200 OK\r\n\r\nhello", false)
	f("to the end, whole", get, "HTTP/1.1 200 OK\r\n\r\nhello", true)
	f("to the end, whole, to an old client", old, "HTTP/1.1 200 OK\r\n\r\nhello", true)
}

func TestFailure_BrokenChunksEndTheConnection(t *testing.T) {
	begun := make(chan struct{})
	w := newWorld(t, nil, newUpstream(t, func(c *upConn) {
		c.request()
		c.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		<-begun
		c.write("zz\r\n")
		c.head()
	}))
	c := w.dial()
	c.send(get)
	c.expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	close(begun)
	c.expectEnd()
	if totals := w.totals(0); totals.Reasons[stats.Protocol] != 1 {
		t.Errorf("reasons %v", totals.Reasons)
	}
}

func TestFailure_StaleConnectionIsInvisible(t *testing.T) {
	f := func(request string, wantOK bool) {
		t.Helper()
		var requests atomic.Int64
		u := newUpstream(t, func(c *upConn) {
			if c.request() != "" {
				requests.Add(1)
				c.write(hello)
			}
			if c.n == 1 {
				c.head() // takes the second request and dies
			}
		})
		w := newWorld(t, nil, u)
		c := w.dial()
		c.send(get)
		c.expect(hello)
		c.send(request)
		resp, _ := c.answer("GET")
		if ok := resp.StatusCode == 200; ok != wantOK {
			t.Errorf("%.4s: status %d", request, resp.StatusCode)
		}
		totals := w.totals(0)
		if wantOK && (totals.Ended() != 2 || totals.Errors() != 0 || w.handler.StaleRetries() != 1) {
			t.Errorf("%.4s: %d outcomes, %d errors, %d retries", request, totals.Ended(), totals.Errors(), w.handler.StaleRetries())
		}
		if !wantOK && (totals.Reasons[stats.Reset] != 1 || requests.Load() != 1) {
			t.Errorf("%.4s: reasons %v, upstream saw %d requests", request, totals.Reasons, requests.Load())
		}
	}
	f(get, true)
	f("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx", true)
	f("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx", false) // it may have been carried out
}

func TestFailure_PostAvoidsConnectionsThatEnded(t *testing.T) {
	closed := make(chan struct{}, 1)
	u := newUpstream(t, func(c *upConn) {
		c.request()
		c.write(hello)
		if c.n == 1 {
			c.Close()
			closed <- struct{}{}
			return
		}
		c.head()
	})
	c := newWorld(t, nil, u).dial()
	c.send(get)
	c.expect(hello)
	<-closed
	time.Sleep(10 * time.Millisecond)
	c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx")
	c.expect(hello)
}

func TestFailure_DirtyConnectionsAreNotUsedAgain(t *testing.T) {
	f := func(name, answer, want string) {
		t.Helper()
		u := answering(t, answer)
		c := newWorld(t, nil, u).dial()
		for range 2 {
			c.send(get)
			c.expect(want)
		}
		if n := u.conns.Load(); n != 2 {
			t.Errorf("%s: %d upstream connections for 2 requests, want 2", name, n)
		}
	}
	f("extra bytes", hello+"extra", hello)
	f("close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	f("HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	f("204 with a body", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 204 No Content\r\n\r\n")
}

func TestFailure_BytesNobodyAskedForAnswerNobody(t *testing.T) {
	spoken := make(chan struct{}, 1)
	u := newUpstream(t, func(c *upConn) {
		c.request()
		c.write(hello)
		if c.n == 1 {
			time.Sleep(20 * time.Millisecond) // the connection is idle by now
			c.write("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
			spoken <- struct{}{}
		}
		c.head()
	})
	c := newWorld(t, nil, u).dial()
	c.send(get)
	c.expect(hello)
	<-spoken
	time.Sleep(10 * time.Millisecond)
	c.send(get)
	c.expect(hello)
}

func TestFailure_ClientThatLeavesIsNobodysError(t *testing.T) {
	stop := make(chan struct{})
	u := newUpstream(t, func(c *upConn) {
		c.request()
		c.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				c.write("5\r\nhello\r\n")
			}
		}
	})
	w := newWorld(t, nil, u)
	t.Cleanup(func() { close(stop) })
	c := w.dial()
	c.send(get)
	c.expect("HTTP/1.1 200 OK\r\n")
	c.Close()
	if totals := w.totals(0); totals.Errors() != 0 || totals.Reasons[stats.ClientLeft] != 1 {
		t.Errorf("reasons %v", totals.Reasons)
	}
}

func TestFailure_PanicCostsOneRequest(t *testing.T) {
	w := newWorld(t, nil, answering(t, hello))
	good := w.tables.Load()
	// A version without a recorder is a defect that dispatch runs into.
	broken := *w.service
	broken.Versions = []*route.Version{{Name: "x", Pool: w.service.Versions[0].Pool}}
	w.publish(&route.Route{Service: &broken})
	c := w.dial()
	c.send(get)
	if resp, _ := c.answer("GET"); resp.StatusCode != 500 || resp.Header.Get("X-Weir-Reason") != "internal" {
		t.Errorf("status %d", resp.StatusCode)
	}
	w.tables.Store(good)
	c = w.dial()
	c.send(get)
	c.expect(hello)
	if w.handler.Panics() != 1 {
		t.Errorf("%d panics", w.handler.Panics())
	}
	w.totals(0)
}
