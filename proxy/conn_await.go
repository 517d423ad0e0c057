package proxy

import (
	"errors"
	"io"
	"time"

	"github.com/weirproxy/weir/proxy/socket"
)

// A connection waits for its next request in a goroutine for mostIdle at most.
// Beyond crowd connections it is shorter, so that about as many goroutines wait
// however many connections there are: the memory of their stacks would stay with
// the process until a collection. leastIdle keeps apart what is idle from what is
// just slow.
const (
	mostIdle  = time.Second
	leastIdle = 20 * time.Millisecond
	crowd     = 256
)

// parkAfter is how long one of so many connections waits in a goroutine.
func parkAfter(connections int64) time.Duration {
	return max(mostIdle*crowd/time.Duration(max(connections, crowd)), leastIdle)
}

// errServed says that a request was served whose answer was the last.
var errServed = errors.New("the connection ends with this answer")

// await waits until bytes of the next request are buffered. It holds no buffer
// meanwhile. A timeout says that they did not come within the time idle.
//
// Requests that a single read brings whole, and that have no body, it serves by
// itself, one after the other, and never returns for them.
func (c *clientConn) await(idle time.Duration) error {
	if c.r < c.w {
		c.w, c.r = copy(c.buf.b, c.buf.b[c.r:c.w]), 0
		return nil
	}
	c.idle = idle
	if err := c.rest(); err != nil {
		return err
	}
	if c.raw == nil {
		return c.fill()
	}
	if err := c.raw.Read(c.tryRead); err != nil {
		return err
	}
	return c.result
}

// rest makes the connection an idle one, for the time c.idle from now on.
func (c *clientConn) rest() error {
	c.giveBack()
	c.active.Store(false)
	now := c.doneAt
	if c.doneAt = 0; now == 0 {
		now = c.server.handler.Now()
	}
	// Moving the deadline at each request costs more than the precision is worth.
	if want := now + int64(c.idle); c.readBy < want || c.readBy > want+int64(c.idle)/4 {
		return c.setReadDeadline(want + int64(c.idle)/8)
	}
	return nil
}

// readNow is one read of await. It reports false to be called again when bytes
// may have come, and then leaves no buffer behind.
//
// A small request is served here, in the middle of RawConn.Read: bytes that come
// meanwhile are remembered as an event by the runtime, so when the answer is out
// no read has to find out that there is nothing yet. While that goes on, other
// reads of the connection would wait for this one and Close would too, so
// whatever needs either is left to the loop, and kill does not close.
func (c *clientConn) readNow(fd uintptr) (done bool) {
	c.take()
	// Before the read, so that whoever finds nothing to read and no activity
	// knows that no request is under way.
	c.active.Store(true)
	n, again, err := socket.Read(fd, c.buf.b)
	switch {
	case again:
		c.active.Store(false)
		c.giveBack()
		return false
	case err == nil && c.killed.Load():
		err = io.EOF
	}
	if c.w, c.result = n, err; err != nil {
		return true
	}
	switch served, more := c.serveNow(); {
	case !served:
		c.result = nil // the loop's
	case !more:
		c.result = errServed
	default:
		c.result = c.rest()
		return c.result != nil
	}
	return true
}

// serveNow serves what is buffered if it is exactly one request, without a body
// and without an upgrade. more says that the connection may carry another.
func (c *clientConn) serveNow() (served, more bool) {
	var scan headScan
	skip, n, r := scan.next(c.buf.b[:c.w], c.server.options.MaxHead)
	if r != Accepted || n == 0 || skip+n != c.w {
		return false, false
	}
	head := c.buf.b[skip:c.w]
	c.r, c.base = c.w, c.w
	if served, more = c.server.handler.serveIf(c, head, needsNoRead); !served {
		c.r, c.base = 0, 0
	}
	return served, more
}

// needsNoRead reports whether a request can be served without a read of its
// connection.
func needsNoRead(x *exchange, r Rejection) bool {
	return r == Accepted && x.head.length == 0 && !x.head.upgrade
}
