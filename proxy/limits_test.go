package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
)

func TestLimits_ClientThatLeavesEndsItsRequest(t *testing.T) {
	ended := make(chan struct{})
	u := newUpstream(t, func(c *upConn) {
		c.request()
		c.head() // never answers
		close(ended)
	})
	w := newWorld(t, nil, u)
	c := w.dial()
	c.send(get + get) // what it asked for next does not hide that it left
	waitUntil(t, "the request is in flight", func() bool { return w.service.Versions[0].Pool.Endpoints()[0].InFlight() == 1 })
	c.Close()
	select {
	case <-ended:
	case <-time.After(3 * time.Second):
		t.Fatal("the endpoint still works for a client that left")
	}
	if totals := w.totals(0); totals.Reasons[stats.ClientLeft] != 1 || totals.Errors() != 0 {
		t.Errorf("reasons %v", totals.Reasons)
	}
}

func TestLimits_SlowSenderIsAnsweredAndLetGo(t *testing.T) {
	w := newWorld(t, func(_ *route.Service, o *Options) {
		o.MinRate, o.MinRateGrace = 1000, 100*time.Millisecond
	}, answering(t, hello))
	c := w.dial()
	c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n")
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for { // 100 bytes a second, never silent for long
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
				_, _ = c.Write([]byte("x"))
			}
		}
	}()
	started := time.Now()
	if resp, _ := c.answer("POST"); resp.StatusCode != 408 {
		t.Errorf("status %d", resp.StatusCode)
	}
	if took := time.Since(started); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	close(stop)
	<-stopped
}

func TestLimits_SlowReaderIsLetGo(t *testing.T) {
	u := newUpstream(t, func(c *upConn) {
		c.request()
		c.write(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", 1<<30))
		for block := strings.Repeat("x", 64<<10); ; {
			if _, err := c.Write([]byte(block)); err != nil {
				return
			}
		}
	})
	w := newWorld(t, func(_ *route.Service, o *Options) {
		o.MinRate, o.MinRateGrace = 32<<20, 100*time.Millisecond
	}, u)
	c := w.dial()
	c.send(get)
	c.expect("HTTP/1.1 200 OK\r\n") // and reads no more
	waitUntil(t, "the connection is closed", func() bool { return w.server.Connections() == 0 })
	if totals := w.totals(0); totals.Reasons[stats.ClientLeft] != 1 || totals.Errors() != 0 {
		t.Errorf("reasons %v", totals.Reasons)
	}
}

func TestLimits_SlowAnswerIsNoFaultOfItsReader(t *testing.T) {
	const size, pieces = 8 << 10, 8
	u := newUpstream(t, func(c *upConn) {
		c.request()
		c.write(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", 100_000))
		for sent := 0; sent < 100_000; {
			time.Sleep(40 * time.Millisecond)
			n := min(size, 100_000-sent)
			c.write(strings.Repeat("x", n))
			sent += n
		}
	})
	w := newWorld(t, func(_ *route.Service, o *Options) {
		o.MinRate, o.MinRateGrace = 10<<20, 50*time.Millisecond
	}, u)
	c := w.dial()
	c.send(get)
	if resp, body := c.answer("GET"); resp.StatusCode != 200 || len(body) != 100_000 {
		t.Errorf("status %d, %d bytes", resp.StatusCode, len(body))
	}
}

func TestPace_HoldsTheAverageToTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.IntRange(1, 1<<20).Draw(t, "rate")
		o := Options{MinRate: rate, MinRateGrace: time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "grace"))}
		p := newPace(0, time.Hour, &o)
		now := int64(0)
		for range rapid.IntRange(1, 20).Draw(t, "reads") {
			limit := p.deadline(now)
			now += rapid.Int64Range(0, int64(time.Minute)).Draw(t, "wait")
			due := o.MinRateGrace.Seconds() + float64(p.bytes+1)/float64(rate)
			if over := float64(now)/1e9 - due; over > 1e-6 && limit > now || over < -1e-6 && limit < now {
				t.Fatalf("at %d ns with %d bytes: limit %d, want %v s", now, p.bytes, limit, due)
			}
			p.bytes += rapid.Int64Range(0, 1<<20).Draw(t, "bytes")
		}
	})
}

