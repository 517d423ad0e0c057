package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/weirproxy/weir/proxy/socket"
)

// Entry says how the connections of a listener begin. The zero Entry is
// plaintext HTTP/1.1 at once.
type Entry struct {
	// ProxyProtocol expects a header of the PROXY protocol, version 1 or 2,
	// before all else on connections from Options.TrustedProxies, and closes
	// those without. Nobody else's header is believed: it is no request.
	ProxyProtocol bool
	// TLS encrypts. Its clients choose HTTP/2 by ALPN. Nil: plaintext.
	TLS *TLS
	// H2C takes HTTP/2 on plaintext from clients that begin with its preface
	// (RFC 9113 section 3.3).
	H2C bool
	// Kept says that another process keeps the listening socket open, systemd
	// say. At its end the listener leaves the connections that wait in its queue
	// to whom they will be accepted by.
	Kept bool
}

// begin brings a new connection to its first request: the PROXY header and the
// TLS handshake, both within HandshakeTimeout, and which version of HTTP it speaks.
// An error says that the connection is of no use; why is counted already.
func (e *Entry) begin(c *clientConn) (h2 bool, err error) {
	if !e.ProxyProtocol && e.TLS == nil && !e.H2C {
		return false, nil
	}
	deadline := time.Now().Add(c.server.options.HandshakeTimeout)
	if err := c.Conn.SetDeadline(deadline); err != nil {
		return false, err
	}
	if e.ProxyProtocol && c.trusted {
		if err := c.readProxy(); err != nil {
			c.server.handler.rejected(BadProxyHeader)
			return false, err
		}
	}
	switch {
	case e.TLS != nil:
		tc := tls.Server(c.Conn, e.TLS.Config())
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		defer cancel()
		if c.server.calm(c) {
			ctx = withoutH2(ctx)
		}
		if err := tc.HandshakeContext(ctx); err != nil {
			c.server.handler.rejected(BadHandshake)
			return false, fmt.Errorf("cannot shake hands: %w", err)
		}
		c.server.mu.Lock() // kill may look at Conn
		c.Conn, c.secure = tc, true
		c.server.mu.Unlock()
		h2 = tc.ConnectionState().NegotiatedProtocol == "h2"
	case e.H2C:
		if h2, err = hasPreface(c.Conn); err != nil {
			return false, err
		}
	}
	return h2, c.Conn.SetDeadline(time.Time{})
}

// readProxy takes the client's address from the PROXY header. Whether the
// client's own X-Forwarded-* fields are believed depends on that address.
func (c *clientConn) readProxy() error {
	client, local, err := readProxyHeader(c.Conn)
	if err != nil {
		return err
	}
	if client != nil {
		c.peer = client.AddrPort().Addr().Unmap()
		c.address = c.peer.AppendTo(nil)
		c.trusted = trusts(c.server.options.TrustedProxies, c.peer)
	}
	if local != nil {
		c.port = strconv.AppendInt(nil, int64(local.Port), 10)
	}
	return nil
}

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// hasPreface waits until the first bytes tell HTTP/2 from HTTP/1.1. It takes
// none of them. A connection that ends before is HTTP/1.1's to judge.
func hasPreface(nc net.Conn) (bool, error) {
	var b [len(preface)]byte
	h2 := false
	err := socket.Peek(nc, b[:], func(n int, err error) (enough bool) {
		h2 = n == len(preface) && string(b[:n]) == preface
		return err != nil || n == 0 || h2 || string(b[:n]) != preface[:n]
	})
	return h2, err
}
