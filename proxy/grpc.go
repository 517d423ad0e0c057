package proxy

import (
	"strconv"
	"time"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
)

// Codes of gRPC that decide something here.
const (
	grpcUnknown           = 2
	grpcDeadlineExceeded  = 4
	grpcPermissionDenied  = 7
	grpcResourceExhausted = 8
	grpcUnimplemented     = 12
	grpcInternal          = 13
	grpcUnavailable       = 14
	grpcDataLoss          = 15
)

// grpcError reports whether a code is the fault of the version that gave it.
// One that ran out of the client's own time is not, if that was shorter than
// the service's timeout.
func grpcError(code int, clientsOwn bool) bool {
	switch code {
	case grpcDeadlineExceeded:
		return !clientsOwn
	case grpcUnknown, grpcResourceExhausted, grpcUnimplemented, grpcInternal, grpcUnavailable, grpcDataLoss:
		return true
	}
	return false
}

// outcome is that of an answer that came to its end, with its trailers if any.
// A gRPC call is what its grpc-status says, not what its HTTP status says; the
// pool hears of it here, too.
func (x *exchange) outcome(trailers []byte) stats.Outcome {
	o := stats.Outcome{Status: x.status}
	if x.service.Protocol == route.HTTP1 {
		return o
	}
	if !isGRPC(x.head.field("content-type")) {
		x.credit(gatewayFailure(x.status))
		return o
	}
	code := grpcStatus(trailers)
	if code < 0 { // of an answer without messages it may be in the head
		code = x.resp.grpcStatus
	}
	if code < 0 {
		code = grpcUnknown
	}
	_, own := x.ownTimeout()
	if grpcError(code, own) {
		o.Reason = stats.Status
	}
	// What 503 and 504 are to HTTP.
	x.credit(code == grpcUnavailable || code == grpcDeadlineExceeded && !own)
	return o
}

// ownTimeout is the client's own for its call, if that is shorter than the
// service's.
func (x *exchange) ownTimeout() (time.Duration, bool) {
	own, ok := grpcTimeout(x.head.field("grpc-timeout"))
	return own, ok && (x.service.Timeout <= 0 || own < x.service.Timeout)
}

// outOfTime reports whether the client's own time for its call has run out. Its
// endpoint may reset it then, just as the client does.
func (x *exchange) outOfTime() bool {
	if x.service.Protocol == route.HTTP1 || !isGRPC(x.head.field("content-type")) {
		return false
	}
	own, ok := x.ownTimeout()
	return ok && x.h.Now()-x.startedAt >= int64(own)
}

// grpcStatus finds the status in a block of field lines, or returns -1.
func grpcStatus(block []byte) int {
	for len(block) > 0 {
		f, rest, ok := nextField(block)
		if !ok || f.name == nil {
			break
		}
		if block = rest; equalFold(f.name, "grpc-status") {
			return grpcCode(f.value)
		}
	}
	return -1
}

// grpcCode reads a status; what is none counts as UNKNOWN.
func grpcCode(value []byte) int {
	code, err := strconv.Atoi(string(value))
	if err != nil || code < 0 || code > 16 {
		return grpcUnknown
	}
	return code
}

// grpcTimeout reads a grpc-timeout: up to eight digits and a unit.
func grpcTimeout(value []byte) (time.Duration, bool) {
	if len(value) < 2 || len(value) > 9 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(value[:len(value)-1]), 10, 32)
	if err != nil {
		return 0, false
	}
	unit := time.Duration(0)
	switch value[len(value)-1] {
	case 'H':
		unit = time.Hour
	case 'M':
		unit = time.Minute
	case 'S':
		unit = time.Second
	case 'm':
		unit = time.Millisecond
	case 'u':
		unit = time.Microsecond
	case 'n':
		unit = time.Nanosecond
	default:
		return 0, false
	}
	if n > uint64(1<<62/int64(unit)) {
		return 1 << 62, true
	}
	return time.Duration(n) * unit, true
}

// grpcOf is the code that an answer of weir's own, or of anybody who does not
// speak gRPC, stands for (gRPC's mapping of HTTP statuses).
func grpcOf(status int) int {
	switch status {
	case 400, 431:
		return grpcInternal
	case 403:
		return grpcPermissionDenied
	case 404:
		return grpcUnimplemented
	case 413:
		return grpcResourceExhausted
	case 504:
		return grpcDeadlineExceeded
	case 429, 502, 503:
		return grpcUnavailable
	}
	return grpcUnknown
}

// isGRPC reports whether a Content-Type is gRPC's, in any of its codings, and
// not gRPC-Web's.
func isGRPC[text string | []byte](contentType text) bool {
	const want = "application/grpc"
	n := len(want)
	return len(contentType) >= n && string(contentType[:n]) == want &&
		(len(contentType) == n || contentType[n] == '+' || contentType[n] == ';')
}
