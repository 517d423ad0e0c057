package proxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"
)

// h2Server takes over client connections that speak HTTP/2. net/http frames
// them, controls their flow and bounds their headers and queues; every stream
// ends in the decision core.
//
// Extended CONNECT (RFC 8441, WebSocket over HTTP/2) is not offered: net/http
// has it off but for an environment variable. Browsers open an HTTP/1.1
// connection for a WebSocket then.
type h2Server struct {
	server *Server
	http   http.Server
	inbox  inbox
	start  sync.Once

	mu    sync.Mutex
	conns map[net.Conn]*h2Conn // by their wires
}

// h2Conn is a client connection with HTTP/2.
type h2Conn struct {
	*clientConn

	wire    *h2Wire
	streams atomic.Int64 // requests that began
	resets  atomic.Int64 // of them, those that the client gave up
}

type h2ConnKey struct{}

// Windows and limits of a connection (Envoy's for the edge).
const (
	h2Streams      = 100
	h2Frame        = 16 << 10
	h2StreamWindow = 64 << 10
	h2ConnWindow   = 1 << 20
)

func newH2Server(s *Server) *h2Server {
	h := &h2Server{server: s, conns: make(map[net.Conn]*h2Conn)}
	h.inbox = inbox{conns: make(chan net.Conn), closed: make(chan struct{})}
	// net/http's messages are about single clients.
	errorLog, _ := zap.NewStdLogAt(s.log, zap.DebugLevel)
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	h.http = http.Server{
		Handler:        http.HandlerFunc(s.handler.serveStream),
		Protocols:      protocols,
		IdleTimeout:    s.options.KeepAlive,
		WriteTimeout:   s.options.BodyTimeout, // of a stream, which moves it on
		MaxHeaderBytes: s.options.MaxHead,
		ErrorLog:       errorLog,
		ConnState:      h.changed,
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
			return context.WithValue(ctx, h2ConnKey{}, h.conn(nc))
		},
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: h2Streams,
			// What a client may send at once is never more than its window.
			MaxReadFrameSize:              h2Frame,
			MaxReceiveBufferPerStream:     h2StreamWindow,
			MaxReceiveBufferPerConnection: h2ConnWindow,
			// A client that takes nothing of what is sent is let go.
			WriteByteTimeout: s.options.BodyTimeout,
		},
	}
	return h
}

// serve takes the connection over and returns at once, but for those of clients
// who are to speak HTTP/1.1.
func (h *h2Server) serve(c *clientConn) {
	if h.server.calm(c) {
		h.server.handler.rejected(TooManyFrames)
		c.hold()
		_ = c.Close()
		return
	}
	c.active.Store(true)
	h.start.Do(func() { go func() { _ = h.http.Serve(&h.inbox) }() })
	wire := newH2Wire(c)
	h.mu.Lock()
	h.conns[wire] = &h2Conn{clientConn: c, wire: wire}
	h.mu.Unlock()
	select {
	case h.inbox.conns <- wire:
	case <-h.inbox.closed:
		h.changed(wire, http.StateClosed)
	}
}

func (h *h2Server) conn(nc net.Conn) *h2Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.conns[nc]
}

// changed learns of the end of connections.
func (h *h2Server) changed(nc net.Conn, state http.ConnState) {
	if state != http.StateClosed {
		return
	}
	h.mu.Lock()
	c := h.conns[nc]
	delete(h.conns, nc)
	h.mu.Unlock()
	if c != nil {
		c.wire.release()
		_ = c.Close()
	}
}

// drain tells all clients by GOAWAY that no further request is taken, and lets
// the requests in flight end. It waits for them until ctx ends.
func (h *h2Server) drain(ctx context.Context) { _ = h.http.Shutdown(ctx) }

// close lets nobody in any more. The Server ends the connections.
func (h *h2Server) close() { _ = h.inbox.Close() }

// Resets of one connection that are let pass, and the share of its requests
// that they may be beyond that. Rapid Reset (CVE-2023-44487) is a client that
// gives up what it asked for as fast as it can ask.
const (
	h2FreeResets = 50
	h2ResetShare = 2 // one in two
)

// reset counts a request that the client gave up, and ends a connection that
// does little else.
func (c *h2Conn) reset(h *Handler) {
	n := c.resets.Add(1)
	if n > h2FreeResets && n*h2ResetShare > c.streams.Load() {
		if n == h2FreeResets+1 {
			h.rejected(TooManyResets)
		}
		c.wire.end()
	}
}

// inbox is a listener of connections that are there already.
type inbox struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Accept returns the next connection, or io.EOF after Close.
func (i *inbox) Accept() (net.Conn, error) {
	select {
	case nc := <-i.conns:
		return nc, nil
	case <-i.closed:
		return nil, io.EOF
	}
}

// Close makes Accept return.
func (i *inbox) Close() error {
	i.once.Do(func() { close(i.closed) })
	return nil
}

// Addr is of no use: the connections come from many listeners.
func (i *inbox) Addr() net.Addr { return &net.TCPAddr{} }
