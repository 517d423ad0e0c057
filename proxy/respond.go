package proxy

import (
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/weirproxy/weir/proxy/stats"
)

// openAnswer is how long after its head a body stays part of the outcome. One
// that is still open then counts as good; how it ends is not judged.
const openAnswer = 60 * time.Second

// respond passes the answer on, whose head is in x.resp.
func (x *exchange) respond() {
	at := x.now
	if x.upload != nil && !x.upload.headArrived() {
		x.close = true // an early answer: what the client still sends is no request
	}
	x.headed(at, x.resp.status)
	x.conn.sends = newPace(at, x.h.options.BodyTimeout, &x.h.options)
	x.status = x.resp.status
	x.close = x.close || x.h.draining.Load()
	x.appendAnswerHead()
	_, _ = x.up.Reader.Discard(x.headLength)
	if n := x.resp.length; n >= 0 && n <= smallBody {
		x.sendSmall(int(n))
		return
	}
	x.stream()
}

// appendAnswerHead puts the whole head of the answer into x.in.
func (x *exchange) appendAnswerHead() {
	r := &x.resp
	in, shared := x.appendEditedHead(x.in[:0])
	if x.issue && !shared {
		in = append(in, "Set-Cookie: "...)
		in = x.service.Sticky.AppendPinned(in, int(x.bucket), x.pin, x.h.unix(x.now), x.encrypted())
		in = append(in, crlf...)
	}
	switch {
	case r.length < 0 && x.head.minor == 0:
		x.close, x.bare = true, true // the end of the connection ends the body
	case r.length < 0:
		in = append(in, "Transfer-Encoding: chunked\r\n"...)
	case r.declared >= 0 && r.status != 204:
		in = append(in, "Content-Length: "...)
		in = strconv.AppendInt(in, r.declared, 10)
		in = append(in, crlf...)
	}
	in = appendConnection(in, x.close, x.head.minor == 0)
	x.in = append(in, crlf...)
}

// sendSmall reads the whole body before the client sees any of it, so that a
// truncated one is still a clean 502.
func (x *exchange) sendSmall(n int) {
	x.in = slices.Grow(x.in, n)
	for left := n; left > 0; {
		b, err := x.fill()
		if err != nil {
			x.failed(bodyReason(err))
			return
		}
		b = b[:min(len(b), left)]
		x.in = append(x.in, b...)
		_, _ = x.up.Reader.Discard(len(b))
		left -= len(b)
	}
	x.releaseUpstream()
	x.bytes = int64(n)
	if !x.flush(x.now) {
		return
	}
	if x.conn.waited {
		x.now = x.h.Now()
	}
	x.recordNow(x.outcome(nil))
	x.conn.doneAt = x.now
}

// stream passes the body on as it comes, with no more than a buffer of it here.
func (x *exchange) stream() {
	var chunks chunkReader
	left := x.resp.length
	for done := false; !done; {
		if len(x.in) > 0 && x.up.Reader.Buffered() == 0 && !x.flush(x.h.Now()) {
			return
		}
		b, err := x.fill()
		switch {
		case err == io.EOF && left == lengthToEnd:
			done = true
		case err != nil:
			x.failed(bodyReason(err))
			return
		case left == lengthToEnd:
			x.appendBody(b)
			_, _ = x.up.Reader.Discard(len(b))
		case left == lengthChunked:
			if !x.appendChunks(&chunks, b) {
				x.failed(stats.Protocol)
				return
			}
			done = chunks.done()
		default:
			b = b[:min(int64(len(b)), left)]
			x.appendBody(b)
			_, _ = x.up.Reader.Discard(len(b))
			left -= int64(len(b))
			done = left == 0
		}
		if done && x.resp.length < 0 && !x.bare {
			x.in = appendLastChunk(x.in, chunks.trailers)
		}
		if len(x.in) > 0 && !x.flush(x.h.Now()) {
			return
		}
	}
	x.releaseUpstream()
	x.record(x.outcome(chunks.trailers))
}

// appendChunks decodes what is buffered and codes it again.
func (x *exchange) appendChunks(chunks *chunkReader, b []byte) bool {
	total := 0
	for total < len(b) && !chunks.done() && !chunks.broken() {
		data, n := chunks.next(b[total:])
		x.appendBody(data)
		total += n
	}
	_, _ = x.up.Reader.Discard(total)
	return !chunks.broken()
}

// appendBody appends a piece of the body in the client's coding.
func (x *exchange) appendBody(b []byte) {
	if len(b) == 0 {
		return
	}
	x.bytes += int64(len(b))
	if x.resp.length >= 0 || x.bare {
		x.in = append(x.in, b...)
		return
	}
	x.in = appendChunkSize(x.in, len(b))
	x.in = append(append(x.in, b...), crlf...)
}

// flush sends what is in x.in at the time now. It reports false when the client
// went away.
func (x *exchange) flush(now int64) bool {
	x.started = true
	err := x.conn.sendAt(x.in, now)
	x.in = x.in[:0]
	if err != nil {
		x.leave()
		return false
	}
	return true
}

// fill returns what is buffered of the body, at least a byte. It waits for no
// longer than the idle timeout.
func (x *exchange) fill() ([]byte, error) {
	br := x.up.Reader
	if br.Buffered() == 0 {
		x.now = x.h.Now() // the client may have been slow to take the last piece
		if err := x.wait(0); err != nil {
			return nil, err
		}
	}
	return br.Peek(br.Buffered())
}

// recordOpen ends the outcome of an answer that has been open for openAnswer.
func (x *exchange) recordOpen() {
	if x.headAt != 0 && !x.ended && time.Duration(x.now-x.headAt) >= openAnswer {
		x.record(stats.Outcome{Status: x.status})
	}
}

// bodyReason tells why a body broke off.
func bodyReason(err error) stats.Reason {
	if isTimeout(err) {
		return stats.Timeout
	}
	return stats.Truncated
}

// releaseUpstream gives the connection back if both sides said all they had to.
func (x *exchange) releaseUpstream() {
	complete := true
	if x.upload != nil {
		u := x.upload
		x.stopUpload()
		complete = u.complete
	}
	if complete && !x.resp.close {
		x.up.Release()
	} else {
		x.up.Close()
	}
	x.up = nil
}
