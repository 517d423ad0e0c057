package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weirproxy/weir/proxy/route"
)

// framer is a client connection of HTTP/2 made of frames.
type framer struct {
	*http2.Framer
	net.Conn
	t      testing.TB
	block  bytes.Buffer
	fields *hpack.Encoder
	ended  chan struct{} // what the server sends is read until it ends
	goAway chan http2.ErrCode
	resets chan http2.ErrCode
}

func newFramer(t testing.TB, addr string) *framer {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	f := &framer{
		Framer: http2.NewFramer(nc, nc), Conn: nc, t: t,
		ended: make(chan struct{}), goAway: make(chan http2.ErrCode, 10), resets: make(chan http2.ErrCode, 10),
	}
	f.fields = hpack.NewEncoder(&f.block)
	if _, err := io.WriteString(nc, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	go f.listen()
	t.Cleanup(func() { nc.Close(); <-f.ended })
	return f
}

func (f *framer) listen() {
	defer close(f.ended)
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.GoAwayFrame:
			select {
			case f.goAway <- frame.ErrCode:
			default:
			}
		case *http2.RSTStreamFrame:
			select {
			case f.resets <- frame.ErrCode:
			default:
			}
		}
	}
}

// ask writes the head of a request; more fields come after the pseudo-headers.
func (f *framer) ask(id uint32, end bool, more ...string) error {
	f.block.Reset()
	all := append([]string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "shop"}, more...)
	for i := 0; i < len(all); i += 2 {
		_ = f.fields.WriteField(hpack.HeaderField{Name: all[i], Value: all[i+1]})
	}
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.block.Bytes(), EndHeaders: true, EndStream: end})
}

// flooded runs a flood until it is done or cut off, beside an honest client,
// and checks what it cost: memory, and the honest client's time.
func flooded(t *testing.T, flood func(f *framer) error) *world {
	t.Helper()
	w := newWorld(t, nil, answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
	addr := w.enter(Entry{H2C: true})
	honest := h2client(t, addr, nil)
	fetch(t, honest, "http://shop/") // connected
	before := heap()
	done := make(chan error, 1)
	go func() { done <- flood(newFramer(t, addr)) }()
	var slowest []time.Duration
	for running := true; running; {
		select {
		case err := <-done:
			running = false
			if err != nil {
				t.Logf("the flood ended with %v", err)
			}
		default:
		}
		start := time.Now()
		if resp, body := fetch(t, honest, "http://shop/"); resp.StatusCode != http.StatusOK || body != "hello" {
			t.Fatalf("the honest client got %d %q", resp.StatusCode, body)
		}
		slowest = append(slowest, time.Since(start))
	}
	if grown := int64(heap()) - int64(before); grown > 64<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	slices.Sort(slowest)
	if worst := slowest[len(slowest)*99/100]; worst > time.Second {
		t.Errorf("the honest client waited %v", worst)
	}
	return w
}

// reset sends n requests, each given up at once, and reports whether all were taken.
func (f *framer) reset(n uint32) error {
	for i := range n {
		if err := f.ask(2*i+1, true); err != nil {
			return err
		}
		if err := f.WriteRSTStream(2*i+1, http2.ErrCodeCancel); err != nil {
			return err
		}
	}
	return nil
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestFlood_RapidResetsEndTheConnection(t *testing.T) {
	w := flooded(t, func(f *framer) error {
		return errors.Join(f.reset(50_000), errors.New("all were written"))
	})
	waitUntil(t, "the flood's connection ends", func() bool { return w.server.Connections() == 1 })
	w.totals(0)
}

func TestFlood_ClientIsCountedBeyondItsConnections(t *testing.T) {
	w := newWorld(t, func(_ *route.Service, o *Options) { o.MaxFrames = 200 }, answering(t, hello))
	addr := w.enter(Entry{H2C: true})
	flood := func() {
		f := newFramer(t, addr)
		_ = f.reset(1000)
		<-f.ended
	}
	flood()
	if w.handler.rejections[TooManyFrames].Load() == 0 {
		t.Fatal("the first connection was not beyond 200 frames")
	}
	before := w.totals(0).Begun()
	flood()
	if n := w.totals(0).Begun() - before; n > 0 {
		t.Errorf("the client came again, and %d requests were begun", n)
	}
}

func TestFlood_ClientIsToldWhy(t *testing.T) {
	w := newWorld(t, nil, answering(t, hello))
	f := newFramer(t, w.enter(Entry{H2C: true}))
	for i := range 5000 {
		if f.WritePing(false, [8]byte{byte(i)}) != nil {
			break
		}
	}
	<-f.ended
	for range len(f.goAway) {
		if <-f.goAway == http2.ErrCodeEnhanceYourCalm {
			return
		}
	}
	t.Error("no GOAWAY said ENHANCE_YOUR_CALM")
}

func TestFlood_OthersBehindTheAddressGoOn(t *testing.T) {
	w := newWorld(t, nil, answering(t, hello))
	a := newAuthority(t)
	certs, err := LoadTLS(TLSFiles{KeyPairs: []KeyPair{a.pair("shop", "shop.test")}})
	if err != nil {
		t.Fatal(err)
	}
	addr := w.enter(Entry{TLS: certs})
	early := h2client(t, addr, a.client("shop.test"))
	fetch(t, early, "https://shop.test/")
	w.server.calmers.known[netip.MustParseAddr("127.0.0.1")].spend(1001, 1000, w.handler.Now())
	w.server.calmers.known[netip.MustParseAddr("127.0.0.1")].quiet(w.handler.Now() + int64(time.Hour))
	if resp, _ := fetch(t, early, "https://shop.test/"); resp.ProtoMajor != 2 {
		t.Errorf("whose connection was open speaks HTTP/%d now", resp.ProtoMajor)
	}
	late := h2client(t, addr, a.client("shop.test", "h2", "http/1.1"))
	late.Transport.(*http.Transport).Protocols.SetHTTP1(true)
	if resp, _ := fetch(t, late, "https://shop.test/"); resp.ProtoMajor != 1 {
		t.Errorf("a new connection speaks HTTP/%d", resp.ProtoMajor)
	}
}

func TestFlood_OtherFramesCostNothing(t *testing.T) {
	f := func(name string, flood func(f *framer, i int) error) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			flooded(t, func(f *framer) error {
				for i := range 20_000 {
					if err := flood(f, i); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}

	f("ping", func(f *framer, i int) error { return f.WritePing(false, [8]byte{byte(i)}) })
	f("settings", func(f *framer, i int) error {
		return f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(65535 + i%2)})
	})
	f("continuation", func(f *framer, i int) error {
		if i == 0 {
			f.block.Reset()
			_ = f.fields.WriteField(hpack.HeaderField{Name: ":method", Value: "GET"})
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.block.Bytes()})
		}
		return f.WriteContinuation(1, false, bytes.Repeat([]byte("\x00\x01a\x01b"), 1000))
	})
	f("empty data", func(f *framer, i int) error {
		if i == 0 {
			return f.ask(1, false)
		}
		return f.WriteData(1, false, nil)
	})
	f("priority", func(f *framer, i int) error {
		return f.WritePriority(uint32(2*i+1), http2.PriorityParam{StreamDep: 0, Weight: byte(i)})
	})
}