func TestLimits_ConnectionsOfOneClient(t *testing.T) {
	w := newWorld(t, func(_ *route.Service, o *Options) { o.MaxPerClient = 2 }, answering(t, hello))
	a, b := w.dial(), w.dial()
	for _, c := range []*client{a, b} {
		c.send(get)
		c.expect(hello)
	}
	w.dial().expectEnd()
	a.Close()
	waitUntil(t, "the place is free", func() bool { return w.server.Connections() == 1 })
	c := w.dial()
	c.send(get)
	c.expect(hello)
	counts := map[Rejection]uint64{}
	w.handler.Rejections(func(r Rejection, n uint64) { counts[r] = n })
	if counts[TooManyOfClient] != 1 {
		t.Errorf("rejections %v", counts)
	}
}

// Behind a load balancer the client is whom the PROXY header names, once it is
// read, and its network of 64 bits.
func TestLimits_ConnectionsOfOneClientBehindALoadBalancer(t *testing.T) {
	w := newWorld(t, func(_ *route.Service, o *Options) {
		o.MaxPerClient, o.TrustedProxies = 1, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}, answering(t, hello))
	w.addr = w.enter(Entry{ProxyProtocol: true})
	from := func(client string) *client {
		c := w.dial()
		c.send("PROXY TCP6 " + client + " 2001:db8::80 4711 80\r\n" + get)
		return c
	}
	first := from("2001:db8:1:2::a")
	first.expect(hello)
	from("2001:db8:1:2::b").expectEnd()
	from("2001:db8:1:3::a").expect(hello)
	first.Close()
	waitUntil(t, "the place is free", func() bool { return w.server.Connections() == 1 })
	from("2001:db8:1:2::c").expect(hello)
}

func TestLimits_HandshakeHasItsOwn(t *testing.T) {
	w := newWorld(t, func(_ *route.Service, o *Options) {
		o.HandshakeTimeout, o.HeadTimeout = 50*time.Millisecond, time.Hour
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}, answering(t, hello))
	w.addr = w.enter(Entry{ProxyProtocol: true})
	c := w.dial()
	c.send("PROXY TCP4 ") // and no more
	c.expectEnd()
}

func TestLimits_TrustedProxiesSpeakForMany(t *testing.T) {
	w := newWorld(t, func(_ *route.Service, o *Options) {
		o.MaxPerClient, o.TrustedProxies = 1, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}, answering(t, hello))
	for range 3 {
		c := w.dial()
		c.send(get)
		c.expect(hello)
	}
}

func TestClientOf_IsAnAddressOrANetworkOf64Bits(t *testing.T) {
	f := func(a, want string) {
		t.Helper()
		if got := clientOf(netip.MustParseAddr(a)).String(); got != want {
			t.Errorf("%s: got %s, want %s", a, got, want)
		}
	}
	f("192.0.2.1", "192.0.2.1")
	f("::ffff:192.0.2.1", "192.0.2.1")
	f("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::")
	f("fe80::1%eth0", "fe80::")
}

