package proxy

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
)

// newSockets is an endpoint that echoes WebSocket messages. A text "close 4321"
// closes with that code.
func newSockets(t testing.TB) *rawUpstream {
	t.Helper()
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }, Subprotocols: []string{"chat"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/denied" {
			http.Error(w, "not you", http.StatusForbidden)
			return
		}
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		for {
			kind, data, err := c.ReadMessage()
			if err != nil {
				return
			}
			if code, ok := strings.CutPrefix(string(data), "close "); ok && code == "4321" {
				_ = c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4321, "as you wish"), time.Now().Add(time.Second))
				_, _, _ = c.ReadMessage()
				return
			}
			if c.WriteMessage(kind, data) != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	return &rawUpstream{t: t, ln: server.Listener}
}

func (w *world) dialSocket(path string) (*websocket.Conn, *http.Response, error) {
	dialer := websocket.Dialer{Subprotocols: []string{"chat"}, HandshakeTimeout: 5 * time.Second, WriteBufferSize: 1 << 10}
	c, resp, err := dialer.Dial("ws://"+w.addr+path, nil)
	if err == nil {
		w.t.Cleanup(func() { c.Close() })
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	}
	return c, resp, err
}

func TestUpgrade_WebSocketPassesUntouched(t *testing.T) {
	w := newWorld(t, nil, newSockets(t))
	c, _, err := w.dialSocket("/")
	if err != nil {
		t.Fatal(err)
	}
	if c.Subprotocol() != "chat" {
		t.Errorf("subprotocol %q", c.Subprotocol())
	}
	waitUntil(t, "the tunnel is counted", func() bool { return w.handler.Tunnels() == 1 })
	// Messages larger than a frame of the client go in fragments.
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 3 << 20} {
		for _, kind := range []int{websocket.TextMessage, websocket.BinaryMessage} {
			sent := bytes.Repeat([]byte("weir"), size/4+1)[:size]
			if err := c.WriteMessage(kind, sent); err != nil {
				t.Fatal(err)
			}
			gotKind, got, err := c.ReadMessage()
			if err != nil || gotKind != kind || !bytes.Equal(got, sent) {
				t.Fatalf("%d bytes: got %d bytes, kind %d, %v", size, len(got), gotKind, err)
			}
		}
	}
	pong := ""
	c.SetPongHandler(func(data string) error { pong = data; return nil })
	_ = c.WriteControl(websocket.PingMessage, []byte("are you there"), time.Now().Add(time.Second))
	_ = c.WriteMessage(websocket.TextMessage, []byte("close 4321"))
	_, _, err = c.ReadMessage()
	if !websocket.IsCloseError(err, 4321) || pong != "are you there" {
		t.Errorf("end %v, pong %q", err, pong)
	}
	c.Close()
	waitUntil(t, "the tunnel ends", func() bool { return w.handler.Tunnels() == 0 })
	if totals := w.totals(0); totals.Codes[101] != 1 || totals.Errors() != 0 {
		t.Errorf("counted %d upgrades, %d errors", totals.Codes[101], totals.Errors())
	}
}

func TestUpgrade_ClientsCloseCodeReachesTheEndpoint(t *testing.T) {
	w := newWorld(t, nil, newSockets(t))
	c, _, err := w.dialSocket("/")
	if err != nil {
		t.Fatal(err)
	}
	_ = c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(3999, "bye"), time.Now().Add(time.Second))
	// The endpoint echoes the code.
	if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, 3999) {
		t.Errorf("got %v", err)
	}
}

func TestUpgrade_RefusalIsAnAnswer(t *testing.T) {
	w := newWorld(t, nil, newSockets(t))
	_, resp, err := w.dialSocket("/denied")
	if err == nil || resp == nil || resp.StatusCode != 403 {
		t.Fatalf("got %v, %v", resp, err)
	}
	if w.handler.Tunnels() != 0 {
		t.Error("a tunnel was opened")
	}
}

const askUpgrade = "GET / HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

