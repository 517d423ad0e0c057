package proxy

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

// markCopy is the field that a copy has on top of what its original has, so that
// an application can leave out what must not happen twice: a mail, a charge. It
// is dropped from what clients send, or they could make it leave out theirs.
const markCopy = "X-Weir-Mirror: 1\r\n\r\n"

const (
	// maxCopyBody is how much of an answer to a copy is read. What is longer
	// counts as good at that, as streams do for users.
	maxCopyBody = 1 << 20

	// copyTime bounds a copy where the service has no timeout, and the body of
	// its answer everywhere.
	copyTime = 15 * time.Second
)

// copies are the copies of requests that are under way. Each has a goroutine of
// its own, bounded in number by its version's Budget and in time by copyTime or
// the service's timeout, and ended by stop.
type copies struct {
	stopped context.Context
	stop    context.CancelFunc
	pool    sync.Pool // of *copied
}

// copied is the copy of one request.
type copied struct {
	h        *Handler
	service  *route.Service
	version  *route.Version
	endpoint *upstream.Endpoint // nil: the version has none with room
	token    stats.Token
	toHead   bool

	request []byte
	resp    responseHead
	up      *upstream.Conn
}

func (m *copies) init(h *Handler) {
	m.stopped, m.stop = context.WithCancel(context.Background())
	m.pool.New = func() any { return &copied{h: h} }
}

// copyTo sends a copy of the request to the mirror's version, or does not: if
// the draw says so, if the request could do something twice, if it goes there
// anyhow, while draining, or if too many copies are under way. The client's
// request goes on without it in any case.
func (x *exchange) copyTo(m *route.Mirror) {
	if route.BucketAt(rand.Uint64()) >= m.Share || x.version == m.Version || !safe(x.head.method) ||
		x.head.length != 0 || x.upgrade != nil || x.h.draining.Load() {
		return
	}
	endpoint, limit := spare(m.Version.Pool)
	if limit == 0 || !m.Version.Budget.BeginCopy(limit) {
		m.Version.Recorder.DropCopy()
		return
	}
	c := x.h.copies.pool.Get().(*copied)
	c.service, c.version, c.endpoint = x.service, m.Version, endpoint
	c.toHead = string(x.head.method) == "HEAD"
	if endpoint != nil {
		// Before the dispatch, so that nothing but these two speaks of an attempt.
		present := x.attempt
		x.version, x.endpoint = c.version, endpoint
		c.request = x.appendRequest(c.request[:0])
		c.request = append(c.request[:len(c.request)-len(crlf)], markCopy...)
		x.attempt = present
	}
	c.token = m.Version.Recorder.Begin(x.shard, stats.Mirror, x.h.Now(), -1)
	go c.run()
}

// spare picks an endpoint for a copy and says how many copies the version may
// have at once. Users come first: a copy is no request in flight that circuits
// count, and takes none of the connections once users have half of them. 0: there
// is no room. A nil endpoint: none is up, which is the version's failure.
func spare(p *upstream.Pool) (e *upstream.Endpoint, limit int) {
	limit = upstream.MaxCopies
	e = p.PickOther(rand.Uint64(), nil)
	if e == nil {
		if p.AnyUp() {
			return nil, 0
		}
		return nil, limit
	}
	if all := p.Policy().Connections; all > 0 {
		if 2*e.InFlight() >= int64(all) {
			return nil, 0
		}
		limit = min(limit, max(all/4, 1))
	}
	return e, limit
}

// safe reports whether the method asks for nothing but an answer. A copied PUT
// may be repeated too, but one that comes late could undo a later one in a
// store that both versions share.
func safe(method []byte) bool {
	switch string(method) {
	case "GET", "HEAD", "OPTIONS":
		return true
	}
	return false
}

// run sends the copy, reads the answer and records how it went.
func (c *copied) run() {
	defer c.end()
	reason := stats.Exhausted
	if c.endpoint != nil {
		reason = c.carry()
	}
	o := stats.Outcome{Reason: reason}
	o.ClientLeft = reason.Error() && c.h.copies.stopped.Err() != nil // weir ended it itself
	c.version.Recorder.End(&c.token, c.h.Now(), o)
}

func (c *copied) end() {
	c.version.Budget.EndCopy()
	if cap(c.request) > maxKept {
		c.request = nil
	}
	*c = copied{h: c.h, request: c.request[:0]}
	c.h.copies.pool.Put(c)
}

// carry is the copy from its connection to the end of its answer. A connection
// that turns out to be stale is replaced once, as a client's would be.
func (c *copied) carry() stats.Reason {
	for again := false; ; again = true {
		if reason := c.connect(); reason != stats.None {
			return reason
		}
		reason, stale := c.exchange()
		if !stale || again {
			return reason
		}
	}
}

