package proxy

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weirproxy/weir/proxy/route"
)

func TestServer_BadHeadsAreAnsweredAndNothingGoesUpstream(t *testing.T) {
	u, seen := recording(t, hello)
	w := newWorld(t, func(_ *route.Service, o *Options) {
		o.HeadTimeout, o.KeepAlive = 200*time.Millisecond, 300*time.Millisecond
	}, u)
	f := func(request string, status, word string) {
		t.Helper()
		got := w.exchange(request)
		if !strings.HasPrefix(got, "HTTP/1.1 "+status+" ") || !strings.Contains(got, "\r\nX-Weir-Reason: "+word+"\r\n") ||
			!strings.Contains(got, "\r\nConnection: close\r\n") || strings.Count(got, "HTTP/1.1") != 1 {
			t.Errorf("%.60q: got %q, want %s %s", request, got, status, word)
		}
	}
	f("GET / HTTP/1.1\r\nHost: a\r\nX A: b\r\n\r\n", "400", "field")
	f("GET / HTTP/1.1\r\n\r\n", "400", "host")
	f("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "400", "host")
	f("GET / HTTP/1.2\r\nHost: a\r\n\r\n", "505", "version")
	f("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "501", "method")
	f("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n", "400", "framing")
	f("GET / HTTP/1.1\nHost: a\n\n", "400", "request_line")
	f("\r\n\r\nGET / HTTP/1.1\nHost: a\r\n\r\n", "400", "request_line")
	f("GET / HTTP/1.1\r\nHost: a\r\nA: "+strings.Repeat("x", 20<<10)+"\r\n\r\n", "431", "head_too_large")
	f("GET / HTTP/1.1\r\nHost: a\r\n"+strings.Repeat("A: b\r\n", 100)+"\r\n", "431", "too_many_fields")
	f("GET / HTTP/1.1\r\nHost", "408", "head_timeout")
	f("\x16\x03\x01\x00\xc8\x01\r\n\r\n", "400", "request_line")
	f("GET /"+strings.Repeat("x", 20<<10)+" HTTP/1.1\r\nHost: a\r\n\r\n", "414", "target_too_long")
	if got := w.exchange(""); got != "" {
		t.Errorf("a client that asks nothing gets %q", got)
	}
	if len(seen) != 0 {
		t.Errorf("upstream saw %q", <-seen)
	}
	total := uint64(0)
	w.handler.Rejections(func(_ Rejection, n uint64) { total += n })
	if total != 13 {
		t.Errorf("%d rejections counted, want 13", total)
	}
	if totals := w.totals(0); totals.Begun() != 0 {
		t.Errorf("%d requests counted for the version", totals.Begun())
	}
}

func TestServer_RefusalReachesAClientThatIsStillSending(t *testing.T) {
	c := newWorld(t, nil, answering(t, hello)).dial()
	c.send("GET / HTTP/1.1\r\nHost: a\r\nX A: b\r\n\r\n")
	for range 3 { // a reset would fail a send, and could overtake the answer
		time.Sleep(20 * time.Millisecond)
		c.send("more of it")
	}
	if resp, _ := c.answer("GET"); resp.StatusCode != 400 {
		t.Errorf("status %d", resp.StatusCode)
	}
	c.expectEnd()
}

func TestServer_PipelinedBodiesAreNoRequestLines(t *testing.T) {
	u, seen := recording(t, hello)
	c := newWorld(t, nil, u).dial()
	c.send(get + "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\na\n")
	c.expect(hello)
	time.Sleep(20 * time.Millisecond)
	c.send("b\nc\n")
	c.expect(hello)
	<-seen
	if got := <-seen; !strings.HasSuffix(got, "a\nb\nc\n") {
		t.Errorf("upstream saw %q", got)
	}
}

func TestServer_KeepAliveEnds(t *testing.T) {
	w := newWorld(t, func(_ *route.Service, o *Options) { o.KeepAlive = 50 * time.Millisecond }, answering(t, hello))
	c := w.dial()
	c.send(get)
	c.expect(hello)
	c.expectEnd()
}

func TestServer_ConnectionsBeyondTheLimitAreClosed(t *testing.T) {
	w := newWorld(t, func(_ *route.Service, o *Options) { o.MaxConnections = 1 }, answering(t, hello))
	first := w.dial()
	first.send(get)
	first.expect(hello)
	w.dial().expectEnd()
	first.send(get)
	first.expect(hello)
	if n := w.server.Connections(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// shortListener has no file descriptors for the first accepts.
type shortListener struct {
	net.Listener
	fails int
}

func (l *shortListener) Accept() (net.Conn, error) {
	if l.fails > 0 {
		l.fails--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestServer_SurvivesAShortageOfFileDescriptors(t *testing.T) {
	w := newWorld(t, nil, answering(t, hello))
	ln, err := Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(&shortListener{ln, 3}) }()
	w.addr = ln.Addr().String()
	c := w.dial()
	c.send(get)
	c.expect(hello)
	ln.Close()
	if err := <-served; !errors.Is(err, net.ErrClosed) {
		t.Errorf("a listener that somebody else closed ends with %v", err)
	}
}

func TestServer_NoTableIsNotReady(t *testing.T) {
	w := newWorld(t, nil, answering(t, hello))
	w.tables.Store(nil)
	c := w.dial()
	for range 2 { // the connection stays
		c.send(get)
		if resp, _ := c.answer("GET"); resp.StatusCode != 503 || resp.Header.Get("X-Weir-Reason") != "not_ready" {
			t.Errorf("got %d %q", resp.StatusCode, resp.Header.Get("X-Weir-Reason"))
		}
	}
	c.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" + get)
	c.answer("HEAD")
	c.answer("GET")
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}
func (s *syncBuffer) Sync() error { return nil }
