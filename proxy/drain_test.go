package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weirproxy/weir/proxy/route"
)

// busyClients sends requests over keep-alive connections, each client opening a
// new one when told to close, until the listener refuses. It returns how many
// requests were answered and lost.
func busyClients(addr string, clients int) (answered, lost *atomic.Int64, wait func()) {
	answered, lost = new(atomic.Int64), new(atomic.Int64)
	var wg sync.WaitGroup
	for range clients {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for busyConn(addr, answered, lost) {
			}
		}()
	}
	return answered, lost, wg.Wait
}

// busyConn uses one connection to its end and reports whether to open another.
func busyConn(addr string, answered, lost *atomic.Int64) bool {
	nc, err := net.DialTimeout("tcp", addr, 3*time.Second)
	if err != nil {
		if !errors.Is(err, syscall.ECONNREFUSED) {
			lost.Add(1)
		}
		return false
	}
	defer nc.Close()
	br := bufio.NewReader(nc)
	for {
		_ = nc.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.WriteString(nc, get); err != nil {
			lost.Add(1)
			return false
		}
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			lost.Add(1)
			return false
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 || string(body) != "hello" {
			lost.Add(1)
			return false
		}
		answered.Add(1)
		if resp.Close {
			return true
		}
	}
}

// fDrains drains a server under 64 busy clients and returns what was lost.
func fDrains(t testing.TB, window time.Duration) int64 {
	t.Helper()
	u := newUpstream(t, func(c *upConn) {
		for c.head() != "" {
			time.Sleep(time.Millisecond)
			c.write(hello)
		}
	})
	w := newWorld(t, func(_ *route.Service, o *Options) { o.DrainWindow = window }, u)
	answered, lost, wait := busyClients(w.addr, 64)
	waitUntil(t, "the clients are busy", func() bool { return answered.Load() > 500 })
	if err := w.server.Drain(context.Background()); err != nil {
		t.Errorf("Drain: %v", err)
	}
	wait()
	if n := w.server.Connections(); n != 0 {
		t.Errorf("%d connections are left", n)
	}
	t.Logf("%d answered, %d lost", answered.Load(), lost.Load())
	return lost.Load()
}

func TestDrain_LosesNoRequestOfBusyClients(t *testing.T) {
	for range 2 {
		if lost := fDrains(t, 50*time.Millisecond); lost != 0 {
			t.Errorf("%d requests lost", lost)
		}
	}
}

// BenchmarkDrain_Lost reports the requests lost by draining under 64 busy
// clients; the bar is 0 in 20 of 20 runs: -bench Drain -benchtime 20x.
func BenchmarkDrain_Lost(b *testing.B) {
	var lost int64
	for b.Loop() {
		lost += fDrains(b, 200*time.Millisecond)
	}
	b.ReportMetric(float64(lost), "lost")
}

func TestDrain_WindowAnswersAndCloses(t *testing.T) {
	w := newWorld(t, func(_ *route.Service, o *Options) { o.DrainWindow = 300 * time.Millisecond }, answering(t, hello))
	idle := w.dial()
	idle.send(get)
	idle.expect(hello)
	drained := make(chan error, 1)
	go func() { drained <- w.server.Drain(context.Background()) }()
	waitUntil(t, "draining", w.server.Draining)
	for _, c := range []*client{w.dial(), idle} {
		c.send(get)
		c.expect("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
		c.expectEnd()
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", w.addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new connection gets %v, want refused", err)
	}
}

func TestDrain_RequestInFlightGetsItsGrace(t *testing.T) {
	release := make(chan struct{}, 1)
	t.Cleanup(func() { close(release) })
	u := newUpstream(t, func(c *upConn) {
		c.request()
		<-release
		c.write(hello)
	})
	w := newWorld(t, nil, u)
	c := w.dial()
	c.send(get)
	waitUntil(t, "the request is in flight", func() bool { return w.service.Versions[0].Pool.Endpoints()[0].InFlight() == 1 })
	drained := make(chan error, 1)
	go func() { drained <- w.server.Drain(context.Background()) }()
	time.Sleep(300 * time.Millisecond)
	select {
	case err := <-drained:
		t.Fatalf("drained with a request in flight: %v", err)
	default:
	}
	release <- struct{}{}
	c.expect("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func TestDrain_EndsWithItsGrace(t *testing.T) {
	u := newUpstream(t, func(c *upConn) {
		c.request()
		c.head() // never answers
	})
	w := newWorld(t, func(s *route.Service, o *Options) {
		s.Timeout, o.DrainGrace = 300*time.Millisecond, 50*time.Millisecond
	}, u)
	idle, busy := w.dial(), w.dial()
	busy.send(get)
	waitUntil(t, "the request is in flight", func() bool { return w.service.Versions[0].Pool.Endpoints()[0].InFlight() == 1 })
	if err := w.server.Drain(context.Background()); err == nil {
		t.Error("Drain cut a request off and says nothing")
	}
	idle.expectEnd()
	busy.expectEnd()
	w.totals(0)
}

func TestDrain_QueuedConnectionsAreServed(t *testing.T) {
	w := newWorld(t, nil, answering(t, hello))
	// Connections the kernel completed but nobody accepted: a listener that
	// is not served yet.
	ln, err := Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var clients []*client
	for range 20 {
		nc, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(5 * time.Second))
		c := &client{Conn: nc, t: t, br: bufio.NewReader(nc)}
		c.send(get)
		clients = append(clients, c)
	}
	l := &listener{Listener: ln, server: w.server}
	w.handler.draining.Store(true)
	l.end()
	time.Sleep(settle + 50*time.Millisecond) // its time passes before anybody accepts
	served := make(chan error, 1)
	go func() { served <- w.server.accept(l) }()
	for _, c := range clients {
		c.expect("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
