package proxy

import (
	"bytes"

	"github.com/weirproxy/weir/proxy/route"
)

// maxResponseFields is the largest number of header fields in a response.
const maxResponseFields = 200

// responseHead is the head of an endpoint's answer. Its slices point into the
// bytes that were parsed.
type responseHead struct {
	responseFacts
	n      int
	fields [maxResponseFields]field
}

type responseFacts struct {
	status int
	reason []byte
	minor  byte

	length   int64 // of the body; lengthChunked or lengthToEnd if not declared
	declared int64 // Content-Length, whatever the body; -1: none
	close    bool  // the connection cannot be used again
	shared   bool  // Cache-Control lets shared caches keep the answer

	grpcStatus int // -1: none
}

// Lengths of a body that no Content-Length declares.
const (
	lengthChunked = -1
	lengthToEnd   = -2 // the end of the connection ends the body
)

// headEnd returns the length of the head at the start of b, with its empty
// line, or 0 if it is not complete. from is how much of b was searched before.
// A bare LF is no line end: it reports false at once rather than wait for more.
func headEnd(b []byte, from int) (n int, ok bool) {
	for i := max(from-1, 0); ; {
		j := bytes.IndexByte(b[i:], '\n')
		if j < 0 {
			return 0, true
		}
		i += j
		if i == 0 || b[i-1] != '\r' {
			return 0, false
		}
		if i >= 3 && b[i-2] == '\n' {
			return i + 1, true
		}
		i++
	}
}

// parse reads a response head to a request of the given kind. It reports false
// for what is no HTTP/1 or could be read in two ways.
func (h *responseHead) parse(head []byte, toHead bool) bool {
	h.responseFacts, h.n = responseFacts{length: lengthToEnd, declared: -1, grpcStatus: -1}, 0
	end := bytes.Index(head, crlf)
	if end < 0 || !h.parseStatusLine(head[:end]) {
		return false
	}
	chunked := false
	for block := head[end+2:]; ; {
		f, rest, ok := nextField(block)
		if !ok {
			return false
		}
		if block = rest; f.name == nil {
			break
		}
		if h.n == maxResponseFields {
			return false
		}
		h.fields[h.n] = f
		h.n++
		switch f.kind {
		case fieldContentLength:
			n, ok := parseLength(f.value)
			if !ok || h.declared >= 0 && n != h.declared {
				return false
			}
			h.length, h.declared = n, n
		case fieldTransferEncoding:
			if chunked || !equalFold(f.value, "chunked") {
				return false
			}
			chunked = true
		case fieldGRPCStatus:
			h.grpcStatus = grpcCode(f.value)
		case fieldCacheControl:
			h.shared = h.shared || isShared(f.value)
		}
	}
	if chunked && (h.declared >= 0 || h.minor == 0) {
		return false
	}
	if chunked {
		h.length = lengthChunked
	}
	if toHead || h.status < 200 || h.status == 204 || h.status == 304 {
		h.length = 0
	}
	return h.parseConnection()
}

// parseStatusLine accepts HTTP/1.0 and 1.1, three digits, and any reason.
func (h *responseHead) parseStatusLine(line []byte) bool {
	if len(line) < 12 || string(line[:7]) != "HTTP/1." || line[7] > '1' || line[7] < '0' || line[8] != ' ' {
		return false
	}
	h.minor = line[7] - '0'
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return false
		}
		h.status = h.status*10 + int(c-'0')
	}
	if len(line) > 12 {
		if line[12] != ' ' {
			return false
		}
		h.reason = line[13:]
	}
	for _, c := range h.reason {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return h.status >= 100 && h.status <= 599
}

func (h *responseHead) parseConnection() bool {
	h.close = h.minor == 0 || h.length == lengthToEnd
	for i := range h.n {
		if h.fields[i].kind != fieldConnection {
			continue
		}
		if hasItem(h.fields[i].value, "close") {
			h.close = true
		}
		if !dropNominated(h.fields[:h.n], h.fields[i].value) {
			return false
		}
		h.fields[i].kind = fieldHop
	}
	return true
}

// isShared reports whether the Cache-Control value lets shared caches give the
// answer, and a cookie in it, to other clients.
func isShared(value []byte) bool {
	for len(value) > 0 {
		var item []byte
		item, value = nextItem(value)
		if i := bytes.IndexByte(item, '='); i >= 0 {
			item = item[:i]
		}
		if equalFold(item, "public") || equalFold(item, "s-maxage") {
			return true
		}
	}
	return false
}

// appendHead appends the head that the client gets, up to and without the
// fields on framing and the connection.
func (h *responseHead) appendHead(dst []byte) []byte { return h.appendEdited(dst, nil) }

// appendEdited is appendHead without the fields that the edits drop. They may
// be nil.
func (h *responseHead) appendEdited(dst []byte, edits *route.Edits) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = append(dst, byte('0'+h.status/100), byte('0'+h.status/10%10), byte('0'+h.status%10), ' ')
	dst = append(dst, h.reason...)
	dst = append(dst, '\r', '\n')
	for i := range h.n {
		f := &h.fields[i]
		if edits != nil && edits.Drops(f.name) {
			continue
		}
		switch f.kind {
		case fieldHop, fieldContentLength, fieldTransferEncoding:
		case fieldTrailer:
			if h.length == lengthChunked {
				dst = appendField(dst, f.name, f.value)
			}
		default:
			dst = appendField(dst, f.name, f.value)
		}
	}
	return dst
}

func appendField(dst, name, value []byte) []byte {
	dst = append(dst, name...)
	dst = append(dst, ':', ' ')
	dst = append(dst, value...)
	return append(dst, '\r', '\n')
}
