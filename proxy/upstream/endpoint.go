package upstream

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// ErrExhausted says that the endpoint has Options.MaxConnections connections
// in use and none came free within Options.MaxConnectionWait. Nothing was sent.
var ErrExhausted = errors.New("all connections of the endpoint are in use; raise the connection limit or add endpoints")

// Endpoint is one address of a version: its connections, its in-flight count
// and its health. It lives in a Registry by identity, so connections and
// counts survive a change of tables. Safe for concurrent use.
type Endpoint struct {
	// Service, Version and Address are the identity. They never change.
	Service, Version, Address string

	client         fasthttp.HostClient
	connectTimeout time.Duration
	changes        *atomic.Uint64 // bumped at each change of health; shared by the Registry

	_        [64]byte // the counters below are written by every request
	inFlight atomic.Int64
	down     atomic.Bool
	retired  atomic.Bool
	_        [64]byte
}

func newEndpoint(service, version, address string, o Options, changes *atomic.Uint64) *Endpoint {
	e := &Endpoint{
		Service: service, Version: version, Address: address,
		connectTimeout: o.ConnectTimeout,
		changes:        changes,
	}
	e.client = fasthttp.HostClient{
		Addr:        address,
		DialTimeout: dialer(o),
		// LIFO keeps few connections warm; FIFO also moves the whole list at each acquire.
		ConnPoolStrategy:          fasthttp.LIFO,
		MaxConns:                  o.MaxConnections,
		MaxConnWaitTimeout:        o.MaxConnectionWait,
		MaxIdleConnDuration:       o.MaxIdle,
		ReadBufferSize:            o.ReadBufferSize,
		MaxIdemponentCallAttempts: 1,
		DisablePathNormalizing:    true,
		NoDefaultUserAgentHeader:  true,
	}
	return e
}

// Up reports whether requests may go to the endpoint. A new endpoint is up
// until a probe says otherwise.
func (e *Endpoint) Up() bool { return !e.down.Load() }

// SetUp records what a probe found and reports whether that is news.
func (e *Endpoint) SetUp(up bool) (changed bool) {
	if e.down.Swap(!up) == !up {
		return false
	}
	// The flag is stored before the count moves: a Pool that saw the old count
	// may have read either flag, and looks again at the new count.
	e.changes.Add(1)
	return true
}

// InFlight is the number of requests between Begin and End.
func (e *Endpoint) InFlight() int64 { return e.inFlight.Load() }

// Begin counts a request in flight. Each Begin needs exactly one End.
func (e *Endpoint) Begin() { e.inFlight.Add(1) }

// End undoes Begin. The last request of a retired endpoint closes its idle
// connections.
func (e *Endpoint) End() {
	if e.inFlight.Add(-1) == 0 && e.retired.Load() {
		e.client.CloseIdleConnections()
	}
}

// Acquire returns a connection that the caller owns until it calls exactly one
// of Conn.Release and Conn.Close. The most recently used idle connection comes
// first, then a new one. connectTimeout bounds dialling; 0 means
// Options.ConnectTimeout. The error wraps ErrExhausted or is the dialler's.
func (e *Endpoint) Acquire(connectTimeout time.Duration) (*Conn, error) {
	if connectTimeout <= 0 {
		connectTimeout = e.connectTimeout
	}
	cc, err := e.client.AcquireConn(connectTimeout, false)
	if err != nil {
		if errors.Is(err, fasthttp.ErrNoFreeConns) {
			err = ErrExhausted
		}
		return nil, fmt.Errorf("cannot connect to endpoint %q: %w", e.Address, err)
	}
	c := cc.Conn().(*Conn)
	c.Reused = c.release != nil
	if !c.Reused {
		// The pool's handle stays the same for the life of the connection and
		// its type has no name, so two closures bind it once.
		c.endpoint = e
		c.release = func() { e.client.ReleaseConn(cc) }
		c.discard = func() { e.client.CloseConn(cc) }
	}
	c.Reader = e.client.AcquireReader(c)
	return c, nil
}

// Adopt makes a Conn of a connection that was opened elsewhere. The caller owns
// it as it does one from Acquire, but it is used once: Release closes it too.
func (e *Endpoint) Adopt(nc net.Conn) *Conn {
	c := newConn(nc)
	c.endpoint = e
	c.release = func() { _ = nc.Close() }
	c.discard = c.release
	c.Reader = e.client.AcquireReader(c)
	return c
}

// CloseIdle closes the idle connections. After one of them turned out to be
// dead, all older ones are suspect.
func (e *Endpoint) CloseIdle() { e.client.CloseIdleConnections() }

// Connections is the number of open connections, idle ones included.
func (e *Endpoint) Connections() int { return e.client.ConnsCount() }

// retire makes the endpoint keep no connection beyond its present requests.
func (e *Endpoint) retire() {
	e.retired.Store(true)
	e.client.CloseIdleConnections()
}
