package proxy

import (
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

// held is an answer of which the client has seen nothing: another attempt may
// bring a better one. Its head, and what came with it, waits in its
// connection's buffer.
type held struct {
	attempt
	up         *upstream.Conn
	headLength int
	length     int64 // of the body; negative: unknown
	close      bool  // the connection cannot be used again
}

// hold keeps the answer whose head is in x.resp. It counts for its version here
// and now, whatever the client gets.
func (x *exchange) hold(status int) {
	x.dropHeld()
	x.headed(x.h.Now(), status)
	x.held = &held{attempt: x.attempt, up: x.up, headLength: x.headLength, length: x.resp.length, close: x.resp.close}
	x.up = nil
	x.attempt = attempt{version: x.version}
	x.sentAt.Store(0)
}

// giveHeld sends the client the answer that was held back.
func (x *exchange) giveHeld() {
	h := x.held
	x.held = nil
	x.attempt, x.up, x.headLength = h.attempt, h.up, h.headLength
	b, _ := x.up.Reader.Peek(x.headLength)
	x.resp.parse(b, string(x.head.method) == "HEAD") // as it could before
	x.respond()
}

// dropHeld ends the attempt whose answer was held back, if there is one. Its
// connection can be used again if the whole answer is here.
func (x *exchange) dropHeld() {
	h := x.held
	if h == nil {
		return
	}
	x.held = nil
	h.version.Recorder.End(&h.token, x.h.Now(), stats.Outcome{})
	h.endpoint.End()
	h.leave()
}

// leave gives the connection up, or back if all of the answer has arrived.
func (h *held) leave() {
	whole := int64(h.headLength) + h.length
	if h.close || h.length < 0 || int64(h.up.Reader.Buffered()) < whole {
		h.up.Close()
		return
	}
	_, _ = h.up.Reader.Discard(int(whole))
	h.up.Release()
}
