package upstream

import (
	"errors"
	"fmt"
	"net"
	"net/http"
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
	// Identity never changes.
	Identity

	client         fasthttp.HostClient
	transport      atomic.Pointer[http.Transport] // nil until the first use
	connectTimeout time.Duration
	maxConnections int
	changes        *atomic.Uint64 // bumped at each change of health; shared by the Registry
	suspects       *atomic.Uint64 // bumped at each new suspicion; shared by the Registry
	refusals       *refusals      // shared by the version

	// Health, seldom written.
	down, ejected, retired atomic.Bool
	suspect                atomic.Bool
	missing                atomic.Int32 // of FullShare, while the endpoint starts slowly

	uploads uploads

	_        [64]byte // the counters below are written by every request
	inFlight atomic.Int64
	failures atomic.Int32 // gateway failures since the last good answer
	_        [64]byte
}

// FullShare is the share of an endpoint that gets as much as any other.
const FullShare = 10_000

func newEndpoint(id Identity, g *Registry) *Endpoint {
	o := g.options
	e := &Endpoint{
		Identity:       id,
		connectTimeout: o.ConnectTimeout, maxConnections: o.MaxConnections,
		changes: &g.changes, suspects: &g.suspects, refusals: g.refusalsOf(id.Service, id.Version),
	}
	e.client = fasthttp.HostClient{
		Addr:        id.Address,
		DialTimeout: dialer(id.Link, o),
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

// Up reports whether the endpoint is well: no probe took it down, and it is not
// ejected. A new endpoint is up until somebody says otherwise.
func (e *Endpoint) Up() bool { return !e.down.Load() && !e.ejected.Load() }

// SetUp records what a probe found and reports whether that is news.
func (e *Endpoint) SetUp(up bool) (changed bool) { return e.set(&e.down, !up) }

// Probed reports whether the endpoint is up as far as probes know.
func (e *Endpoint) Probed() bool { return !e.down.Load() }

// Ejected reports whether the endpoint is out for the requests that it failed.
func (e *Endpoint) Ejected() bool { return e.ejected.Load() }

// SetEjected takes the endpoint out or back in, and reports whether that is
// news. One that comes back is judged anew.
func (e *Endpoint) SetEjected(ejected bool) (changed bool) {
	if !ejected {
		e.failures.Store(0)
		e.suspect.Store(false)
	}
	return e.set(&e.ejected, ejected)
}

func (e *Endpoint) set(flag *atomic.Bool, value bool) (changed bool) {
	if flag.Swap(value) == value {
		return false
	}
	// The flag is stored before the count moves: a Pool that saw the old count
	// may have read either flag, and looks again at the new count.
	e.changes.Add(1)
	return true
}

// Suspect reports whether the endpoint failed Policy.Failures requests in a row
// since it was last asked, and how many it has failed by now.
func (e *Endpoint) Suspect() (failures int, suspect bool) {
	if !e.suspect.Load() {
		return 0, false
	}
	failures = int(e.failures.Load())
	return failures, e.suspect.Swap(false)
}

// Share is how much the endpoint gets beside the others, of FullShare.
func (e *Endpoint) Share() int { return FullShare - int(e.missing.Load()) }

// SetShare sets the share of an endpoint that starts slowly; 1 to FullShare.
func (e *Endpoint) SetShare(share int) {
	missing := int32(FullShare - share)
	if was := e.missing.Swap(missing); (was == 0) != (missing == 0) {
		e.changes.Add(1) // whether anybody starts slowly is part of a Pool's list
	}
}

// SetMaxConnections bounds the connections. 0: Options.MaxConnections.
func (e *Endpoint) SetMaxConnections(n int) {
	if n <= 0 {
		n = e.maxConnections
	}
	e.client.SetMaxConns(n)
}

// InFlight is the number of requests between Begin and End.
func (e *Endpoint) InFlight() int64 { return e.inFlight.Load() }

// Begin counts a request in flight. Each Begin needs exactly one End.
func (e *Endpoint) Begin() { e.inFlight.Add(1) }

// End undoes Begin. The last request of a retired endpoint closes its idle
// connections.
func (e *Endpoint) End() {
	if e.inFlight.Add(-1) == 0 && e.retired.Load() {
		e.closeIdle()
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
			e.refusals.count(ConnectionsCircuit)
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
func (e *Endpoint) CloseIdle() { e.closeIdle() }

// Connections is the number of open connections, idle ones included.
func (e *Endpoint) Connections() int { return e.client.ConnsCount() }

// retire makes the endpoint keep no connection beyond its present requests.
func (e *Endpoint) retire() {
	e.retired.Store(true)
	e.closeIdle()
}