func TestH2_WhatTwoParsersCouldReadDifferentlyIsRefused(t *testing.T) {
	f := func(more ...string) {
		t.Helper()
		seen := make(chan string, 1)
		u := newUpstream(t, func(c *upConn) {
			if request := c.request(); request != "" {
				seen <- request
				c.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		})
		w := newWorld(t, nil, u)
		c := newFramer(t, w.enter(Entry{H2C: true}))
		if err := c.ask(1, true, more...); err != nil {
			t.Fatal(err)
		}
		select {
		case request := <-seen:
			t.Errorf("%q went up as %q", more, request)
		case <-time.After(30 * time.Millisecond):
		}
	}

	f("connection", "close")
	f("transfer-encoding", "chunked")
	f("upgrade", "websocket")
	f("keep-alive", "5")
	f("proxy-connection", "close")
	f("te", "gzip")
	f("content-length", "5")
	f("content-length", "x")
	f("content-length", "0", "content-length", "0")
	f("host", "other")
	f("x-a", "b\r\nx-c: d")
	f("x-a", "b\x00")
	f("x a", "b")
	f("X-Upper", "b")
	f("x-a:", "b")
	f(":path", "/twice")
}

func TestH2_BodyThatDiffersFromItsLengthIsNoRequest(t *testing.T) {
	f := func(length, data string) {
		t.Helper()
		got := make(chan string, 1)
		u := newUpstream(t, func(c *upConn) {
			if request := c.request(); request != "" {
				got <- request
				c.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		})
		w := newWorld(t, nil, u)
		c := newFramer(t, w.enter(Entry{H2C: true}))
		_ = c.ask(1, false, "content-length", length)
		_ = c.WriteData(1, true, []byte(data))
		select {
		case request := <-got:
			t.Errorf("length %s with %q went up as %q", length, data, request)
		case <-c.resets:
		case <-time.After(5 * time.Second):
			t.Errorf("length %s with %q: not refused", length, data)
		}
	}

	f("5", "four")
	f("3", "four")
}

func TestH2_DrainSaysGoAwayAndLosesNothing(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	u := newUpstream(t, func(c *upConn) {
		for c.request() != "" {
			close(begun)
			<-release
			c.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
		}
	})
	w := newWorld(t, nil, u)
	addr := w.enter(Entry{H2C: true})
	idle := newFramer(t, addr)
	busy := h2client(t, addr, nil)
	answer := make(chan string, 1)
	go func() {
		_, body := fetch(t, busy, "http://shop/")
		answer <- body
	}()
	<-begun
	drained := make(chan error, 1)
	go func() { drained <- w.server.Drain(t.Context()) }()
	select {
	case code := <-idle.goAway:
		if code != http2.ErrCodeNo {
			t.Errorf("went away with %v", code)
		}
	case <-time.After(5 * time.Second):
		t.Error("no GOAWAY")
	}
	close(release)
	if body := <-answer; body != "hello" {
		t.Errorf("the request in flight got %q", body)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func TestFlood_ClientThatOnlyGivesUpIsLetGo(t *testing.T) {
	begun := make(chan struct{}, 100)
	w := newWorld(t, nil, newUpstream(t, func(c *upConn) {
		c.head()
		begun <- struct{}{}
		_, _ = io.Copy(io.Discard, c.br)
	}))
	f := newFramer(t, w.enter(Entry{H2C: true}))
	id := uint32(1)
	for range 3 {
		first := id
		for range 50 {
			if f.ask(id, true) != nil {
				break
			}
			id += 2
		}
		for range 50 {
			select {
			case <-begun:
			case <-f.ended:
			}
		}
		for ; first < id; first += 2 {
			_ = f.WriteRSTStream(first, http2.ErrCodeCancel)
		}
		waitUntil(t, "the endpoint is told", func() bool { return w.service.Versions[0].Pool.Endpoints()[0].InFlight() == 0 })
	}
	select {
	case <-f.ended:
	case <-time.After(5 * time.Second):
		t.Fatal("150 requests given up out of 150, and the connection lives")
	}
	if n := w.handler.rejections[TooManyResets].Load(); n != 1 {
		t.Errorf("counted %d times", n)
	}
	if totals := w.totals(0); totals.Errors() != 0 {
		t.Errorf("clients that left counted as %d errors", totals.Errors())
	}
}
