package proxy

import (
	"cmp"
	"crypto/sha1" //nolint:gosec // RFC 6455 asks for it; it protects nothing
	"encoding/base64"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
)

// wantsUpgrade returns the protocol that the client asks to change to, or nil.
// HTTP/2 and TLS are not changed to: what follows would be requests that pass
// the gate unseen. A request may be answered as if it had not asked (RFC 9110
// section 7.8), and so is one with a body.
func (x *exchange) wantsUpgrade() []byte {
	h := &x.head
	if !h.upgrade || h.minor == 0 || h.length != 0 || x.conn.h2 || x.service.Protocol != route.HTTP1 {
		return nil
	}
	var protocol []byte
	for i := range h.n {
		if equalFold(h.fields[i].name, "upgrade") {
			if protocol != nil {
				return nil
			}
			protocol = h.fields[i].value
		}
	}
	if !isTokens(protocol) || len(protocol) > 2 && (equalFold(protocol[:3], "h2c") || equalFold(protocol[:3], "tls")) {
		return nil
	}
	return protocol
}

// appendUpgrade appends the fields that ask for, or grant, a protocol.
func appendUpgrade(dst, protocol []byte) []byte {
	dst = append(dst, "Connection: Upgrade\r\nUpgrade: "...)
	return append(append(dst, protocol...), crlf...)
}

// upgraded reports whether a 101 grants what was asked for, and for a WebSocket
// whether it answers this very request (RFC 6455 section 4.1).
func (x *exchange) upgraded() bool {
	if x.upgrade == nil {
		return false
	}
	granted, accept := []byte(nil), []byte(nil)
	for i := range x.resp.n {
		switch f := &x.resp.fields[i]; {
		case equalFold(f.name, "upgrade"):
			granted = f.value
		case equalFold(f.name, "sec-websocket-accept"):
			accept = f.value
		}
	}
	if len(granted) != len(x.upgrade) || !equalName(granted, string(x.upgrade)) {
		return false
	}
	return !equalFold(granted, "websocket") || string(accept) == acceptKey(x.head.field("sec-websocket-key"))
}

// acceptKey is what a server answers to a Sec-WebSocket-Key.
func acceptKey(key []byte) string {
	sum := sha1.Sum(append(append([]byte(nil), key...), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// tunnel is an upgraded connection: bytes pass both ways, untouched, until both
// sides have ended theirs, one of them breaks, nobody has sent anything for the
// idle time, or the total time is over.
type tunnel struct {
	h       *Handler
	idle    int64 // longest silence of both sides together; 0: no limit
	end     int64 // when it is over in any case
	last    atomic.Int64
	stopped atomic.Bool
	sides   [2]net.Conn
}

// tunnel takes the exchange's connections from the 101 to their end. The 101 is
// the outcome.
func (x *exchange) tunnel() {
	x.headed(x.h.Now(), 101)
	x.status, x.started, x.broken, x.close = 101, true, true, true
	x.in = append(appendUpgrade(x.resp.appendHead(x.in[:0]), x.upgrade), crlf...)
	_, _ = x.up.Reader.Discard(x.headLength)
	x.record(stats.Outcome{Status: 101})
	if x.conn.send(x.in) != nil {
		return
	}
	x.h.tunnels.Add(1)
	defer x.h.tunnels.Add(-1)
	t := &tunnel{h: x.h, idle: int64(cmp.Or(x.h.options.TunnelIdle, x.service.IdleTimeout)), end: unbounded, sides: [2]net.Conn{x.conn.Conn, x.up.Conn}}
	if limit := x.h.options.MaxTunnel; limit > 0 {
		t.end = x.h.Now() + int64(limit)
	}
	t.last.Store(x.h.Now())
	x.up.Armed = 0
	up := make(chan struct{})
	go func() {
		defer close(up)
		t.pump(x.up.Conn, x.conn.Conn, x.conn.piece)
	}()
	x.bytes = t.pump(x.conn.Conn, x.up.Conn, x.piece)
	<-up
}

// pump passes on what read returns of src. It ends with the end of src, which
// the other side is told, or with the tunnel.
func (t *tunnel) pump(dst, src net.Conn, read func() ([]byte, error)) (total int64) {
	for {
		deadline := t.deadline()
		if src.SetReadDeadline(t.h.at(deadline)) != nil {
			t.stop() // closed from outside
			return total
		}
		if t.stopped.Load() {
			return total
		}
		b, err := read()
		if len(b) > 0 {
			now := t.h.Now()
			t.last.Store(now)
			if dst.SetWriteDeadline(t.h.at(t.deadline())) != nil {
				t.stop()
				return total
			}
			if _, err := dst.Write(b); err != nil {
				t.stop()
				return total
			}
			total += int64(len(b))
		}
		switch {
		case err == nil, isTimeout(err) && t.h.Now() < t.deadline():
		case errors.Is(err, io.EOF):
			if half, ok := dst.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
				t.stop()
			}
			return total
		default:
			t.stop()
			return total
		}
	}
}

// deadline is when the tunnel is over if nothing more is sent.
func (t *tunnel) deadline() int64 {
	if t.idle <= 0 {
		return t.end
	}
	return min(t.last.Load()+t.idle, t.end)
}

// stop ends both directions. Their owner closes the connections.
func (t *tunnel) stop() {
	t.stopped.Store(true)
	for _, side := range t.sides {
		_ = side.SetDeadline(time.Unix(1, 0))
	}
}

// piece returns what the endpoint sent, in its reader's buffer.
func (x *exchange) piece() ([]byte, error) {
	br := x.up.Reader
	if br.Buffered() == 0 {
		if _, err := br.Peek(1); err != nil {
			return nil, err
		}
	}
	b, _ := br.Peek(br.Buffered())
	_, _ = br.Discard(len(b)) // b stays until the next read
	return b, nil
}

// piece returns what the client sent, in its connection's buffer.
func (c *clientConn) piece() ([]byte, error) {
	if c.r == c.w {
		c.r, c.w = c.base, c.base // the head stays: it is logged at the end
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
	b := c.buf.b[c.r:c.w]
	c.r = c.w
	return b, nil
}

// Tunnels is the number of upgraded connections, WebSockets say.
func (h *Handler) Tunnels() int64 { return h.tunnels.Load() }
