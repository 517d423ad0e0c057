package proxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"
)

// Server accepts client connections and drains them. Safe for concurrent use.
type Server struct {
	handler *Handler
	options Options
	log     *zap.Logger
	buffers sync.Pool // of *buffer

	h2 *h2Server // takes over clients with HTTP/2

	nextShard atomic.Uint32
	open      atomic.Int64
	clients   clients
	calmers   calmers
	held      atomic.Int64 // connections that are kept waiting, see hold
	parker    parker

	mu        sync.Mutex
	listeners map[*listener]struct{}
	conns     map[*clientConn]struct{}
}

// NewServer returns a Server for h. opts are those of h. It starts nothing.
func NewServer(h *Handler, opts Options, log *zap.Logger) *Server {
	s := &Server{
		handler: h, options: opts.withDefaults(), log: log,
		listeners: make(map[*listener]struct{}),
		conns:     make(map[*clientConn]struct{}),
	}
	s.parker.server = s
	s.buffers.New = func() any { return &buffer{b: make([]byte, s.options.MaxHead+bodyRoom)} }
	s.h2 = newH2Server(s)
	return s
}

// Serve accepts connections from ln until Drain or Close, and returns nil then.
// It goes on when descriptors or memory run out, and fails if the listener
// itself is of no use, closed by somebody else say. Several listeners may be
// served at once. It closes ln.
func (s *Server) Serve(ln net.Listener) error { return s.ServeEntry(ln, Entry{}) }

// ServeEntry is Serve for connections that begin as e says.
func (s *Server) ServeEntry(ln net.Listener, e Entry) error {
	l := &listener{Listener: ln, server: s, entry: e}
	s.mu.Lock()
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, l)
		s.mu.Unlock()
		_ = ln.Close()
	}()
	return s.accept(l)
}

// accept serves each connection in a goroutine of its own, which ends with the
// connection. Close and Drain end the connections.
func (s *Server) accept(l *listener) error {
	for {
		c, err := l.next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		go s.enter(c, &l.entry)
	}
}

// enter begins a connection and gives it to whom its protocol belongs.
func (s *Server) enter(c *clientConn, e *Entry) {
	h2, err := e.begin(c)
	switch {
	case err != nil, !s.claim(c): // the PROXY header may have told whose it is
		_ = c.Close()
	case h2:
		s.h2.serve(c)
	default:
		s.serveConn(c)
	}
}

// Connections is the number of open client connections.
func (s *Server) Connections() int64 { return s.open.Load() }

// Close ends all listeners and connections at once, whatever is in flight.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.listeners {
		l.leave()
	}
	for c := range s.conns {
		c.kill()
	}
	s.h2.close()
	s.handler.copies.stop()
	s.parker.close()
}

// admit makes a client connection of nc, or closes it at the limit.
func (s *Server) admit(nc net.Conn) *clientConn {
	if s.open.Add(1) > int64(s.options.MaxConnections) {
		s.open.Add(-1)
		s.handler.rejected(TooManyConnections)
		_ = nc.Close()
		return nil
	}
	c := newClientConn(nc, s)
	if !s.claim(c) {
		s.open.Add(-1)
		_ = nc.Close()
		return nil
	}
	s.mu.Lock()
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	return c
}

func (s *Server) remove(c *clientConn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	if c.client.IsValid() {
		s.clients.release(c.client)
	}
	s.open.Add(-1)
}
