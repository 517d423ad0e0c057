package proxy

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"
)

// Server accepts client connections and drains them. Safe for concurrent use.
type Server struct {
	handler *Handler
	options Options
	log     *zap.Logger
	codec   *fasthttp.Server

	nextShard atomic.Uint32
	open      atomic.Int64

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
	s.codec = &fasthttp.Server{
		Handler:        h.serve,
		ErrorHandler:   h.serveError,
		ExpectHandler:  h.serveExpect,
		HeaderReceived: s.headReceived,
		ConnState:      func(nc net.Conn, state fasthttp.ConnState) { nc.(*clientConn).changed(state) },
		Logger:         codecLog{log},

		ReadTimeout:    s.options.HeadTimeout,
		IdleTimeout:    s.options.KeepAlive,
		ReadBufferSize: s.options.MaxHead,
		// What the codec writes is thrown away.
		WriteBufferSize: 256,
		// admit's limit comes first; a worker may outlive its connection a little.
		Concurrency: 2 * s.options.MaxConnections,

		StreamRequestBody: true,
		// In this mode the codec enforces no limit, but reads up to 8 KiB below
		// it before it calls the handler. The handler is to begin at once.
		MaxRequestBodySize:           1,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultDate:                true,
		NoDefaultContentType:         true,
		LazyRequestTime:              true,
		SecureErrorLogMessage:        true,
	}
	return s
}

// Serve accepts connections from ln until Drain or Close. It returns nil then.
// Several listeners may be served at once. It closes ln.
func (s *Server) Serve(ln net.Listener) error {
	l := &listener{Listener: ln, server: s}
	s.mu.Lock()
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, l)
		s.mu.Unlock()
		_ = ln.Close()
	}()
	return s.codec.Serve(l)
}

// Connections is the number of open client connections.
func (s *Server) Connections() int64 { return s.open.Load() }

// Close ends all listeners and connections at once, whatever is in flight.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.listeners {
		_ = l.Listener.Close()
	}
	for c := range s.conns {
		c.kill()
	}
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
	c.line.open = true
	s.mu.Lock()
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	return c
}

func (s *Server) remove(c *clientConn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.open.Add(-1)
}

// headReceived replaces the head's deadline by the body's, for the part of a
// body that the codec reads before it calls the handler.
func (s *Server) headReceived(h *fasthttp.RequestHeader) (config fasthttp.RequestConfig) {
	if n := h.ContentLength(); n > 0 || n == lengthChunked {
		config.ReadTimeout = s.options.BodyTimeout
	}
	return config
}

// serveError answers a request that the codec could not read.
func (h *Handler) serveError(ctx *fasthttp.RequestCtx, err error) {
	c := ctx.Conn().(*clientConn)
	_, tooLarge := errors.AsType[*fasthttp.ErrSmallBuffer](err)
	r := Malformed
	switch {
	case errors.Is(err, errBareLF):
		r = BadRequestLine
	case tooLarge:
		r = HeadTooLarge
	case isTimeout(err), errors.Is(err, fasthttp.ErrTimeout):
		if !c.line.any {
			return // nothing was asked
		}
		r = HeadTimeout
	}
	h.refuse(c, r)
}

// refuse answers on a connection that has no exchange, and lets it end.
func (h *Handler) refuse(c *clientConn, r Rejection) {
	h.rejected(r)
	c.linger = true
	_ = c.send(appendOwn(nil, ownAnswer{status: r.status(), word: r.String(), close: true}))
	if log := h.options.AccessLog; log != nil {
		log.Info("request", zap.ByteString("client", c.address), zap.Int("status", r.status()), zap.String("reason", r.String()))
	}
}

// serveExpect decides on a request whose client waits for 100 Continue. weir
// gives it itself, once the head has passed the gate, and does not pass Expect
// on: the client never waits for an endpoint that does not know it.
func (h *Handler) serveExpect(ctx *fasthttp.RequestCtx) int {
	c := ctx.Conn().(*clientConn)
	x := h.exchanges.Get().(*exchange)
	defer h.exchanges.Put(x)
	r := x.head.parse(ctx.Method(), ctx.Request.Header.RequestURI(), ctx.Request.Header.Protocol(), ctx.Request.Header.RawHeaders())
	if r != Accepted {
		h.refuse(c, r)
		return r.status()
	}
	if x.head.minor == 1 && c.send(continueLine) != nil {
		return fasthttp.StatusExpectationFailed // nobody is there to read it
	}
	return fasthttp.StatusContinue
}

var continueLine = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// codecLog takes the codec's messages on single connections. They are about
// clients, not about weir.
type codecLog struct{ log *zap.Logger }

func (l codecLog) Printf(format string, args ...any) {
	l.log.Sugar().Debugf(format, args...)
}
