package proxy

import (
	"net/http"
	"strconv"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
)

// ownAnswer is an answer that no endpoint gave.
type ownAnswer struct {
	status int
	word   string // X-Weir-Reason
	close  bool
	toHead bool        // HEAD: the body is left out
	keep   bool        // an HTTP/1.0 client asked for keep-alive
	page   *route.Page // nil: a line of text
}

// length is that of the body in bytes.
func (a *ownAnswer) length() int {
	if a.page != nil {
		return len(a.page.Body)
	}
	return len("weir: ") + len(http.StatusText(a.status)) + len(" ()\n") + len(a.word)
}

// appendOwn appends the whole answer.
func appendOwn(dst []byte, a ownAnswer) []byte {
	return appendOwnEnd(appendOwnStart(dst, a), a)
}

// appendOwnStart appends its status line.
func appendOwnStart(dst []byte, a ownAnswer) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(a.status), 10)
	return append(append(append(dst, ' '), http.StatusText(a.status)...), crlf...)
}

// appendOwnEnd appends the fields that every such answer has, and its body.
func appendOwnEnd(dst []byte, a ownAnswer) []byte {
	kind := "text/plain; charset=utf-8"
	if a.page != nil {
		kind = a.page.ContentType
	}
	dst = append(append(dst, "Content-Type: "...), kind...)
	dst = append(append(dst, "\r\nX-Weir-Reason: "...), a.word...)
	dst = append(dst, "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(a.length()), 10)
	dst = append(dst, crlf...)
	dst = appendConnection(dst, a.close, a.keep)
	dst = append(dst, crlf...)
	switch {
	case a.toHead:
		return dst
	case a.page != nil:
		return append(dst, a.page.Body...)
	}
	dst = append(append(dst, "weir: "...), http.StatusText(a.status)...)
	dst = append(append(dst, " ("...), a.word...)
	return append(dst, ")\n"...)
}

// appendConnection appends what the client must know about the connection.
func appendConnection(dst []byte, close, keep bool) []byte {
	if close {
		return append(dst, "Connection: close\r\n"...)
	}
	if keep {
		return append(dst, "Connection: keep-alive\r\n"...)
	}
	return dst
}

// reject answers a request that the gate or a limit refused, and ends the
// connection: where the next request begins is in doubt.
func (x *exchange) reject(r Rejection) {
	x.h.rejected(r)
	x.close = true
	x.conn.linger = true
	x.answer(r.status(), r.String())
}

// answer sends an answer of our own.
func (x *exchange) answer(status int, word string) { x.answerTo(status, word, nil) }

// answerTo is answer with a Location, unless that is nil.
func (x *exchange) answerTo(status int, word string, location []byte) {
	if !x.read && x.head.length != 0 {
		x.close = true // the rest of the body may never come
	}
	x.status, x.word = status, word
	a := ownAnswer{
		status: status, word: word, close: x.close, page: x.page(status),
		toHead: string(x.head.method) == "HEAD", keep: x.head.minor == 0,
	}
	in := appendOwnStart(x.in[:0], a)
	if location != nil {
		in = append(append(append(in, "Location: "...), location...), crlf...)
	}
	in = x.appendRequestID(in)
	if x.route != nil && x.route.Response != nil {
		in = x.appendPieces(in, x.route.Response.Own)
	}
	x.in = appendOwnEnd(in, a)
	if !a.toHead {
		x.bytes = int64(a.length())
	}
	x.started = true
	if x.conn.send(x.in) != nil {
		x.broken = true
	}
}

// fail answers for a version that gave no answer, or ends the answer that it
// began.
func (x *exchange) fail(reason stats.Reason) {
	if x.started {
		x.record(stats.Outcome{Reason: reason, Status: x.status})
		x.abort()
		return
	}
	status := 502
	switch reason {
	case stats.Exhausted:
		status = 503
	case stats.Timeout:
		status = 504
	}
	x.record(stats.Outcome{Reason: reason, Status: status})
	x.answer(status, reason.String())
}

// leave ends an exchange whose client went away. It is nobody's error.
func (x *exchange) leave() {
	x.broken, x.close = true, true
	x.record(stats.Outcome{Status: x.status, ClientLeft: true})
}
