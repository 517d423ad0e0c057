package proxy

import (
	"net/http"
	"strconv"

	"github.com/weirproxy/weir/proxy/stats"
)

// ownAnswer is an answer that no endpoint gave.
type ownAnswer struct {
	status int
	word   string // X-Weir-Reason
	close  bool
	toHead bool // HEAD: the body is left out
	keep   bool // an HTTP/1.0 client asked for keep-alive
}

// appendOwn appends the whole answer.
func appendOwn(dst []byte, a ownAnswer) []byte {
	text := http.StatusText(a.status)
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(a.status), 10)
	dst = append(append(dst, ' '), text...)
	dst = append(dst, "\r\nContent-Type: text/plain; charset=utf-8\r\nX-Weir-Reason: "...)
	dst = append(dst, a.word...)
	dst = append(dst, "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len("weir: ")+len(text)+len(" ()\n")+len(a.word)), 10)
	dst = append(dst, crlf...)
	dst = appendConnection(dst, a.close, a.keep)
	dst = append(dst, crlf...)
	if a.toHead {
		return dst
	}
	dst = append(append(dst, "weir: "...), text...)
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
func (x *exchange) answer(status int, word string) {
	if !x.read && x.head.length != 0 {
		x.close = true // the rest of the body may never come
	}
	x.status, x.word = status, word
	x.in = appendOwn(x.in[:0], ownAnswer{
		status: status, word: word, close: x.close,
		toHead: string(x.head.method) == "HEAD", keep: x.head.minor == 0,
	})
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
