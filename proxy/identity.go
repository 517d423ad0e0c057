package proxy

import (
	"encoding/hex"
	"math/rand/v2"
	"time"

	"github.com/weirproxy/weir/proxy/trace"
)

// RequestID says how requests are told apart in logs, here and behind.
type RequestID struct {
	// Header is the field that carries the id, to endpoints and from trusted
	// proxies; anybody else's is replaced. Empty: there are no ids.
	Header string
	// Return puts the id into answers too.
	Return bool
}

// Trace says how requests take part in distributed traces (W3C Trace Context).
type Trace struct {
	// Begin makes a traceparent for requests that come without a valid one.
	// Those that come are passed on, their sampling flag kept, whoever sent
	// them. False: fields pass like any other.
	Begin bool
	// Sample is the share of the traces begun here that are sampled, in basis
	// points. 0: none.
	Sample uint64
	// Spans take what weir itself did for a sampled request: one begun here,
	// one that a trusted proxy sampled, and Sample of those that anybody else
	// did, who could otherwise make it as much as they like. Nil: no spans.
	Spans *trace.Exporter
}

// identity is by what one request is known.
type identity struct {
	requestID []byte // in idText, or of a trusted proxy; nil: none
	idText    [32]byte

	traceID  [16]byte // zero: no trace
	parentID [8]byte  // zero: the trace begins here
	spanID   [8]byte  // zero: weir adds nothing to the trace
	sampled  bool
	export   bool
}

// identify finds or makes the request's ids. Fields that are replaced are
// marked, so that they are not passed on.
func (x *exchange) identify() {
	if name := x.h.options.RequestID.Header; name != "" {
		x.identifyRequest(name)
	}
	if x.h.options.Trace.Begin {
		x.identifyTrace()
	}
}

// maxRequestID bounds an id that is accepted. UUIDs have 36 characters.
const maxRequestID = 128

func (x *exchange) identifyRequest(name string) {
	for i := range x.head.n {
		f := &x.head.fields[i]
		if len(f.name) != len(name) || !equalName(f.name, name) {
			continue
		}
		f.kind = fieldHop
		if x.conn.trusted && x.requestID == nil && len(f.value) <= maxRequestID && isTokens(f.value) {
			x.requestID = f.value
		}
	}
	if x.requestID == nil {
		var id [16]byte
		putRandom(id[:8])
		putRandom(id[8:])
		hex.Encode(x.idText[:], id[:])
		x.requestID = x.idText[:]
	}
}

// putRandom fills eight bytes. Ids are unique, not secret.
func putRandom(b []byte) {
	for n, i := rand.Uint64(), 0; i < 8; i++ {
		b[i] = byte(n)
		n >>= 8
	}
}

func (x *exchange) identifyTrace() {
	o := &x.h.options.Trace
	parent, parents := (*field)(nil), 0
	for i := range x.head.n {
		if equalFold(x.head.fields[i].name, "traceparent") {
			parent = &x.head.fields[i]
			parents++
		}
	}
	drawn := rand.Uint64N(10_000) < o.Sample
	if parents == 1 && x.parseParent(parent.value) {
		x.export = o.Spans != nil && x.sampled && (x.conn.trusted || drawn)
		if x.export {
			putRandom(x.spanID[:])
			parent.kind = fieldHop
		}
		return
	}
	// Without a valid parent its companion means nothing (section 3.2.2.3 of
	// Trace Context).
	for i := range x.head.n {
		if f := &x.head.fields[i]; equalFold(f.name, "traceparent") || equalFold(f.name, "tracestate") {
			f.kind = fieldHop
		}
	}
	putRandom(x.traceID[:8])
	putRandom(x.traceID[8:])
	putRandom(x.spanID[:])
	x.parentID = [8]byte{}
	x.sampled = drawn
	x.export = drawn && o.Spans != nil
}

// parseParent reads `00-<trace>-<parent>-<flags>`. Of later versions only this
// much is known, and may be followed by more.
func (x *exchange) parseParent(b []byte) bool {
	const length = 55
	if len(b) < length || b[2] != '-' || b[35] != '-' || b[52] != '-' {
		return false
	}
	if later := string(b[:2]) != "00"; string(b[:2]) == "ff" || !later && len(b) > length || later && len(b) > length && b[length] != '-' {
		return false
	}
	var version, flags [1]byte
	if !unhex(version[:], b[:2]) || !unhex(x.traceID[:], b[3:35]) || !unhex(x.parentID[:], b[36:52]) || !unhex(flags[:], b[53:55]) ||
		x.traceID == [16]byte{} || x.parentID == [8]byte{} {
		return false
	}
	x.sampled = flags[0]&1 != 0
	return true
}

// unhex decodes lower-case digits.
func unhex(dst, src []byte) bool {
	for _, c := range src {
		if 'A' <= c && c <= 'F' {
			return false
		}
	}
	_, err := hex.Decode(dst, src)
	return err == nil
}

// appendIdentity appends the fields that tell an endpoint the ids.
func (x *exchange) appendIdentity(dst []byte) []byte {
	if x.requestID != nil {
		dst = append(append(dst, x.h.options.RequestID.Header...), ':', ' ')
		dst = append(append(dst, x.requestID...), crlf...)
	}
	if x.spanID != [8]byte{} {
		dst = hex.AppendEncode(append(dst, "traceparent: 00-"...), x.traceID[:])
		dst = hex.AppendEncode(append(dst, '-'), x.spanID[:])
		if x.sampled {
			return append(dst, "-01\r\n"...)
		}
		return append(dst, "-00\r\n"...)
	}
	return dst
}

// appendRequestID appends the field that tells the client the id, if it is to.
func (x *exchange) appendRequestID(dst []byte) []byte {
	if o := &x.h.options.RequestID; o.Return && x.requestID != nil {
		dst = append(append(dst, o.Header...), ':', ' ')
		dst = append(append(dst, x.requestID...), crlf...)
	}
	return dst
}

// returnID takes the endpoint's own id out of its answer, where weir's goes.
func (x *exchange) returnID() {
	name := x.h.options.RequestID.Header
	for i := range x.resp.n {
		if f := &x.resp.fields[i]; len(f.name) == len(name) && equalName(f.name, name) {
			f.kind = fieldHop
		}
	}
}

// emit hands over what weir did for the request, at its end.
func (x *exchange) emit() {
	s := &trace.Span{
		Trace: x.traceID, Parent: x.parentID, ID: x.spanID,
		Start: x.h.wall(x.startedAt), End: x.h.wall(x.h.Now()),
		Method: string(x.head.method), Host: string(x.head.host), Path: string(x.head.path),
		Client: string(x.client), RequestID: string(x.requestID), TLS: x.conn.secure,
		Status: x.status, Reason: x.whyFailed(),
	}
	s.Service, s.Version, s.Lane, s.Endpoint = x.names()
	if x.headAt != 0 {
		s.Upstream = time.Duration(x.headAt - x.dispatchedAt)
	}
	x.h.options.Trace.Spans.Offer(s)
}

// wall is the time of day of a time since the base, without a second look at
// the clock.
func (h *Handler) wall(t int64) time.Time { return h.base.Add(time.Duration(t)) }