// TestLimits_NoRequestCostsAHundredTimesItsLimit is Envoy's rule of what counts
// as a vulnerability: memory of a hundred times the configured limit.
func TestLimits_NoRequestCostsAHundredTimesItsLimit(t *testing.T) {
	const head, clients = 16 << 10, 8
	f := func(name, request string) {
		t.Helper()
		w := newWorld(t, nil, answering(t, hello))
		w.exchange(get[:len(get)-2] + "Connection: close\r\n\r\n")
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var sending sync.WaitGroup
		bytes := []byte(request)
		for range clients {
			nc, err := net.Dial("tcp", w.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			_ = nc.SetDeadline(time.Now().Add(300 * time.Millisecond))
			sending.Go(func() { _, _ = nc.Write(bytes) })
		}
		sending.Wait()
		time.Sleep(30 * time.Millisecond)
		runtime.ReadMemStats(&after)
		allocated := float64(after.TotalAlloc-before.TotalAlloc) / clients
		t.Logf("%s: %.0f KiB for each client, %.1f times the limit on heads", name, allocated/1024, allocated/head)
		if allocated > 100*head {
			t.Errorf("%s: %.0f bytes are allocated for each client", name, allocated)
		}
	}
	post := "POST / HTTP/1.1\r\nHost: h\r\n"
	f("half a head", "GET / HTTP/1.1\r\nHost: h\r\nX: ")
	f("large head", "GET / HTTP/1.1\r\nHost: h\r\nX: "+strings.Repeat("x", 1<<20))
	f("many fields", "GET / HTTP/1.1\r\nHost: h\r\n"+strings.Repeat("a:\r\n", 1<<18))
	f("many cookies", "GET / HTTP/1.1\r\nHost: h\r\nCookie: "+strings.Repeat("a=b;", 3000)+"\r\n\r\n")
	f("names in Connection", "GET / HTTP/1.1\r\nHost: h\r\nConnection: "+strings.Repeat("a,", 6000)+"\r\n\r\n")
	f("empty lines", strings.Repeat("\r\n", 1<<18))
	f("pipelined", strings.Repeat("GET / HTTP/1.1\r\nHost: h\r\n\r\n", 200))
	f("small chunks", post+"Transfer-Encoding: chunked\r\n\r\n"+strings.Repeat("1\r\nx\r\n", 1<<17))
	f("trailers", post+"Transfer-Encoding: chunked\r\n\r\n0\r\n"+strings.Repeat("a: b\r\n", 1<<16))
	f("extensions", post+"Transfer-Encoding: chunked\r\n\r\n"+strings.Repeat("1;a=b\r\nx\r\n", 1<<16))
	f("huge length", post+"Content-Length: 99999999999\r\n\r\nx")
}

func TestTrailers_PassBothWaysButForThoseThatDecide(t *testing.T) {
	answer := "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nSet-Cookie: a=b\r\nContent-Length: 3\r\n\r\n"
	requests := make(chan string, 2)
	u := newUpstream(t, func(c *upConn) {
		for head := c.head(); head != ""; head = c.head() {
			chunks := c.head() // the chunks and trailers, up to the empty line
			requests <- head + chunks
			c.write(answer)
		}
	})
	c := newWorld(t, nil, u).dial()
	for _, pause := range []time.Duration{0, 50 * time.Millisecond} {
		c.send("POST / HTTP/1.1\r\nHost: h\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
		time.Sleep(pause)
		c.send("0\r\nX-Sum: 2\r\nAuthorization: x\r\nHost: evil\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n")
		c.expect("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n")
		if got := <-requests; !strings.Contains(got, "\r\nTrailer: X-Sum\r\n") || !strings.HasSuffix(got, "\r\n3\r\nabc\r\n0\r\nX-Sum: 2\r\n\r\n") {
			t.Errorf("upstream saw %q", got)
		}
	}
}

// FuzzFraming holds what weir makes of the bytes of a connection to a strict
// reading of what it sends on: the same number of requests, the same bodies.
func FuzzFraming(f *testing.F) {
	f.Add([]byte("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: h\r\n\r\n"))
	f.Add([]byte("\r\nPOST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;a=\"b\"\r\nabc\r\n0\r\nX: y\r\n\r\nGET /b HTTP/1.0\r\nHost: h\r\n\r\n"))
	f.Add([]byte("GET http://h/a HTTP/1.1\r\nHost: x\r\nConnection: x-a\r\nX-A: 1\r\nContent-Length: 00\r\n\r\n"))
	x := newExchange(&Handler{})
	x.service, x.route, x.conn = &route.Service{}, &route.Route{}, &clientConn{address: []byte("127.0.0.1"), port: []byte("80")}
	f.Fuzz(func(t *testing.T, in []byte) {
		var out []byte
		var bodies [][]byte
		for rest := in; ; {
			skip, n, r := new(headScan).next(rest, 16<<10)
			if r != Accepted || n == 0 || x.head.parseHead(rest[skip:skip+n]) != Accepted {
				break
			}
			var whole bool
			if rest, whole = x.takeBody(rest[skip+n:]); !whole {
				break
			}
			x.read = true
			out = x.appendBodyStart(x.appendRequest(out))
			bodies = append(bodies, bytes.Clone(x.body))
		}
		br := bufio.NewReader(bytes.NewReader(out))
		for i, body := range bodies {
			m, err := strictRequest(br, func(*message) {})
			if err != nil || !m.complete || !bytes.Equal(m.body, body) {
				t.Fatalf("request %d of %q became %q: body %q (%v), want %q", i, in, out, m.body, err, body)
			}
		}
		if n := br.Buffered(); n > 0 {
			t.Fatalf("%q became %q, %d bytes too long", in, out, n)
		}
	})
}

// takeBody takes the body from the start of b, and returns what is left.
func (x *exchange) takeBody(b []byte) (rest []byte, whole bool) {
	x.body, x.source = x.body[:0], bodyReader{}
	if n := x.head.length; n >= 0 {
		if int64(len(b)) < n {
			return nil, false
		}
		x.body = append(x.body, b[:n]...)
		return b[n:], true
	}
	for chunks := &x.source.chunks; !chunks.done(); {
		data, n := chunks.next(b)
		if x.body = append(x.body, data...); n == 0 || chunks.broken() {
			return nil, false
		}
		b = b[n:]
	}
	return b, true
}
