package upstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/weirproxy/weir/proxy/socket"
)

// Conn is one connection to an endpoint, owned by one request between
// Endpoint.Acquire and Release or Close.
type Conn struct {
	net.Conn

	// Reader reads from the connection. It is valid until Release or Close.
	Reader *bufio.Reader
	// Reused says that the connection carried an earlier request, so that the
	// other side may have closed it in the meantime.
	Reused bool
	// Armed is for the owners' use, who hand it on: when the deadline passes
	// that one of them set last for both directions. 0: unknown.
	Armed int64

	endpoint         *Endpoint
	release, discard func()

	raw  syscall.RawConn // nil if what passes the socket is not what is read and written
	idle syscall.RawConn // nil if there is no socket to look into
	look func(fd uintptr)
	try  func(fd uintptr) bool

	// What the callbacks get and what they find.
	quiet  bool
	in     []byte // room for what is read
	n      int    // read
	err    error  // of the read, or of the write before it
	ask    []byte // of the request that Ask was given, what is not written yet
	fresh  bool   // nothing of it is
	stale  bool
	unsent bool
}

func newConn(nc net.Conn) *Conn {
	c := &Conn{Conn: nc}
	under := nc
	encrypted, ok := nc.(*tls.Conn)
	if ok {
		under = encrypted.NetConn()
	}
	if sc, ok := under.(syscall.Conn); ok && socket.Usable {
		if raw, err := sc.SyscallConn(); err == nil {
			c.idle = raw
			c.look = func(fd uintptr) { c.quiet = socket.Quiet(fd) }
		}
	}
	if encrypted == nil && c.idle != nil {
		c.raw, c.try = c.idle, c.tryRead
	}
	return c
}

// Alive reports whether an idle connection is still open and silent. It costs
// one system call. A connection that fails the test must be closed: the other
// side ended it, or sent bytes that nobody asked for.
func (c *Conn) Alive() bool {
	if c.idle != nil && (c.idle.Control(c.look) != nil || !c.quiet) {
		return false
	}
	_, encrypted := c.Conn.(*tls.Conn)
	return !encrypted || c.drained()
}

// drained reports whether a connection with TLS has nothing decrypted left. Bytes
// behind an answer, in one record with it, would not show in the socket, and
// would answer another request.
func (c *Conn) drained() bool {
	c.Armed = 0
	var b [1]byte
	// What is decrypted is read whatever the deadline; the socket is not.
	_ = c.SetReadDeadline(time.Unix(1, 0))
	n, err := c.Conn.Read(b[:])
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && c.SetDeadline(time.Time{}) == nil
}

// Release gives the connection back for reuse. Only a connection whose last
// answer was read to its end may be released; one with bytes left over is
// closed instead, so that they never answer another request.
func (c *Conn) Release() {
	if c.Reader.Buffered() > 0 || c.endpoint.retired.Load() {
		c.Close()
		return
	}
	c.endpoint.client.ReleaseReader(c.Reader)
	c.Reader = nil
	c.release()
}

// Close ends the connection. It is also what the pool calls on an idle one.
func (c *Conn) Close() error {
	if c.Reader == nil { // called by the pool, or not yet in it
		return c.Conn.Close()
	}
	c.endpoint.client.ReleaseReader(c.Reader)
	c.Reader = nil
	c.discard()
	return nil
}

// dialer dials with both address families and without Nagle's delay.
func dialer(link Link, o Options) func(addr string, timeout time.Duration) (net.Conn, error) {
	return func(addr string, timeout time.Duration) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		nc, err := link.dial(ctx, addr, o.TCPKeepAlive)
		if err != nil {
			return nil, err
		}
		return newConn(nc), nil
	}
}
