package proxy

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
)

const (
	hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
	get   = "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"
)

// recording is an upstream that gives the answer and reports each request.
func recording(t *testing.T, answer string) (*rawUpstream, chan string) {
	seen := make(chan string, 100)
	return newUpstream(t, func(c *upConn) {
		for {
			r := c.request()
			if r == "" {
				return
			}
			seen <- r
			c.write(answer)
		}
	}), seen
}

func TestForward_PassesRequestAndAnswerOnByteForByte(t *testing.T) {
	u, seen := recording(t, "HTTP/1.1 200 Fine\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nx-lower: 1\r\nX-UPPER: 2\r\n"+
		"Set-Cookie: a=1\r\nSet-Cookie: a=2\r\nContent-Length: 5\r\nServer: s\r\n\r\nhello")
	w := newWorld(t, nil, u)
	c := w.dial()
	for range 3 {
		c.send("POST /a%2Fb//c?x=%41&y HTTP/1.1\r\nhOST: Shop.Test\r\nX-b: 1\r\nx-A: 2\r\nCookie: a=\"1\"; b\r\nX-b: 3\r\nContent-Length: 3\r\n\r\nabc")
		c.expect("HTTP/1.1 200 Fine\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nx-lower: 1\r\nX-UPPER: 2\r\n" +
			"Set-Cookie: a=1\r\nSet-Cookie: a=2\r\nServer: s\r\nContent-Length: 5\r\n\r\nhello")
		want := "POST /a%2Fb//c?x=%41&y HTTP/1.1\r\nHost: Shop.Test\r\nX-b: 1\r\nx-A: 2\r\nCookie: a=\"1\"; b\r\nX-b: 3\r\n" +
			"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: Shop.Test\r\nX-Forwarded-Port: " + port(w.addr) +
			"\r\nContent-Length: 3\r\n\r\nabc"
		if got := <-seen; got != want {
			t.Fatalf("upstream saw %q, want %q", got, want)
		}
	}
	if n := u.conns.Load(); n != 1 {
		t.Errorf("upstream connections %d, want 1", n)
	}
	if totals := w.totals(0); totals.Codes[200] != 3 || totals.Lanes[stats.Split] != 3 || totals.Errors() != 0 {
		t.Errorf("totals: %d answers of 200, %d split, %d errors", totals.Codes[200], totals.Lanes[stats.Split], totals.Errors())
	}
}

func TestForward_RemovesWhatIsForTheNextHopOnly(t *testing.T) {
	u, seen := recording(t, "HTTP/1.1 200 OK\r\nConnection: X-Up\r\nX-Up: 1\r\nKeep-Alive: timeout=5\r\nX-Kept: 1\r\nContent-Length: 0\r\n\r\n")
	w := newWorld(t, nil, u)
	c := w.dial()
	c.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Authorization: x\r\n" +
		"Proxy-Connection: keep-alive\r\nTE: trailers\r\nUpgrade: websocket\r\nX-Kept: 1\r\n\r\n")
	c.expect("HTTP/1.1 200 OK\r\nX-Kept: 1\r\nContent-Length: 0\r\n\r\n")
	head, _, _ := strings.Cut(<-seen, "X-Forwarded-For")
	if want := "GET / HTTP/1.1\r\nHost: h\r\nX-Kept: 1\r\n"; head != want {
		t.Errorf("upstream saw %q, want %q", head, want)
	}
}

