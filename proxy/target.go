package proxy

import "bytes"

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
