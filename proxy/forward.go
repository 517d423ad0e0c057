package proxy

import (
	"bufio"
	"errors"
	"net"
	"time"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

// maxInterim is the largest number of 1xx answers before the final one.
const maxInterim = 16

// forward sends the request to the endpoint and the answer to the client.
func (x *exchange) forward() {
	if x.head.length != 0 || x.firstAt != 0 {
		x.now = x.h.Now() // a body was waited for, or an attempt before this one
	}
	x.dispatch()
	x.begun()
	x.out = x.appendBodyStart(x.appendRequest(x.out[:0]))
	reason, stale := x.try(false)
	if stale {
		// The endpoint closed the connection before it could see the request.
		// That is no answer of the version, so the recorder does not hear of it.
		x.h.retries.Add(1)
		x.up.Close()
		x.up = nil
		reason, _ = x.try(true)
	}
	if reason != stats.None {
		x.failed(x.because(reason))
		return
	}
	if x.resp.status == 101 {
		x.tunnel()
		return
	}
	if (x.held != nil || x.service.Replaced.Has(x.resp.status)) && x.replaced() {
		return
	}
	x.respond()
}

// appendBodyStart appends what was received of the body, which is all of it if
// x.read says so.
func (x *exchange) appendBodyStart(dst []byte) []byte {
	if x.head.length >= 0 {
		return append(dst, x.body...)
	}
	if len(x.body) > 0 {
		dst = append(append(appendChunkSize(dst, len(x.body)), x.body...), crlf...)
	}
	if x.read {
		dst = appendLastChunk(dst, x.source.chunks.trailers)
	}
	return dst
}

// try sends the request once and waits for the final head. stale says that the
// connection had been closed since its last use and the request can be sent
// again, once.
func (x *exchange) try(again bool) (reason stats.Reason, stale bool) {
	for {
		if reason := x.connect(); reason != stats.None {
			return reason, false
		}
		if !x.asks {
			break
		}
		reason, silent := x.readHead()
		if !x.up.Stale() {
			x.unsent = x.up.Unsent()
			return reason, x.isStale(reason, silent, again)
		}
		x.up.Close() // nothing was sent; each one that is stale leaves the pool
		x.up = nil
	}
	err := x.write(x.out)
	switch {
	case x.left || isTimeout(err):
		return stats.Timeout, false
	case err == nil && x.read:
		x.sent(x.now)
	case err == nil:
		x.startUpload()
	}
	// Even after a failed write there may be an answer: refused before it was read.
	reason, silent := x.readHead()
	return reason, x.isStale(reason, silent, again)
}

// isStale reports whether the endpoint closed the connection, kept from an
// earlier request, without an answer to this one, which can be sent again.
func (x *exchange) isStale(reason stats.Reason, silent, again bool) bool {
	replayable := x.read && idempotent(x.head.method) && !again
	return reason == stats.Reset && silent && replayable && x.up.Reused
}

// connect acquires a connection, and has a request that is whole sent with the
// first read of it. One kept from an earlier request is looked at before: if its
// endpoint has closed it, a request that must not be sent twice would be lost;
// if bytes wait in it, they would pass for this request's answer.
func (x *exchange) connect() stats.Reason {
	x.asks, x.unsent = false, false
	if x.service.Protocol != route.HTTP1 {
		x.up = x.endpoint.Adopt(openBridge(x.service, x.endpoint))
		return stats.None
	}
	if !x.read && !x.takePlace() {
		x.unsent = true
		return stats.Exhausted
	}
	for {
		up, err := x.endpoint.Acquire(x.connectTimeout())
		if err != nil {
			return x.noConnection(err)
		}
		if !up.Reused {
			x.now = x.h.Now() // connecting takes its time
		}
		if x.asks = x.read && up.Ask(x.out); x.asks {
			x.sent(x.now)
		}
		if x.asks || !up.Reused || up.Alive() {
			x.up = up
			return stats.None
		}
		up.Close()
	}
}

// connectTimeout is the service's, or what is left of the attempt's time.
func (x *exchange) connectTimeout() time.Duration {
	limit := x.service.ConnectTimeout
	if end := x.deadline(0); end != 0 && limit > 0 {
		// As of the dispatch, which was just now: this needs no look at the clock.
		return max(min(limit, time.Duration(end-x.dispatchedAt)), time.Millisecond)
	}
	return limit
}

// noConnection tells why there is none. Nothing was sent.
func (x *exchange) noConnection(err error) stats.Reason {
	x.unsent = true
	end := x.deadline(0)
	switch {
	case errors.Is(err, upstream.ErrExhausted):
		return stats.Exhausted
	case end != 0 && x.h.Now() >= end:
		return stats.Timeout
	}
	return stats.Connect
}

// readHead reads up to the final head and leaves it parsed in x.resp, its bytes
// still in the reader. silent says that not one byte came.
func (x *exchange) readHead() (reason stats.Reason, silent bool) {
	br := x.up.Reader
	toHead := string(x.head.method) == "HEAD"
	searched, interim := 0, 0
	for {
		b, _ := br.Peek(br.Buffered())
		n, ok := headEnd(b, searched)
		if searched = len(b); !ok {
			return stats.Protocol, false
		}
		if n == 0 {
			if err := x.wait(len(b)); err != nil {
				return headReason(err), len(b) == 0 && interim == 0
			}
			continue
		}
		if !x.resp.parse(b[:n], toHead) || x.resp.status == 101 && !x.upgraded() {
			return stats.Protocol, false
		}
		if x.resp.status >= 200 || x.resp.status == 101 {
			x.headLength = n
			return stats.None, false
		}
		if interim++; interim > maxInterim || !x.sendInterim() {
			return stats.Protocol, false
		}
		_, _ = br.Discard(n)
		searched = 0
	}
}

// sendInterim passes a 1xx answer on, but for 100: weir has given its own.
func (x *exchange) sendInterim() bool {
	if x.resp.status == 100 || x.head.minor == 0 {
		return true
	}
	x.hinted = true
	x.in = append(x.resp.appendHead(x.in[:0]), crlf...)
	return x.conn.send(x.in) == nil
}

// headReason tells why no head came.
func headReason(err error) stats.Reason {
	switch {
	case isTimeout(err):
		return stats.Timeout
	case errors.Is(err, bufio.ErrBufferFull):
		return stats.Protocol
	}
	return stats.Reset
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}

// idempotent reports whether the method may be sent again when its first
// answer is lost (RFC 9110 section 9.2.2).
func idempotent(method []byte) bool {
	switch string(method) {
	case "GET", "HEAD", "OPTIONS", "PUT", "DELETE":
		return true
	}
	return false
}

// failed ends an exchange in which the endpoint did not do its part, unless it
// was the client that did not.
func (x *exchange) failed(reason stats.Reason) {
	if x.left || x.outOfTime() {
		x.leave()
		return
	}
	if u := x.upload; u != nil {
		x.stopUpload()
		if u.left || u.rejection != Accepted && x.started {
			x.leave()
			return
		}
		if u.rejection != Accepted {
			x.record(stats.Outcome{Status: u.rejection.status(), ClientLeft: true})
			x.reject(u.rejection)
			return
		}
	}
	if x.again(reason) {
		return
	}
	x.fail(reason)
}