func TestForward_BelievesForwardedFieldsOfTrustedProxiesOnly(t *testing.T) {
	request := "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 6.6.6.6, 10.0.0.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: out\r\n\r\n"
	f := func(name string, trusted []netip.Prefix, wantFields []string) {
		t.Helper()
		u, seen := recording(t, hello)
		w := newWorld(t, func(_ *route.Service, o *Options) { o.TrustedProxies = trusted }, u)
		c := w.dial()
		c.send(request)
		c.answer("GET")
		_, fields, _ := strings.Cut(<-seen, "Host: h\r\n")
		for _, want := range wantFields {
			if strings.Count(fields, want) != 1 {
				t.Errorf("%s: upstream saw %q, want one %q", name, fields, want)
			}
		}
		if strings.Count(fields, "X-Forwarded-") != 4 {
			t.Errorf("%s: upstream saw %q, want four X-Forwarded fields", name, fields)
		}
	}
	f("untrusted", nil, []string{"X-Forwarded-For: 127.0.0.1\r\n", "X-Forwarded-Proto: http\r\n", "X-Forwarded-Host: h\r\n"})
	f("trusted", []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		[]string{"X-Forwarded-For: 6.6.6.6, 10.0.0.9, 127.0.0.1\r\n", "X-Forwarded-Proto: https\r\n", "X-Forwarded-Host: out\r\n"})
}

func TestExchange_ClientAddressIsTheRightmostUntrusted(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	f := func(trustPeer bool, want string, forwarded ...string) {
		t.Helper()
		head := "GET / HTTP/1.1\r\nHost: h\r\n"
		for _, v := range forwarded {
			head += "X-Forwarded-For: " + v + "\r\n"
		}
		x := newExchange(&Handler{options: Options{TrustedProxies: trusted}})
		x.conn = &clientConn{address: []byte("127.0.0.1"), trusted: trustPeer}
		if r := x.head.parse([]byte("GET"), slash, []byte("HTTP/1.1"), []byte(head[len("GET / HTTP/1.1\r\n"):]+"\r\n")); r != Accepted {
			t.Fatal(r)
		}
		if got := string(x.clientAddress()); got != want {
			t.Errorf("%v: got %q, want %q", forwarded, got, want)
		}
	}
	f(false, "127.0.0.1", "6.6.6.6")
	f(true, "127.0.0.1")
	f(true, "6.6.6.6", "6.6.6.6")
	f(true, "6.6.6.6", "7.7.7.7, 6.6.6.6, 10.1.1.1")
	f(true, "6.6.6.6", "7.7.7.7", "6.6.6.6, 10.1.1.1", "10.2.2.2")
	f(true, "10.1.1.1", "7.7.7.7, nonsense, 10.1.1.1")
	f(true, "2001:db8::1", "2001:db8::1")
}

func TestAppendTarget_StripsThePrefixFromRawBytes(t *testing.T) {
	f := func(target, strip, want string) {
		t.Helper()
		h := &requestHead{}
		h.target, h.path = []byte(target), []byte(target)
		if i := strings.IndexByte(target, '?'); i >= 0 {
			h.path = h.path[:i]
		}
		if got := string(appendTarget(nil, h, strip)); got != want {
			t.Errorf("%q less %q: got %q, want %q", target, strip, got, want)
		}
	}
	f("/shop/a%2Fb?q=/shop/", "/shop", "/a%2Fb?q=/shop/")
	f("/shop/", "/shop/", "/")
	f("/shop?x", "/shop", "/?x")
	f("/shop", "/shop", "/")
	f("/shopping", "/shop", "/shopping")
	f("/a", "", "/a")
	f("*", "/shop", "*")
}

func TestForward_HostPolicies(t *testing.T) {
	f := func(change func(s *route.Service), want func(u *rawUpstream) string) {
		t.Helper()
		u, seen := recording(t, hello)
		w := newWorld(t, func(s *route.Service, _ *Options) { change(s) }, u)
		c := w.dial()
		c.send("GET http://Shop.Test:81/x HTTP/1.1\r\nHost: other\r\n\r\n")
		c.answer("GET")
		got := <-seen
		if !strings.HasPrefix(got, "GET /x HTTP/1.1\r\nHost: "+want(u)+"\r\n") {
			t.Errorf("upstream saw %q, want Host %q", got, want(u))
		}
	}
	f(func(*route.Service) {}, func(*rawUpstream) string { return "Shop.Test:81" })
	f(func(s *route.Service) { s.HostPolicy = route.HostEndpoint }, func(u *rawUpstream) string { return u.ln.Addr().String() })
	f(func(s *route.Service) { s.HostPolicy, s.Host = route.HostLiteral, "lit.test" }, func(*rawUpstream) string { return "lit.test" })
}