// limit is the longest wait for the head.
func (c *copied) limit() time.Duration {
	if c.service.Timeout > 0 {
		return c.service.Timeout
	}
	return copyTime
}

func (c *copied) connect() stats.Reason {
	if c.service.Protocol != route.HTTP1 {
		c.up = c.endpoint.Adopt(openBridge(c.service, c.endpoint))
		return stats.None
	}
	for {
		up, err := c.endpoint.Acquire(min(max(c.service.ConnectTimeout, 0), c.limit()))
		switch {
		case errors.Is(err, upstream.ErrExhausted):
			return stats.Exhausted
		case err != nil:
			return stats.Connect
		case !up.Reused || up.Alive():
			c.up = up
			return stats.None
		}
		up.Close()
	}
}

// exchange is one attempt on one connection. stale says that the connection had
// ended before the endpoint could see the request.
func (c *copied) exchange() (reason stats.Reason, stale bool) {
	up := c.up
	defer context.AfterFunc(c.h.copies.stopped, func() { _ = up.SetDeadline(time.Unix(1, 0)) })()
	whole := false
	defer func() {
		if whole && !c.resp.close {
			up.Release()
		} else {
			up.Close()
		}
	}()
	up.Armed = 0
	sent := c.h.Now()
	if !c.expire(c.limit()) {
		return stats.Timeout, false
	}
	_, failed := up.Write(c.request)
	n, reason := c.readHead()
	if reason != stats.None {
		return reason, reason == stats.Reset && up.Reused && up.Reader.Buffered() == 0
	}
	at := c.h.Now()
	bad := c.service.ErrorStatus.Has(c.resp.status)
	c.version.Recorder.Head(&c.token, at, time.Duration(at-sent), c.resp.status, bad)
	_, _ = up.Reader.Discard(n)
	if !c.expire(copyTime) {
		return stats.Timeout, false
	}
	whole, reason = c.readBody()
	whole = whole && failed == nil
	return reason, false
}

// expire bounds what follows. False: weir is ending.
func (c *copied) expire(d time.Duration) bool {
	_ = c.up.SetDeadline(time.Now().Add(d)) // an unusable connection fails at its next use
	return c.h.copies.stopped.Err() == nil
}

// readHead reads up to the final head, which stays in the reader.
func (c *copied) readHead() (n int, reason stats.Reason) {
	br := c.up.Reader
	for interim, searched := 0, 0; interim <= maxInterim; {
		b, _ := br.Peek(br.Buffered())
		n, ok := headEnd(b, searched)
		switch {
		case !ok:
			return 0, stats.Protocol
		case n == 0:
			searched = len(b)
			if _, err := br.Peek(len(b) + 1); err != nil {
				return 0, c.because(headReason(err))
			}
			continue
		case !c.resp.parse(b[:n], c.toHead) || c.resp.status == 101:
			return 0, stats.Protocol
		case c.resp.status >= 200:
			return n, stats.None
		}
		interim, searched = interim+1, 0
		_, _ = br.Discard(n)
	}
	return 0, stats.Protocol
}

// because is the reason of a bridge's end, which only the bridge knows.
func (c *copied) because(reason stats.Reason) stats.Reason {
	if b, ok := c.up.Conn.(*bridge); ok && reason == stats.Reset && b.reason.Load() != 0 {
		return stats.Reason(b.reason.Load())
	}
	return reason
}

// readBody drops the answer's body. whole: it was read to its end, so that the
// connection can carry another request.
func (c *copied) readBody() (whole bool, reason stats.Reason) {
	br := c.up.Reader
	var chunks chunkReader
	left, end := c.resp.length, time.Now().Add(copyTime)
	for total := 0; left != 0; {
		if total > maxCopyBody || time.Now().After(end) {
			return false, stats.None
		}
		if _, err := br.Peek(1); err != nil {
			switch {
			case left == lengthToEnd && err == io.EOF:
				return true, stats.None
			case isTimeout(err) && !time.Now().Before(end):
				return false, stats.None // it is open, as a stream is
			}
			return false, bodyReason(err)
		}
		b, _ := br.Peek(br.Buffered())
		switch {
		case left == lengthChunked:
			_, n := chunks.next(b)
			if chunks.broken() {
				return false, stats.Protocol
			}
			b = b[:n]
			if chunks.done() {
				left = 0
			}
		case left > 0:
			b = b[:min(int64(len(b)), left)]
			left -= int64(len(b))
		}
		_, _ = br.Discard(len(b))
		total += len(b)
	}
	return true, stats.None
}
