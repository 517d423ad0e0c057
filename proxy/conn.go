package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weirproxy/weir/proxy/socket"
)

// errStopped is what a read of the body gets once the answer is complete.
var errStopped = errors.New("the rest of the body is not wanted")

// clientConn is one client connection. Its goroutine reads heads and writes
// answers; while a body is uploaded, the upload's goroutine is the reader.
//
// It holds a buffer only between the first byte of a request and the end of
// its answer.
type clientConn struct {
	net.Conn

	peer    netip.Addr
	client  netip.Addr // what the connection counts for in the limit per client
	address []byte     // peer as text
	port    []byte     // local port as text
	trusted bool       // peer is a trusted proxy
	secure  bool       // TLS
	h2      bool       // a stream of HTTP/2
	shard   uint32

	server *Server
	active atomic.Bool // a request is being received or served
	closed atomic.Bool
	killed atomic.Bool // what is read from now on is no request

	raw     syscall.RawConn       // nil: waiting for a request holds a buffer
	tryRead func(fd uintptr) bool // one read of await, bound once
	tryPut  func(fd uintptr)      // one write of send, bound once
	result  error                 // of tryRead and tryPut
	answer  []byte                // what tryPut has not written yet
	idle    time.Duration         // what await was given
	doneAt  int64                 // when the last answer was sent, if that was just now; else 0
	buf     *buffer               // nil: nothing is buffered
	r, w    int                   // buf.b[r:w] was received and not yet used
	base    int                   // end of the head; what is before it stays
	readBy  int64                 // when the read deadline that is set passes; 0: unknown

	body    pace        // of the request body
	stopped atomic.Bool // reads of the body fail from now on

	waited bool  // the last send may have waited for the client
	sendBy int64 // when the write deadline that is set passes; 0: unknown
	sends  pace  // of the answer

	parkedAt    int32 // file descriptor; the parker's
	parkedUntil int64

	linger bool // let the client read the answer although its bytes were not read
	reset  bool // end with a reset: the answer is incomplete and nothing else shows it
}

// buffer holds a head and what came with it.
type buffer struct{ b []byte }

// bodyRoom is how much longer than the largest head a buffer is, so that a
// body can be received behind its head.
const bodyRoom = 4 << 10

func newClientConn(nc net.Conn, s *Server) *clientConn {
	c := &clientConn{Conn: nc, server: s, shard: s.nextShard.Add(1)}
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

// bind prepares the first await, once Conn is what requests come through.
func (c *clientConn) bind() {
	sc, ok := c.Conn.(syscall.Conn)
	if !ok || !socket.Usable || c.raw != nil {
		return
	}
	if raw, err := sc.SyscallConn(); err == nil {
		c.raw, c.tryRead, c.tryPut = raw, c.readNow, c.putNow
	}
}

func (c *clientConn) take() {
	if c.buf == nil {
		c.buf, _ = c.server.buffers.Get().(*buffer)
		c.r, c.w, c.base = 0, 0, 0
	}
}

func (c *clientConn) giveBack() {
	if c.buf != nil {
		c.server.buffers.Put(c.buf)
		c.buf, c.r, c.w = nil, 0, 0
	}
}

// fill reads at least a byte behind what is buffered.
func (c *clientConn) fill() error {
	c.take()
	n, err := c.Conn.Read(c.buf.b[c.w:])
	c.active.Store(true)
	c.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

func (c *clientConn) setReadDeadline(at int64) error {
	c.readBy = at
	return c.Conn.SetReadDeadline(c.server.handler.at(at))
}

// readBody reads into p what is buffered, or else what comes, for the body that
// c.body paces.
func (c *clientConn) readBody(p []byte) (int, error) {
	if c.r < c.w {
		n := copy(p, c.buf.b[c.r:c.w])
		c.r += n
		return n, nil
	}
	if err := c.armBody(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	c.body.bytes += int64(n)
	return n, err
}

// fillBody is readBody into the buffer, behind the head.
func (c *clientConn) fillBody() error {
	if c.r < c.w {
		return nil
	}
	if err := c.armBody(); err != nil {
		return err
	}
	c.r, c.w = c.base, c.base
	err := c.fill()
	c.body.bytes += int64(c.w - c.base)
	return err
}

func (c *clientConn) armBody() error {
	if err := c.setReadDeadline(c.body.deadline(c.server.handler.Now())); err != nil {
		return err
	}
	// After the deadline was moved, because stopReading moves it back after it
	// raised the flag.
	if c.stopped.Load() {
		return errStopped
	}
	return nil
}

// stopReading ends a read of the body that another goroutine is in, and all later ones.
func (c *clientConn) stopReading() {
	c.stopped.Store(true)
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
}

// gone reports whether the client has closed its side. One that only ended its
// sending looks the same, and is treated like one that left, as nginx and
// net/http do.
func (c *clientConn) gone() bool {
	if s, ok := c.Conn.(*stream); ok {
		return s.gone()
	}
	gone := false
	if raw := rawOf(c.Conn); raw != nil {
		_ = raw.Control(func(fd uintptr) { gone = socket.Ended(fd) })
	}
	return gone
}

// unread reports whether the kernel holds bytes that nobody read.
func (c *clientConn) unread() bool {
	unread := false
	if raw := rawOf(c.Conn); raw != nil {
		// Control, not Read: a read would wait for the one that the connection's
		// own goroutine is in.
		_ = raw.Control(func(fd uintptr) { unread = socket.Pending(fd) })
	}
	return unread
}

// rawOf returns the socket under nc, through TLS, or nil.
func rawOf(nc net.Conn) syscall.RawConn {
	sc, ok := underTLS(nc).(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
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
	defer c.giveBack()
	under := underTLS(c.Conn)
	tcp, ok := under.(*net.TCPConn)
	if !ok {
		return c.Conn.Close()
	}
	if c.reset {
		_ = tcp.SetLinger(0)
		return tcp.Close()
	}
	if t, ok := c.Conn.(*tls.Conn); ok {
		// A client that takes nothing does not get to know that this is the end.
		_ = tcp.SetWriteDeadline(time.Now().Add(lingerTime))
		_ = t.CloseWrite()
	}
	if (c.linger || c.unread()) && tcp.CloseWrite() == nil {
		_ = tcp.SetReadDeadline(time.Now().Add(lingerTime))
		c.take()
		for total := 0; total < lingerBytes; {
			n, err := tcp.Read(c.buf.b)
			if total += n; err != nil {
				break
			}
		}
	}
	return tcp.Close()
}

// kill ends the connection from outside, whatever its goroutine does. That
// goroutine finds out at its next read or write and calls Close.
func (c *clientConn) kill() {
	parked := c.server.parker.take(c)
	c.killed.Store(true)
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		// Close would wait for the request that is served within a read.
		_, _ = tcp.CloseRead(), tcp.CloseWrite()
	} else {
		_ = underTLS(c.Conn).Close()
	}
	if parked {
		// It has no goroutine that could find out.
		go c.server.serveConn(c)
	}
}

// underTLS returns what carries nc if that is TLS, else nc.
func underTLS(nc net.Conn) net.Conn {
	if t, ok := nc.(*tls.Conn); ok {
		return t.NetConn()
	}
	return nc
}
