package proxy

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// errBareLF ends a connection whose request line does not end with CRLF.
var errBareLF = errors.New("the request line ends with a bare LF")

// errStopped is what a read of the body gets once the answer is complete.
var errStopped = errors.New("the rest of the body is not wanted")

// clientConn is one client connection under the codec.
//
// fasthttp reads requests through it; answers are written by send. What
// fasthttp itself writes goes nowhere: its idea of an answer would lose the
// order and the case of fields, the upstream's Date, and any control over when
// bytes leave. This keeps one writer, one serialiser.
type clientConn struct {
	net.Conn

	peer    netip.Addr
	address []byte // peer as text
	port    []byte // local port as text
	trusted bool   // peer is a trusted proxy
	secure  bool   // TLS
	shard   uint32

	server *Server
	state  atomic.Int32 // fasthttp.ConnState
	closed atomic.Bool

	line lineScan

	// While a body is received, every read gets bodyIdle; 0: the codec's deadline stands.
	bodyIdle time.Duration
	stopped  atomic.Bool // reads fail from now on

	sendIdle  time.Duration // longest block of one write
	sendArmed time.Time     // when the write deadline was last moved

	linger bool // let the client read the answer although its bytes were not read
	reset  bool // end with a reset: the answer is incomplete and nothing else shows it
}

func newClientConn(nc net.Conn, s *Server) *clientConn {
	c := &clientConn{Conn: nc, server: s, shard: s.nextShard.Add(1), sendIdle: s.options.BodyTimeout}
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		c.peer = a.AddrPort().Addr().Unmap()
	}
	c.address = c.peer.AppendTo(nil)
	if a, ok := nc.LocalAddr().(*net.TCPAddr); ok {
		c.port = strconv.AppendInt(nil, int64(a.Port), 10)
	}
	c.trusted = trusts(s.options.TrustedProxies, c.peer)
	return c
}

// Read is for the codec and the body it decodes.
func (c *clientConn) Read(p []byte) (int, error) {
	if c.bodyIdle > 0 {
		if err := c.Conn.SetReadDeadline(time.Now().Add(c.bodyIdle)); err != nil {
			return 0, err
		}
		// After the deadline was moved, because stopReading moves it back
		// after it raised the flag.
		if c.stopped.Load() {
			return 0, errStopped
		}
	}
	n, err := c.Conn.Read(p)
	if n > 0 && c.line.open && !c.line.accept(p[:n]) {
		return 0, errBareLF
	}
	return n, err
}

// Write swallows what the codec writes.
func (c *clientConn) Write(p []byte) (int, error) { return len(p), nil }

// send writes to the client. One write may block for sendIdle.
func (c *clientConn) send(p []byte) error {
	// Moving the deadline at each write costs more than the precision is worth.
	if now := time.Now(); now.Sub(c.sendArmed) > c.sendIdle/8 {
		if err := c.Conn.SetWriteDeadline(now.Add(c.sendIdle)); err != nil {
			return err
		}
		c.sendArmed = now
	}
	_, err := c.Conn.Write(p)
	return err
}

// receiveBody lets the body's reads block for at most idle each, until
// bodyReceived.
func (c *clientConn) receiveBody(idle time.Duration) { c.bodyIdle = idle }

func (c *clientConn) bodyReceived() { c.bodyIdle = 0 }

// stopReading ends a read of the body that another goroutine is in, and all later ones.
func (c *clientConn) stopReading() {
	c.stopped.Store(true)
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
}

// changed follows the codec: a connection is active from the first byte of a
// request until its answer is complete.
func (c *clientConn) changed(state fasthttp.ConnState) {
	c.state.Store(int32(state))
	switch state {
	case fasthttp.StateIdle:
		c.line = lineScan{open: true}
	case fasthttp.StateActive:
		if !c.line.any {
			// The request was already in the codec's buffer, so the next read
			// does not begin with its first line.
			c.line.open = false
		}
	}
}

// idle reports whether no request is being received or served.
func (c *clientConn) idle() bool {
	return fasthttp.ConnState(c.state.Load()) != fasthttp.StateActive
}

// lingerTime and lingerBytes bound how long a closing connection waits for a
// client that is still sending.
const (
	lingerTime  = time.Second
	lingerBytes = 1 << 20
)

// Close ends the connection. Unread bytes would make the kernel send a reset
// that can overtake the answer, so they are read first, within bounds.
func (c *clientConn) Close() error {
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	defer c.server.remove(c)
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return c.Conn.Close()
	}
	if c.reset {
		_ = tcp.SetLinger(0)
		return tcp.Close()
	}
	if (c.linger || c.unread()) && tcp.CloseWrite() == nil {
		_ = tcp.SetReadDeadline(time.Now().Add(lingerTime))
		var scrap [4 << 10]byte
		for total := 0; total < lingerBytes; {
			n, err := tcp.Read(scrap[:])
			if total += n; err != nil {
				break
			}
		}
	}
	return tcp.Close()
}

// kill ends the connection from outside, whatever its goroutine does. That
// goroutine finds out at its next read or write and calls Close.
func (c *clientConn) kill() { _ = c.Conn.Close() }

// unread reports whether bytes wait to be read.
func (c *clientConn) unread() bool {
	sc, ok := c.Conn.(syscall.Conn)
	return ok && hasUnread(sc)
}

// hasUnread reports whether the kernel holds bytes that nobody read.
func hasUnread(sc syscall.Conn) bool {
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	unread := false
	// Control, not Read: a read would wait for the one that the connection's
	// own goroutine is in.
	_ = raw.Control(func(fd uintptr) { unread = peekBytes(fd) })
	return unread
}

// lineScan looks for a request line that ends with a bare LF, as far as the
// line arrives in reads of its own. The codec would take it, or wait for more.
type lineScan struct {
	open bool // the line's end has not been seen
	any  bool // a byte of the line has been seen
	cr   bool // the last byte was CR
	text bool // the line is not empty
}

// accept reports false for a bare LF. Empty lines before the request line pass.
func (s *lineScan) accept(b []byte) bool {
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			s.any, s.text, s.cr = true, s.text || len(b) > 1 || b[0] != '\r', b[len(b)-1] == '\r'
			return true
		}
		if i == 0 && !s.cr || i > 0 && b[i-1] != '\r' {
			return false
		}
		s.any = true
		if s.text || i > 1 {
			s.open = false
			return true
		}
		b, s.cr = b[i+1:], false
	}
	return true
}
