package proxy

import (
	"bytes"
	"net/netip"
	"strconv"
	"unsafe"

	"github.com/weirproxy/weir/proxy/route"
)

// field returns the first value of the named field, nil if it is absent.
func (h *requestHead) field(name string) []byte {
	for i := range h.n {
		if f := &h.fields[i]; len(f.name) == len(name) && equalName(f.name, name) {
			return f.value
		}
	}
	return nil
}

// equalName compares two field names of equal length without case.
func equalName(a []byte, b string) bool {
	for i, c := range a {
		d := b[i]
		if c != d && (c|0x20 != d|0x20 || c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

// cookie returns the value of the first cookie of that name, nil if it is absent.
func (h *requestHead) cookie(name string) []byte {
	for i := range h.n {
		if h.fields[i].kind != fieldCookie {
			continue
		}
		for list := h.fields[i].value; len(list) > 0; {
			pair := list
			if j := bytes.IndexByte(list, ';'); j >= 0 {
				pair, list = list[:j], list[j+1:]
			} else {
				list = nil
			}
			pair = trim(pair)
			if len(pair) > len(name) && pair[len(name)] == '=' && string(pair[:len(name)]) == name {
				return pair[len(name)+1:]
			}
		}
	}
	return nil
}

// queryValue returns the raw value of the first parameter of that name.
func queryValue(query []byte, name string) []byte {
	if len(query) == 0 {
		return nil
	}
	for list := query[1:]; len(list) > 0; {
		pair := list
		if i := bytes.IndexByte(list, '&'); i >= 0 {
			pair, list = list[:i], list[i+1:]
		} else {
			list = nil
		}
		if len(pair) > len(name) && pair[len(name)] == '=' && string(pair[:len(name)]) == name {
			return pair[len(name)+1:]
		}
	}
	return nil
}

// trusts reports whether the address is in one of the networks.
func trusts(networks []netip.Prefix, a netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// clientAddress is the peer's address, or what trusted proxies say of theirs:
// the right-most address that is not itself trusted.
func (x *exchange) clientAddress() []byte {
	if !x.conn.trusted {
		return x.conn.address
	}
	client := x.conn.address
	for i := x.head.n - 1; i >= 0; i-- {
		if x.head.fields[i].kind != fieldForwardedFor {
			continue
		}
		for list := x.head.fields[i].value; len(list) > 0; {
			item := list
			if j := bytes.LastIndexByte(list, ','); j >= 0 {
				item, list = list[j+1:], list[:j]
			} else {
				list = nil
			}
			item = trim(item)
			a, err := netip.ParseAddr(unsafe.String(unsafe.SliceData(item), len(item)))
			if err != nil {
				return client // beyond a lie nothing is known
			}
			if client = item; !trusts(x.h.options.TrustedProxies, a.Unmap()) {
				return client
			}
		}
	}
	return client
}

// appendRequest appends the head that the endpoint gets. It is made of what the
// gate decided on; the fields keep their order and case.
func (x *exchange) appendRequest(dst []byte) []byte {
	h := &x.head
	dst = append(dst, h.method...)
	dst = append(dst, ' ')
	dst = appendTarget(dst, h, x.route.StripPrefix)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	switch x.service.HostPolicy {
	case route.HostEndpoint:
		dst = append(dst, x.endpoint.Name...)
	case route.HostLiteral:
		dst = append(dst, x.service.Host...)
	default:
		dst = append(dst, h.host...)
	}
	dst = append(dst, crlf...)
	edits := x.route.Request
	for i := range h.n {
		f := &h.fields[i]
		if edits != nil && edits.Drops(f.name) {
			continue
		}
		switch f.kind {
		case fieldHop, fieldHost, fieldContentLength, fieldTransferEncoding, fieldExpect, fieldForwardedFor:
		case fieldForwarded:
			if x.conn.trusted {
				dst = appendField(dst, f.name, f.value)
			}
		case fieldTrailer:
			if h.length < 0 {
				dst = appendField(dst, f.name, f.value)
			}
		default:
			dst = appendField(dst, f.name, f.value)
		}
	}
	dst = x.appendFlags(x.appendIdentity(x.appendForwarded(dst)))
	if edits != nil {
		dst = x.appendPieces(dst, edits.Lines)
	}
	if x.upgrade != nil {
		dst = appendUpgrade(dst, x.upgrade)
	}
	switch {
	case h.length < 0:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	case h.declared:
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, h.length, 10)
		dst = append(dst, crlf...)
	}
	return append(dst, crlf...)
}

// appendTarget appends the path and query as they came, less the prefix.
func appendTarget(dst []byte, h *requestHead, strip string) []byte {
	target := h.target
	for len(strip) > 0 && strip[len(strip)-1] == '/' {
		strip = strip[:len(strip)-1]
	}
	n := len(strip)
	if n == 0 || len(h.path) < n || string(h.path[:n]) != strip || len(h.path) > n && h.path[n] != '/' {
		return append(dst, target...)
	}
	if target = target[n:]; len(h.path) == n {
		dst = append(dst, '/')
	}
	return append(dst, target...)
}

// appendForwarded appends the X-Forwarded-* fields. What a trusted proxy said
// stands; anybody else's was dropped.
func (x *exchange) appendForwarded(dst []byte) []byte {
	h := &x.head
	dst = append(dst, "X-Forwarded-For: "...)
	var proto, host, port bool
	for i := range h.n {
		f := &h.fields[i]
		if !x.conn.trusted {
			break
		}
		switch {
		case f.kind == fieldForwardedFor && len(f.value) > 0:
			dst = append(dst, f.value...)
			dst = append(dst, ',', ' ')
		case f.kind == fieldForwarded:
			proto = proto || equalFold(f.name, "x-forwarded-proto")
			host = host || equalFold(f.name, "x-forwarded-host")
			port = port || equalFold(f.name, "x-forwarded-port")
		}
	}
	dst = append(dst, x.conn.address...)
	dst = append(dst, crlf...)
	if !proto && x.conn.secure {
		dst = append(dst, "X-Forwarded-Proto: https\r\n"...)
	} else if !proto {
		dst = append(dst, "X-Forwarded-Proto: http\r\n"...)
	}
	if !host {
		dst = appendField(dst, []byte("X-Forwarded-Host"), h.host)
	}
	if !port {
		dst = appendField(dst, []byte("X-Forwarded-Port"), x.conn.port)
	}
	return dst
}
