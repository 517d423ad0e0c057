package proxy

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

// rawUpstream is an endpoint made of bytes. Each connection runs serve, which
// owns it; the connections are closed at the end of the test.
type rawUpstream struct {
	t     testing.TB
	ln    net.Listener
	conns atomic.Int64

	mu   sync.Mutex
	open []net.Conn
	wg   sync.WaitGroup
}

func newUpstream(t testing.TB, serve func(c *upConn)) *rawUpstream {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &rawUpstream{t: t, ln: ln}
	u.wg.Add(1)
	go func() {
		defer u.wg.Done()
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			u.mu.Lock()
			u.open = append(u.open, nc)
			u.mu.Unlock()
			n := u.conns.Add(1)
			u.wg.Add(1)
			go func() {
				defer u.wg.Done()
				defer nc.Close()
				serve(&upConn{Conn: nc, br: bufio.NewReader(nc), n: int(n)})
			}()
		}
	}()
	t.Cleanup(u.close)
	return u
}

func (u *rawUpstream) close() {
	u.ln.Close()
	u.mu.Lock()
	for _, c := range u.open {
		c.Close()
	}
	u.mu.Unlock()
	u.wg.Wait()
}

// answering is an upstream that reads each request whole and gives one answer.
func answering(t testing.TB, answer string) *rawUpstream {
	return newUpstream(t, func(c *upConn) {
		for c.request() != "" {
			c.write(answer)
		}
	})
}

// upConn is one connection to a rawUpstream.
type upConn struct {
	net.Conn
	br *bufio.Reader
	n  int // 1 for the first connection
}

// head reads one request head; empty at the end of the connection.
func (c *upConn) head() string {
	var b strings.Builder
	for {
		line, err := c.br.ReadString('\n')
		if err != nil {
			return ""
		}
		b.WriteString(line)
		if line == "\r\n" {
			return b.String()
		}
	}
}

// request reads one request with its body; empty at the end of the connection.
func (c *upConn) request() string {
	head := c.head()
	if head == "" {
		return ""
	}
	req, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(head), c.br)))
	if err != nil {
		return ""
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return ""
	}
	return head + string(body)
}

func (c *upConn) write(s string) { _, _ = io.WriteString(c.Conn, s) }

func (c *upConn) reset() {
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	c.Conn.Close()
}

// world is a proxy in front of one service.
type world struct {
	t        testing.TB
	service  *route.Service
	handler  *Handler
	server   *Server
	registry *upstream.Registry
	tables   atomic.Pointer[route.Table]
	addr     string
	served   chan error
}

// newWorld serves the versions' endpoints, the first being stable with all
// weight. change may alter service and options before they are used.
func newWorld(t testing.TB, change func(s *route.Service, o *Options), endpoints ...*rawUpstream) *world {
	t.Helper()
	w := &world{t: t, registry: upstream.NewRegistry(upstream.Options{ConnectTimeout: time.Second}), served: make(chan error, 1)}
	w.service = &route.Service{Name: "shop", Timeout: 5 * time.Second, IdleTimeout: 5 * time.Second}
	w.service.ErrorStatus, _ = route.ErrorStatuses()
	for i, u := range endpoints {
		name := string(rune('a' + i))
		pool := upstream.NewPool([]*upstream.Endpoint{w.registry.Endpoint("shop", name, u.ln.Addr().String())}, upstream.Policy{})
		w.service.Versions = append(w.service.Versions, &route.Version{Name: name, Index: i, Pool: pool, Recorder: stats.NewRecorder(2)})
	}
	w.service.Split = route.NewSplit(nil, len(endpoints))
	opts := Options{DrainWindow: -1, DrainGrace: 2 * time.Second}
	if change != nil {
		change(w.service, &opts)
	}
	w.publish(&route.Route{Service: w.service})
	w.handler = NewHandler(&w.tables, opts, zap.NewNop())
	w.server = NewServer(w.handler, opts, zap.NewNop())
	ln, err := Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = ln.Addr().String()
	go func() { w.served <- w.server.Serve(ln) }()
	t.Cleanup(func() {
		w.server.Close()
		if err := <-w.served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		waitUntil(t, "the client connections end", func() bool { return w.server.Connections() == 0 })
		w.registry.Close()
	})
	return w
}

func (w *world) publish(r *route.Route) {
	w.t.Helper()
	table, err := route.NewTable(1, []route.Rule{{Path: "/", Route: r}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.tables.Store(table)
}

// dial opens a client connection.
func (w *world) dial() *client {
	w.t.Helper()
	nc, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	return &client{Conn: nc, t: w.t, br: bufio.NewReader(nc)}
}

// exchange sends bytes on a new connection and returns all that comes back
// until the connection ends.
func (w *world) exchange(request string) string {
	c := w.dial()
	defer c.Close()
	c.send(request)
	all, _ := io.ReadAll(c.br)
	return string(all)
}

// totals waits until nothing is in flight and returns a version's counts.
func (w *world) totals(version int) *stats.Totals {
	w.t.Helper()
	totals := new(stats.Totals)
	waitUntil(w.t, "nothing is in flight", func() bool {
		w.service.Versions[version].Recorder.Totals(totals)
		return totals.InFlight == 0 && w.service.Versions[version].Pool.Endpoints()[0].InFlight() == 0
	})
	return totals
}

// client is a client connection made of bytes.
type client struct {
	net.Conn
	t  testing.TB
	br *bufio.Reader
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, s); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

// answer reads one answer to a request of the method.
func (c *client) answer(method string) (*http.Response, string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.br, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("answer: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("body: %v", err)
	}
	return resp, string(body)
}

// expect reads exactly these bytes.
func (c *client) expect(want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(c.br, got)
	if err != nil || !bytes.Equal(got, []byte(want)) {
		c.t.Fatalf("got %q (%v), want %q", got[:n], err, want)
	}
}

// expectEnd waits for the end of the connection.
func (c *client) expectEnd() {
	c.t.Helper()
	if b, err := io.ReadAll(c.br); err != nil || len(b) > 0 {
		c.t.Fatalf("got %q (%v), want the end", b, err)
	}
}

func waitUntil(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 5 s until %s", what)
		}
	}
}

func port(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }
