package proxy

import "bytes"

// maxFields is the largest number of header fields in a request.
const maxFields = 100

// Rejection is why a request was refused before a version was chosen for it.
type Rejection uint8

// Rejections. The first ones are the gate's, found in the request head; the
// others are found while receiving or by the listener.
const (
	Accepted Rejection = iota
	BadRequestLine
	BadVersion
	BadMethod
	BadTarget
	BadHost
	BadField
	BadFraming
	BadConnection
	BadExpect
	TooManyFields
	TargetTooLong
	HeadTooLarge
	HeadTimeout
	BodyTooLarge
	BadBody
	BodyTimeout
	TooManyConnections
	TooManyOfClient // connections of one client address
	BadProxyHeader  // no header of the PROXY protocol where one is due
	BadHandshake    // of TLS
	TooManyResets   // of HTTP/2 streams, by one connection
	TooManyFrames   // of HTTP/2 that ask for nothing, by one client
	rejections      // their number
)

var rejectionWords = [rejections]string{
	"", "request_line", "version", "method", "target", "host", "field", "framing", "connection", "expect",
	"too_many_fields", "target_too_long", "head_too_large", "head_timeout", "body_too_large", "bad_body",
	"body_timeout", "too_many_connections", "too_many_of_client", "proxy_header", "tls_handshake", "resets", "frames",
}

// String returns the word in metrics and in X-Weir-Reason.
func (r Rejection) String() string { return rejectionWords[r] }

// status is the answer's status code.
func (r Rejection) status() int {
	switch r {
	case BadVersion:
		return 505
	case BadMethod:
		return 501
	case BadExpect:
		return 417
	case TooManyFields, HeadTooLarge:
		return 431
	case TargetTooLong:
		return 414
	case HeadTimeout, BodyTimeout:
		return 408
	case BodyTooLarge:
		return 413
	case TooManyConnections, TooManyOfClient:
		return 503
	}
	return 400
}

// requestHead is a request head that passed the gate. Its slices point into
// the bytes that were parsed.
type requestHead struct {
	facts
	n      int
	limit  int // of fields; 0: maxFields
	fields [maxFields]field
}

// facts are what the gate decided on, and what is forwarded.
type facts struct {
	method []byte
	host   []byte // of the target if it names one, else of the Host field
	target []byte // path and query as they came
	path   []byte
	query  []byte // with its question mark, or empty
	minor  byte   // of the version: 0 or 1

	length    int64 // of the body; -1: chunked
	declared  bool  // Content-Length was there
	close     bool  // the client wants the connection to end
	expect    bool  // the client waits for 100 Continue
	hasHost   bool
	upgrade   bool // Connection names Upgrade
	userAgent []byte
}

// Check parses a whole request head, from its request line to its empty line,
// and says why the request must be refused. It is the gate as a pure function.
func Check(head []byte) Rejection {
	var h requestHead
	return h.parseHead(head)
}

// parseHead parses a whole request head.
func (h *requestHead) parseHead(head []byte) Rejection {
	h.facts, h.n = facts{}, 0
	end := bytes.Index(head, crlf)
	if end < 0 {
		return BadRequestLine
	}
	line := head[:end]
	i, j := bytes.IndexByte(line, ' '), bytes.LastIndexByte(line, ' ')
	if i < 0 || i == j {
		return BadRequestLine
	}
	return h.parse(line[:i], line[i+1:j], line[j+1:], head[end+2:])
}

var crlf = []byte("\r\n")

// parse reads a request from the parts of its request line and the block of
// its fields, which ends with the empty line. What two parsers could read
// differently is refused.
func (h *requestHead) parse(method, target, version, block []byte) Rejection {
	h.facts, h.n = facts{method: method}, 0
	if len(version) == 0 || !isTokens(method) {
		return BadRequestLine
	}
	if string(version) == "HTTP/1.1" {
		h.minor = 1
	} else if string(version) != "HTTP/1.0" {
		return BadVersion
	}
	if len(method) > 32 || string(method) == "CONNECT" || string(method) == "TRACE" {
		return BadMethod
	}
	if r := h.parseFields(block); r != Accepted {
		return r
	}
	if !h.parseTarget(target) {
		return BadTarget
	}
	if !h.hasHost || !validHost(h.host) {
		return BadHost
	}
	return Accepted
}

func (h *requestHead) parseFields(block []byte) Rejection {
	for {
		f, rest, ok := nextField(block)
		if !ok {
			return BadField
		}
		if block = rest; f.name == nil {
			break
		}
		if h.n == maxFields || h.limit > 0 && h.n >= h.limit {
			return TooManyFields
		}
		h.fields[h.n] = f
		h.n++
		switch f.kind {
		case fieldHost:
			if h.hasHost {
				return BadHost
			}
			h.host, h.hasHost = f.value, true
		case fieldContentLength:
			if h.declared || h.length < 0 {
				return BadFraming
			}
			if h.length, ok = parseLength(f.value); !ok {
				return BadFraming
			}
			h.declared = true
		case fieldTransferEncoding:
			if h.declared || h.length < 0 || h.minor == 0 || !equalFold(f.value, "chunked") {
				return BadFraming
			}
			h.length = -1
		case fieldExpect:
			if h.expect || !equalFold(f.value, "100-continue") {
				return BadExpect
			}
			h.expect = true
		case fieldUserAgent:
			h.userAgent = f.value
		}
	}
	if len(block) > 0 {
		return BadField
	}
	return h.parseConnection()
}

func (h *requestHead) parseConnection() Rejection {
	h.close = h.minor == 0
	for i := range h.n {
		value := h.fields[i].value
		switch {
		case h.fields[i].kind != fieldConnection:
			continue
		case hasItem(value, "close"):
			h.close = true
		case h.minor == 0 && hasItem(value, "keep-alive"):
			h.close = false
		}
		if !dropNominated(h.fields[:h.n], value) {
			return BadConnection
		}
		h.upgrade = h.upgrade || hasItem(value, "upgrade")
		h.fields[i].kind = fieldHop
	}
	return Accepted
}
