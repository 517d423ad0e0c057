package proxy

import (
	"bytes"
	"errors"
	"runtime/debug"

	"go.uber.org/zap"
)

// serveConn serves the requests of one connection, one after the other. It
// ends when the connection is closed, or parked: then the parker calls it again
// for the next request.
func (s *Server) serveConn(c *clientConn) {
	c.bind()
	for {
		if err := s.awaitNext(c); err == errParked {
			return
		} else if err != nil {
			break
		}
		head, r, err := c.readHead()
		if err != nil {
			break // nobody is there to be answered
		}
		if r != Accepted {
			s.handler.refuse(c, r)
			break
		}
		if !s.handler.serve(c, head) {
			break
		}
	}
	_ = c.Close()
}

// errParked says that the connection is the parker's now.
var errParked = errors.New("the connection is parked")

// awaitNext waits for the next request as long as a connection may be idle:
// for a while here, and then parked.
func (s *Server) awaitNext(c *clientConn) error {
	keep, after := s.options.KeepAlive, parkAfter(s.open.Load())
	err := c.await(min(keep, after))
	if keep <= after || !isTimeout(err) {
		return err
	}
	c.giveBack()
	if s.parker.park(c, s.handler.Now()+int64(keep-after)) {
		return errParked
	}
	return c.await(keep - after)
}

// serve is one request. It reports whether the connection may carry another. A
// panic costs this request alone.
func (h *Handler) serve(c *clientConn, head []byte) (again bool) {
	_, again = h.serveIf(c, head, nil)
	return again
}

// serveIf is serve for requests that may be served; nil: all. Of others it leaves
// no trace, and served is false.
func (h *Handler) serveIf(c *clientConn, head []byte, may func(*exchange, Rejection) bool) (served, again bool) {
	x := h.exchanges.Get().(*exchange)
	x.begin(c)
	served = true
	defer h.finish(x, &served, &again)
	r := x.head.parseHead(head)
	if may != nil && !may(x, r) {
		served = false
		return
	}
	x.close = x.head.close || h.draining.Load()
	if r != Accepted {
		x.reject(r)
		return
	}
	x.source = bodyReader{conn: c, left: x.head.length}
	x.serve()
	return
}

// finish ends the exchange on every path, once.
func (h *Handler) finish(x *exchange, served, again *bool) {
	if p := recover(); p != nil {
		h.panics.Add(1)
		h.log.Error("a request ended in a panic", zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
		x.panicked()
	}
	if *served {
		*again = !x.close && !x.broken
		x.end()
	} else {
		x.perRequest, x.decided = perRequest{}, decided{}
	}
	h.exchanges.Put(x)
}

// maxEmptyLines is how many empty lines may come before a request line: some
// old clients send one after a body (RFC 9112 section 2.2).
const maxEmptyLines = 4

// headScan looks for a request head in bytes that arrive in pieces. The zero
// value is at the start of a request.
type headScan struct {
	searched int // bytes of the head that hold no end
	empty    int // empty lines before it
}

// next returns how many bytes of empty lines come first, and the length of the
// head behind them; 0: it is not complete. What cannot become a head, or none
// of at most largest bytes, is refused at once. b is all that was received and
// not skipped.
func (s *headScan) next(b []byte, largest int) (skip, n int, r Rejection) {
	for len(b) > 1 && b[0] == '\r' && b[1] == '\n' {
		if s.empty++; s.empty > maxEmptyLines {
			return skip, 0, BadRequestLine
		}
		skip, b = skip+2, b[2:]
	}
	n, ok := headEnd(b, s.searched)
	switch {
	case !ok || n == 0 && !plausible(b, s.searched):
		return skip, 0, lineOf(b)
	case n > largest || n == 0 && len(b) >= largest:
		return skip, 0, tooLarge(b)
	}
	s.searched = len(b)
	return skip, n, Accepted
}

// readHead reads a request head up to its empty line. The head stays in the
// buffer until the next await. An error means that the client went away, or
// asked for nothing.
func (c *clientConn) readHead() (head []byte, r Rejection, err error) {
	var scan headScan
	for late := false; ; late = true {
		skip, n, r := scan.next(c.buf.b[c.r:c.w], c.server.options.MaxHead)
		c.r += skip
		if r != Accepted {
			return nil, r, nil
		}
		if n > 0 {
			head = c.buf.b[c.r : c.r+n]
			c.r += n
			c.base = c.r
			return head, Accepted, nil
		}
		if !late {
			if err := c.setReadDeadline(c.server.handler.Now() + int64(c.server.options.HeadTimeout)); err != nil {
				return nil, 0, err
			}
		}
		if c.w == len(c.buf.b) {
			c.w, c.r = copy(c.buf.b, c.buf.b[c.r:c.w]), 0
		}
		if err := c.fill(); isTimeout(err) && c.r < c.w {
			return nil, HeadTimeout, nil
		} else if err != nil {
			return nil, 0, err
		}
	}
}

// plausible reports whether b may still become a head. What certainly does not
// is refused at once, rather than after the time that a head may take.
func plausible(b []byte, searched int) bool {
	if len(b) > 0 && !isToken[b[0]] && (b[0] != '\r' || len(b) > 1) {
		return false
	}
	for from := max(searched-1, 0); ; {
		i := bytes.IndexByte(b[from:], '\r')
		if i < 0 || from+i == len(b)-1 {
			return true
		}
		if b[from+i+1] != '\n' {
			return false
		}
		from += i + 1
	}
}

// lineOf tells whether it is the request line or a field that is broken.
func lineOf(b []byte) Rejection {
	if i := bytes.IndexByte(b, '\n'); i > 0 && b[i-1] == '\r' && isToken[b[0]] {
		return BadField
	}
	return BadRequestLine
}

func tooLarge(b []byte) Rejection {
	if bytes.IndexByte(b, '\n') < 0 {
		return TargetTooLong
	}
	return HeadTooLarge
}

// refuse answers on a connection that has no exchange, and lets it end.
func (h *Handler) refuse(c *clientConn, r Rejection) {
	h.rejected(r)
	c.linger = true
	_ = c.send(appendOwn(nil, ownAnswer{status: r.status(), word: r.String(), close: true, page: h.options.Pages.Find(r.status())}))
	h.logRefused(c, r)
}
