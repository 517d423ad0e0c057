package proxy

import (
	"io"
	"slices"
	"time"

	"github.com/weirproxy/weir/proxy/route"
)

// smallBody is the largest body of known length that is received whole before
// it is sent on, in both directions: one write, and a request that can be
// sent again.
const smallBody = 64 << 10

// welcome refuses a body that is too large and asks for one that its client
// holds back. weir gives 100 Continue itself and does not pass Expect on: the
// client never waits for an endpoint that does not know it.
func (x *exchange) welcome() bool {
	if limit := x.maxBody(); limit > 0 && x.head.length > limit {
		x.reject(BodyTooLarge)
		return false
	}
	if x.head.length == 0 {
		x.read = true
		return true
	}
	x.conn.body = newPace(x.startedAt, x.bodyIdle(), &x.h.options)
	if x.service.Protocol != route.HTTP1 {
		// A call may be silent in one direction for as long as the other is not.
		x.conn.body.idle, x.conn.body.rate = unbounded, 0
	}
	if x.head.expect && x.head.minor == 1 && x.conn.r == x.conn.w && x.conn.send(continueLine) != nil {
		x.broken = true
		return false
	}
	return true
}

// maxBody is the largest body that the request may have; 0 or less: no limit.
func (x *exchange) maxBody() int64 {
	own, all := x.service.MaxBody, x.h.options.MaxBody
	if own > 0 && all > 0 {
		return min(own, all)
	}
	return max(own, all)
}

var continueLine = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// receive reads a small request body. A client that sends it slowly, or never,
// holds no endpoint and is no version's request.
func (x *exchange) receive() bool {
	if x.read || x.head.length > smallBody {
		return true
	}
	if x.head.length < 0 && x.conn.h2 {
		return true // a read of HTTP/2 cannot be tried for a while
	}
	if x.head.length < 0 {
		return x.receiveChunks()
	}
	x.body = slices.Grow(x.body, int(x.head.length))[:x.head.length]
	_, err := io.ReadFull(&x.source, x.body)
	return x.received(err)
}

// lull is how long a chunked body may pause before its request goes to an
// endpoint unfinished.
const lull = 10 * time.Millisecond

// receiveChunks reads a chunked body as long as it comes without a pause, up to
// smallBody of it. One that is broken there was never begun, and one that is
// whole can be sent again.
func (x *exchange) receiveChunks() bool {
	x.conn.body.until = x.h.Now() + int64(lull)
	defer func() { x.conn.body.until = 0 }()
	for len(x.body) < smallBody {
		if len(x.body) == cap(x.body) {
			x.body = slices.Grow(x.body, max(len(x.body), 4<<10))
		}
		n, err := x.source.Read(x.body[len(x.body):min(cap(x.body), smallBody)])
		x.body = x.body[:len(x.body)+n]
		if limit := x.maxBody(); limit > 0 && int64(len(x.body)) > limit {
			x.reject(BodyTooLarge)
			return false
		}
		switch {
		case err == io.EOF:
			return x.received(nil)
		case isTimeout(err) && x.conn.unread():
			x.conn.body.until = x.h.Now() + int64(lull) // it was weir that paused
		case isTimeout(err):
			return true // the upload goes on from here
		case err != nil:
			return x.received(err)
		}
	}
	return true
}

// received reports whether a body that ended with err may go on, and answers
// if not.
func (x *exchange) received(err error) bool {
	if err == nil {
		x.read = true
		return true
	}
	if r := bodyRejection(err); r != Accepted {
		x.reject(r)
	} else {
		x.broken, x.close = true, true
	}
	return false
}

// bodyIdle is the longest silence of the request body.
func (x *exchange) bodyIdle() time.Duration {
	if idle := x.service.IdleTimeout; idle > 0 {
		return min(idle, x.h.options.BodyTimeout)
	}
	return x.h.options.BodyTimeout
}