func TestUpgrade_OnlyWhatWasAskedForIsGranted(t *testing.T) {
	f := func(ask, answer, status string) {
		t.Helper()
		u := newUpstream(t, func(c *upConn) {
			c.head()
			c.write(answer + "after")
			_, _ = io.Copy(io.Discard, c.br)
		})
		w := newWorld(t, nil, u)
		c := w.dial()
		c.send(ask)
		line, _ := c.br.ReadString('\n')
		if !strings.HasPrefix(line, "HTTP/1.1 "+status) {
			t.Errorf("%q: got %q, want %s", answer, line, status)
		}
		if status == "502" {
			if totals := w.totals(0); totals.Reasons[stats.Protocol] != 1 {
				t.Errorf("counted %v", totals.Reasons)
			}
		}
	}
	const good = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

	f(askUpgrade, good, "101")
	f(askUpgrade, strings.Replace(good, "Upgrade: websocket", "Upgrade: WebSocket", 1), "101")
	f(askUpgrade, strings.Replace(good, "s3pP", "s3pQ", 1), "502")
	f(askUpgrade, strings.Replace(good, "Upgrade: websocket\r\n", "", 1), "502")
	f(askUpgrade, strings.Replace(good, "Upgrade: websocket", "Upgrade: chat", 1), "502")
	f("GET / HTTP/1.1\r\nHost: shop\r\n\r\n", good, "502")
	f(strings.Replace(askUpgrade, "Connection: Upgrade", "Connection: close", 1), good, "502")
	f(strings.Replace(askUpgrade, "Upgrade: websocket", "Upgrade: h2c", 1), strings.Replace(good, "Upgrade: websocket", "Upgrade: h2c", 1), "502")
	f(strings.Replace(askUpgrade, "websocket", "other/1", 1), strings.Replace(good, "websocket", "other/1", 1), "502") // a slash is in no token
	f(strings.Replace(askUpgrade, "websocket", "other", 1), strings.Replace(good, "websocket", "other", 1), "101")
}

// tunnelled opens a tunnel to an endpoint that does what serve says after its 101.
func tunnelled(t *testing.T, change func(s *route.Service, o *Options), serve func(c *upConn)) (*world, *client) {
	t.Helper()
	u := newUpstream(t, func(c *upConn) {
		head := c.head()
		if !strings.Contains(head, "Connection: Upgrade\r\nUpgrade: other\r\n") {
			t.Errorf("asked with %q", head)
		}
		c.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\nfirst")
		serve(c)
	})
	w := newWorld(t, change, u)
	c := w.dial()
	c.send(strings.Replace(askUpgrade, "websocket", "other", 1) + "early")
	c.expect("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\nfirst")
	return w, c
}

func TestUpgrade_EndsOneWayAtATime(t *testing.T) {
	_, c := tunnelled(t, nil, func(c *upConn) {
		all, _ := io.ReadAll(c.br)
		c.write("got " + string(all))
	})
	c.send(" and late")
	_ = c.Conn.(*net.TCPConn).CloseWrite()
	if all, err := io.ReadAll(c.br); err != nil || string(all) != "got early and late" {
		t.Errorf("got %q, %v", all, err)
	}
}

func TestUpgrade_SilenceAndTotalTimeAreBounded(t *testing.T) {
	f := func(change func(s *route.Service, o *Options), least, most time.Duration) {
		t.Helper()
		w, c := tunnelled(t, change, func(c *upConn) {
			// One side talks for a while; the other listens.
			for range 6 {
				time.Sleep(30 * time.Millisecond)
				c.write(".")
			}
			_, _ = io.Copy(io.Discard, c.br)
		})
		start := time.Now()
		_, _ = io.Copy(io.Discard, c.br)
		if took := time.Since(start); took < least || took > most {
			t.Errorf("open for %v, want %v to %v", took, least, most)
		}
		waitUntil(t, "the tunnel ends", func() bool { return w.handler.Tunnels() == 0 })
	}

	f(func(s *route.Service, _ *Options) { s.IdleTimeout = time.Second }, 1100*time.Millisecond, 9*time.Second)
	// The service's own would end it in the first pause.
	f(func(s *route.Service, o *Options) { s.IdleTimeout, o.TunnelIdle = 10*time.Millisecond, time.Second }, 1100*time.Millisecond, 9*time.Second)
	f(func(_ *route.Service, o *Options) { o.MaxTunnel = 60 * time.Millisecond }, 50*time.Millisecond, 4*time.Second)
}

func TestUpgrade_DrainGivesTunnelsTheirGrace(t *testing.T) {
	w, c := tunnelled(t, func(_ *route.Service, o *Options) { o.DrainGrace = 300 * time.Millisecond }, func(c *upConn) {
		_, _ = io.Copy(c.Conn, c.br)
	})
	c.expect("early")
	drained := make(chan error, 1)
	go func() { drained <- w.server.Drain(t.Context()) }()
	waitUntil(t, "draining", w.server.Draining)
	c.send("still here")
	c.expect("still here")
	start := time.Now()
	if all, _ := io.ReadAll(c.br); len(all) > 0 || time.Since(start) > 4*time.Second {
		t.Errorf("got %q after %v", all, time.Since(start))
	}
	if err := <-drained; err == nil {
		t.Error("a tunnel was cut off and nobody was told")
	}
}