func TestForward_AnswersWithoutBodyKeepTheirLengthAndTheConnection(t *testing.T) {
	f := func(method, answer, want string) {
		t.Helper()
		w := newWorld(t, nil, answering(t, answer))
		c := w.dial()
		for range 2 {
			c.send(method + " / HTTP/1.1\r\nHost: h\r\n\r\n")
			c.expect(want)
		}
	}
	f("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
	f("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n")
	f("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: x\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 99\r\n\r\n")
	f("GET", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n")
	f("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
}

func TestForward_OldClientsGetAnEndOrALength(t *testing.T) {
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	w := newWorld(t, nil, answering(t, chunked))
	if got, want := w.exchange("GET / HTTP/1.0\r\nHost: h\r\n\r\n"), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"; got != want {
		t.Errorf("chunked: got %q, want %q", got, want)
	}
	w = newWorld(t, nil, answering(t, hello))
	c := w.dial()
	for range 2 {
		c.send("GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n")
		c.expect("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello")
	}
	c.send("GET / HTTP/1.0\r\nHost: h\r\n\r\n")
	c.expect("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
	c.expectEnd()
}

func TestForward_PipelinedRequestsGetTheirAnswersInOrder(t *testing.T) {
	u := newUpstream(t, func(c *upConn) {
		for {
			r := c.request()
			if r == "" {
				return
			}
			path := strings.Fields(r)[1]
			c.write(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(path), path))
		}
	})
	c := newWorld(t, nil, u).dial()
	var all strings.Builder
	for i := range 50 {
		fmt.Fprintf(&all, "POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n\n\n", i)
	}
	c.send(all.String())
	for i := range 50 {
		if _, body := c.answer("POST"); body != fmt.Sprint("/", i) {
			t.Fatalf("answer %d is %q", i, body)
		}
	}
}

func TestForward_PipelinedAnswerDoesNotWaitForTheNext(t *testing.T) {
	release := make(chan struct{})
	u := newUpstream(t, func(c *upConn) {
		for r := c.request(); r != ""; r = c.request() {
			if strings.HasPrefix(r, "GET /slow") {
				<-release
			}
			c.write(hello)
		}
	})
	c := newWorld(t, nil, u).dial()
	c.send("GET /fast HTTP/1.1\r\nHost: h\r\n\r\nGET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
	c.expect(hello)
	close(release)
	c.expect(hello)
}

func TestForward_PassesEarlyHintsAndDropsContinue(t *testing.T) {
	w := newWorld(t, nil, answering(t, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"+hello))
	c := w.dial()
	for range 2 {
		c.send(get)
		c.expect("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + hello)
	}
}

func TestForward_ServerSentEventsArriveAtOnce(t *testing.T) {
	next := make(chan string)
	u := newUpstream(t, func(c *upConn) {
		c.request()
		c.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
		for s := range next {
			c.write(fmt.Sprintf("%x\r\n%s\r\n", len(s), s))
		}
		c.write("0\r\n\r\n")
	})
	w := newWorld(t, nil, u)
	c := w.dial()
	c.send(get)
	c.expect("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
	for _, event := range []string{"data: 1\n\n", "data: 2\n\n"} {
		next <- event
		c.expect("9\r\n" + event + "\r\n")
	}
	close(next)
	c.expect("0\r\n\r\n")
	if totals := w.totals(0); totals.Codes[200] != 1 || totals.Errors() != 0 {
		t.Errorf("%d answers, %d errors", totals.Codes[200], totals.Errors())
	}
}

func TestForward_LatencyBeginsWhenTheRequestWasSent(t *testing.T) {
	w := newWorld(t, nil, answering(t, hello))
	c := w.dial()
	c.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
	time.Sleep(200 * time.Millisecond)
	c.send("1\r\nx\r\n0\r\n\r\n")
	c.answer("POST")
	if totals := w.totals(0); totals.LatencySum > 150*time.Millisecond {
		t.Errorf("latency %v counts the client's upload", totals.LatencySum)
	}
}
