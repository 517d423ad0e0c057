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
	rejections      // their number
)

var rejectionWords = [rejections]string{
	"", "request_line", "version", "method", "target", "host", "field", "framing", "connection", "expect",
	"too_many_fields", "target_too_long", "head_too_large", "head_timeout", "body_too_large", "bad_body",
	"body_timeout", "too_many_connections", "too_many_of_client", "proxy_header", "tls_handshake", "resets",
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

// parseTarget accepts the origin form, the absolute form of http and https,
// and the asterisk of OPTIONS.
func (h *requestHead) parseTarget(t []byte) bool {
	switch {
	case len(t) == 0:
		return false
	case t[0] == '/':
	case len(t) == 1 && t[0] == '*' && string(h.method) == "OPTIONS":
		h.target, h.path = t, t
		return true
	default:
		n := 0
		if len(t) > 7 && equalFold(t[:7], "http://") {
			n = 7
		} else if len(t) > 8 && equalFold(t[:8], "https://") {
			n = 8
		}
		if n == 0 {
			return false
		}
		t = t[n:]
		end := bytes.IndexAny(t, "/?")
		if end < 0 {
			end = len(t)
		}
		// RFC 9112 section 3.2.2: the target's authority replaces Host.
		if !validHost(h.host) {
			return false
		}
		h.host, t = t[:end], t[end:]
		if len(t) == 0 {
			t = slash
		} else if t[0] == '?' {
			return false // a query without a path cannot be forwarded byte for byte
		}
	}
	h.target, h.path = t, t
	if i := bytes.IndexByte(t, '?'); i >= 0 {
		h.path, h.query = t[:i], t[i:]
	}
	return validPath(h.path) && validQuery(h.query)
}

var slash = []byte("/")

// validPath refuses what a server behind could read as another path.
func validPath(p []byte) bool {
	segment := 1 // start of the segment
	for i := 1; i <= len(p); i++ {
		if i == len(p) || p[i] == '/' {
			if isDots(p[segment:i]) {
				return false
			}
			segment = i + 1
			continue
		}
		switch c := p[i]; {
		case c <= ' ' || c == 0x7f || c == '#' || c == '\\':
			return false
		case c == '%' && i+2 < len(p):
			switch string(p[i+1 : i+3]) {
			case "00", "0a", "0A", "0d", "0D", "5c", "5C":
				return false
			}
		}
	}
	return true
}

// isDots reports whether a segment is "." or "..", encoded or not.
func isDots(s []byte) bool {
	dots := 0
	for len(s) > 0 {
		switch {
		case s[0] == '.':
			s = s[1:]
		case len(s) >= 3 && s[0] == '%' && s[1] == '2' && s[2]|0x20 == 'e':
			s = s[3:]
		default:
			return false
		}
		dots++
	}
	return dots == 1 || dots == 2
}

func validQuery(q []byte) bool {
	for _, c := range q {
		if c <= ' ' || c == 0x7f || c == '#' {
			return false
		}
	}
	return true
}

// validHost accepts a name, an IPv4 address or a bracketed IPv6 address, and a
// port up to 65535. User information, spaces and percent signs are refused.
func validHost(h []byte) bool {
	name, port := h, []byte(nil)
	if len(h) > 0 && h[0] == '[' {
		end := bytes.IndexByte(h, ']')
		if end < 3 {
			return false
		}
		name, port = h[1:end], h[end+1:]
		for _, c := range name {
			if !isHex(c) && c != ':' && c != '.' {
				return false
			}
		}
	} else {
		if i := bytes.IndexByte(h, ':'); i >= 0 {
			name, port = h[:i], h[i:]
		}
		for _, c := range name {
			if !isToken[c] || c == '%' || c == '#' || c == '^' || c == '`' || c == '|' {
				return false
			}
		}
	}
	return len(name) > 0 && len(name) <= 255 && validPort(port)
}

// validPort accepts nothing, or a colon and a number from 0 to 65535.
func validPort(p []byte) bool {
	if len(p) == 0 {
		return true
	}
	if p[0] != ':' || len(p) > 6 {
		return false
	}
	n := 0
	for _, c := range p[1:] {
		if c < '0' || c > '9' {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return n <= 65535
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}
