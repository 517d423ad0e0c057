package proxy

import "bytes"

// fieldKind groups the header fields that decide something here. Everything
// else is passed on as it came.
type fieldKind uint8

const (
	fieldOther fieldKind = iota
	fieldHost
	fieldContentLength
	fieldTransferEncoding
	fieldConnection
	fieldHop     // meant for the next hop only
	fieldTrailer // announces trailers, which only a chunked body has
	fieldExpect
	fieldCookie
	fieldUserAgent
	fieldForwardedFor
	fieldForwarded // X-Forwarded-Proto, -Host, -Port
	fieldCacheControl
	fieldGRPCStatus
)

// field is one header field. Both slices point into the head it was read from.
type field struct {
	name, value []byte
	kind        fieldKind
}

// classify tells the kind of a field by its name, whatever its case.
func classify(name []byte) fieldKind {
	if 12 <= len(name) && len(name) <= 17 && name[0]|0x20 == 'x' && disguised(name) {
		return fieldHop
	}
	switch len(name) {
	case 2:
		return kindIf(name, "te", fieldHop)
	case 4:
		return kindIf(name, "host", fieldHost)
	case 6:
		if equalFold(name, "expect") {
			return fieldExpect
		}
		return kindIf(name, "cookie", fieldCookie)
	case 7:
		if equalFold(name, "upgrade") {
			return fieldHop
		}
		return kindIf(name, "trailer", fieldTrailer)
	case 10:
		if equalFold(name, "user-agent") {
			return fieldUserAgent
		}
		if equalFold(name, "keep-alive") {
			return fieldHop
		}
		return kindIf(name, "connection", fieldConnection)
	case 11:
		return kindIf(name, "grpc-status", fieldGRPCStatus)
	case 12:
		return kindIf(name, "x-weir-flags", fieldHop) // weir alone says who gets what
	case 13:
		if equalFold(name, "x-weir-mirror") {
			return fieldHop // weir alone says what is a copy
		}
		return kindIf(name, "cache-control", fieldCacheControl)
	case 14:
		if equalFold(name, "http2-settings") {
			return fieldHop
		}
		return kindIf(name, "content-length", fieldContentLength)
	case 15:
		return kindIf(name, "x-forwarded-for", fieldForwardedFor)
	case 16:
		if equalFold(name, "x-forwarded-host") || equalFold(name, "x-forwarded-port") {
			return fieldForwarded
		}
		return kindIf(name, "proxy-connection", fieldHop)
	case 17:
		if equalFold(name, "x-forwarded-proto") {
			return fieldForwarded
		}
		return kindIf(name, "transfer-encoding", fieldTransferEncoding)
	case 18:
		return kindIf(name, "proxy-authenticate", fieldHop)
	case 19:
		return kindIf(name, "proxy-authorization", fieldHop)
	}
	return fieldOther
}

// disguised reports whether name is one of the fields that weir itself sets, with
// underscores for dashes. Endpoints that read fields as variables, as CGI and what
// followed it do, cannot tell the two apart: clients would say what weir alone may.
func disguised(name []byte) bool {
	if bytes.IndexByte(name, '_') < 0 {
		return false
	}
	var plain [17]byte
	n := copy(plain[:], name)
	for i := range n {
		if plain[i] == '_' {
			plain[i] = '-'
		}
	}
	return classify(plain[:n]) != fieldOther
}

func kindIf(name []byte, lower string, kind fieldKind) fieldKind {
	if equalFold(name, lower) {
		return kind
	}
	return fieldOther
}

// nextField reads the field line at the start of b, which ends with the empty
// line of a head. An empty line gives no name. It accepts exactly RFC 9112
// section 5: a token, a colon at once, a value without control characters, and
// CRLF; no folding.
func nextField(b []byte) (f field, rest []byte, ok bool) {
	end := bytes.IndexByte(b, '\n')
	if end < 1 || b[end-1] != '\r' {
		return f, nil, false
	}
	line, rest := b[:end-1], b[end+1:]
	if len(line) == 0 {
		return f, rest, true
	}
	i := 0
	for i < len(line) && isToken[line[i]] {
		i++
	}
	if i == 0 || i == len(line) || line[i] != ':' {
		return f, nil, false
	}
	f.name, f.value = line[:i], trim(line[i+1:])
	for _, c := range f.value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return f, nil, false
		}
	}
	f.kind = classify(f.name)
	return f, rest, true
}

// dropNominated marks the fields that a Connection value names as meant for
// the next hop only. It reports false when the value names a field that must
// not disappear, or is no list of tokens.
func dropNominated(fields []field, value []byte) bool {
	for names := 0; len(value) > 0; names++ {
		var name []byte
		name, value = nextItem(value)
		if len(name) == 0 {
			continue
		}
		if names > 16 || !isTokens(name) || protected(name) {
			return false
		}
		for i := range fields {
			if len(fields[i].name) == len(name) && bytes.EqualFold(fields[i].name, name) {
				fields[i].kind = fieldHop
			}
		}
	}
	return true
}

// protected reports whether dropping the field would change what the message
// means: its framing, its target or who sent it.
func protected(name []byte) bool {
	switch classify(name) {
	case fieldHost, fieldContentLength, fieldTransferEncoding, fieldCookie, fieldForwardedFor, fieldForwarded:
		return true
	}
	return equalFold(name, "authorization") || equalFold(name, "content-type") || equalFold(name, "set-cookie")
}

// nextItem cuts the first item off a comma-separated list.
func nextItem(list []byte) (item, rest []byte) {
	if i := bytes.IndexByte(list, ','); i >= 0 {
		return trim(list[:i]), list[i+1:]
	}
	return trim(list), nil
}

// hasItem reports whether the comma-separated list holds the item.
func hasItem(list []byte, lower string) bool {
	for len(list) > 0 {
		var item []byte
		if item, list = nextItem(list); equalFold(item, lower) {
			return true
		}
	}
	return false
}

// parseLength reads a Content-Length: digits only, below 10^18.
func parseLength(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// equalFold compares ASCII without case. lower must be in lower case.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// trim cuts optional white space: spaces and tabs.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

func isTokens(b []byte) bool {
	for _, c := range b {
		if !isToken[c] {
			return false
		}
	}
	return len(b) > 0
}

// isToken holds the token characters of RFC 9110 section 5.6.2.
var isToken = func() (t [256]bool) {
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-0x20] = true, true
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()
