package proxy

import "github.com/weirproxy/weir/proxy/upstream"

// exchange is one request and its answer. It is used again for later ones; its
// buffers and arrays stay, the rest is in perRequest.
type exchange struct {
	decision

	head requestHead
	resp responseHead

	in   []byte // toward the client: head and what is sent with it
	out  []byte // toward the endpoint: head and small body
	body []byte // small request body

	tried []*upstream.Endpoint // of the present version, once an attempt failed

	perRequest
}

type perRequest struct {
	identity

	conn   *clientConn
	source bodyReader // of the request
	up     *upstream.Conn
	asks   bool    // the request goes out with the first read of up
	upload *upload // nil: the body is small and in exchange.body
	place  *place  // among the uploads of an endpoint; nil: it needs none

	upgrade []byte // the protocol to change to; nil: none

	replays

	close   bool // the client connection ends after this answer
	read    bool // the request body was read to its end
	started bool // bytes of the final answer went to the client
	bare    bool // the end of the connection ends the answer's body
	broken  bool // the client connection cannot be used
	left    bool // the client went away while the endpoint was waited for

	headLength int    // of the answer, in bytes
	status     int    // of the final answer; 0: none
	bytes      int64  // of the answer's body
	word       string // X-Weir-Reason of our own answer
}

func newExchange(h *Handler) *exchange {
	x := new(exchange)
	x.h, x.match.Header, x.cookie = h, x.head.field, x.head.cookie
	x.head.limit = h.options.MaxFields
	return x
}

func (x *exchange) begin(conn *clientConn) {
	x.perRequest = perRequest{conn: conn}
	x.body = x.body[:0]
	x.start()
	x.client, x.shard = conn.address, conn.shard
}

// end closes what is open and records what is not.
func (x *exchange) end() {
	if x.upload != nil {
		x.stopUpload()
	}
	x.leavePlace()
	if x.up != nil {
		x.up.Close()
		x.up = nil
	}
	x.dropHeld()
	x.release(x.status)
	if x.close || x.broken {
		x.conn.linger = x.conn.linger || !x.read && x.head.length != 0 && !x.broken
	}
	x.account()
	x.perRequest, x.decided = perRequest{}, decided{}
	x.shrink()
}

// maxKept is the largest buffer that an exchange keeps for later requests.
const maxKept = 80 << 10

func (x *exchange) shrink() {
	for _, b := range []*[]byte{&x.in, &x.out, &x.body} {
		if cap(*b) > maxKept {
			*b = nil
		}
	}
}

// panicked answers 500 if nothing was answered yet, else cuts the answer off.
func (x *exchange) panicked() {
	x.close = true
	if x.started {
		x.abort()
		return
	}
	x.answer(500, "internal")
}

// abort ends the client connection in the middle of an answer, so that what
// the client got can never pass for the whole.
func (x *exchange) abort() {
	x.broken, x.close = true, true
	// Where the framing shows a missing end, what arrived may be delivered first.
	x.conn.reset = x.bare
}
