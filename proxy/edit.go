package proxy

import (
	"bytes"

	"github.com/weirproxy/weir/proxy/route"
)

// appendPieces appends the fields that a route puts in. Every variable is free
// of control characters: the gate, the document or weir itself saw to that.
func (x *exchange) appendPieces(dst []byte, pieces []route.Piece) []byte {
	for i := range pieces {
		dst = append(dst, pieces[i].Text...)
		switch pieces[i].Then {
		case route.ClientVar:
			dst = append(dst, x.client...)
		case route.HostVar:
			dst = append(dst, x.head.host...)
		case route.ServiceVar:
			dst = append(dst, x.service.Name...)
		case route.VersionVar:
			if x.version != nil {
				dst = append(dst, x.version.Name...)
			}
		case route.EndpointVar:
			if x.endpoint != nil {
				dst = append(dst, x.endpoint.Address...)
			}
		case route.RequestVar:
			dst = append(dst, x.requestID...)
		}
	}
	return dst
}

// appendEditedHead appends the answer's head as the route changes it, up to the
// fields on framing, and tells whether shared caches may keep the answer.
func (x *exchange) appendEditedHead(dst []byte) (_ []byte, shared bool) {
	if x.h.options.RequestID.Return {
		x.returnID()
	}
	edits := x.route.Response
	if edits == nil {
		return x.appendRequestID(x.resp.appendHead(dst)), x.resp.shared
	}
	dst = x.resp.appendEdited(dst, edits)
	return x.appendPieces(x.appendRequestID(dst), edits.Lines), edits.Shared || x.resp.shared && !edits.Decided
}

// page returns the operator's body for an answer of weir's own, or nil.
func (x *exchange) page(status int) *route.Page {
	if x.service != nil {
		if page := x.service.Pages.Find(status); page != nil {
			return page
		}
	}
	return x.h.options.Pages.Find(status)
}

// encrypted reports whether the client's request came by TLS, here or, as far
// as is known, to a trusted proxy. Between several proxies the first field is
// the one nearest to the client.
func (x *exchange) encrypted() bool {
	if x.conn.secure || !x.conn.trusted {
		return x.conn.secure
	}
	proto, _ := nextItem(x.head.field("x-forwarded-proto"))
	return equalFold(proto, "https")
}

// redirect sends the client to the same place by TLS. Methods other than GET
// and HEAD keep theirs by 308 (RFC 9110 section 15.4.9).
//
// The Host is the client's own and was checked by the gate: nobody can make
// another client's answer lead away, and caches are asked by Host.
func (x *exchange) redirect(port string) {
	status := 308
	if m := string(x.head.method); m == "GET" || m == "HEAD" {
		status = 301
	}
	host := x.head.host
	if i := bytes.LastIndexByte(host, ':'); i >= 0 && bytes.IndexByte(host[i:], ']') < 0 {
		host = host[:i]
	}
	to := append(append(x.out[:0], "https://"...), host...)
	if port != "443" {
		to = append(append(to, ':'), port...)
	}
	if len(x.head.target) == 0 || x.head.target[0] != '/' {
		to = append(to, '/') // `*` of OPTIONS, and an absolute form without path
	} else {
		to = append(to, x.head.target...)
	}
	x.out = to
	x.answerTo(status, "redirect", to)
}
