package upstream

import (
	"errors"
	"os"

	"github.com/weirproxy/weir/proxy/socket"
)

var errStale = errors.New("the connection had ended, or was not silent, before its next request")

// Ask sends p, a whole request, with the next read of c, which then waits for
// the answer. It reports false, and does nothing, if c cannot do that: p is to
// be written then. The caller leaves p alone until that read has returned.
//
// The look whether the connection is still silent, the write and the wait are
// one: nothing can be there to be read before the request was written, so no
// read has to find that out, and none of Alive's system calls comes on top.
func (c *Conn) Ask(p []byte) bool {
	if c.raw == nil || len(p) == 0 || len(p) > socket.Small {
		return false
	}
	c.ask, c.fresh, c.stale, c.unsent = p, true, false, false
	return true
}

// Stale reports whether the last Ask came to nothing because the other side had
// ended the connection, or sent bytes that nobody asked for. Not one byte of the
// request was sent, and the connection must be closed.
func (c *Conn) Stale() bool { return c.stale }

// Unsent reports whether not one byte of what Ask was given could be written.
func (c *Conn) Unsent() bool { return c.unsent }

// Read reads what the endpoint sent, waiting for it until the read deadline.
// What Ask was given goes out first, within the write deadline. After an error
// that is a timeout it goes on from there.
func (c *Conn) Read(p []byte) (int, error) {
	if c.raw == nil || len(p) == 0 {
		return c.Conn.Read(p)
	}
	for {
		c.in, c.n, c.err = p, 0, nil
		err := c.raw.Read(c.try)
		c.in = nil
		switch {
		case err != nil:
			return 0, err
		case c.err != nil:
			return 0, c.err
		case len(c.ask) == 0:
			return c.n, nil
		}
		// The socket is full, which a small request hardly ever meets.
		n, err := c.Conn.Write(c.ask)
		if c.ask = c.ask[n:]; errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		} else if err != nil {
			c.ask = nil // there may be an answer all the same
		}
	}
}

// tryRead writes what is to be written, or else reads. It reports false to be
// called again when something has come.
func (c *Conn) tryRead(fd uintptr) (done bool) {
	var failed error
	if len(c.ask) > 0 {
		if c.fresh && c.Reused && !socket.Quiet(fd) {
			c.ask, c.stale, c.err = nil, true, errStale
			return true
		}
		var n int
		n, failed = socket.Write(fd, c.ask)
		fresh := c.fresh
		c.ask, c.fresh = c.ask[n:], false
		if failed == nil {
			return len(c.ask) > 0
		}
		c.ask, c.unsent = nil, fresh && n == 0 // there may be an answer all the same
	}
	n, again, err := socket.Read(fd, c.in)
	c.n, c.err = n, err
	if again && failed != nil {
		c.err = failed
		return true
	}
	return !again
}
