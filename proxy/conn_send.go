package proxy

import "github.com/weirproxy/weir/proxy/socket"

// paced is the smallest write whose time is taken: a client cannot hold much
// back with less.
const paced = 4 << 10

// send writes to the client. One write may block for as long as a body may be
// silent, and all of an answer's together no longer than the minimum rate allows.
func (c *clientConn) send(p []byte) error { return c.sendAt(p, c.server.handler.Now()) }

// sendAt is send for those who know what time it is.
func (c *clientConn) sendAt(p []byte, now int64) error {
	idle := int64(c.server.options.BodyTimeout)
	deadline := now + idle
	if len(p) >= paced {
		deadline = c.sends.allow(now, int64(len(p)), idle)
	}
	// As with reads, precision is not worth a timer for each write.
	if c.sendBy > deadline || c.sendBy < now+(deadline-now)/2 {
		if err := c.Conn.SetWriteDeadline(c.server.handler.at(deadline)); err != nil {
			return err
		}
		c.sendBy = deadline
	}
	err := c.put(p)
	if len(p) >= paced {
		c.sends.spent += c.server.handler.Now() - now
		c.sends.bytes += int64(len(p))
	}
	return err
}

// put writes all of p: at once what the socket takes, which is all of it as a
// rule, and the rest as it takes more.
func (c *clientConn) put(p []byte) error {
	c.waited = false
	if c.raw != nil && len(p) <= socket.Small {
		c.answer, c.result = p, nil
		err := c.raw.Control(c.tryPut)
		p, c.answer = c.answer, nil
		if err == nil {
			err = c.result
		}
		if err != nil || len(p) == 0 {
			return err
		}
	}
	c.waited = true
	_, err := c.Conn.Write(p)
	return err
}

func (c *clientConn) putNow(fd uintptr) {
	n, err := socket.Write(fd, c.answer)
	c.answer, c.result = c.answer[n:], err
}
