package proxy

import (
	"time"

	"github.com/weirproxy/weir/proxy/access"
	"github.com/weirproxy/weir/proxy/stats"
)

// account writes what became of the request: a line of the access log, and a
// span if its trace is sampled.
func (x *exchange) account() {
	if log := x.h.options.Access; log != nil {
		x.logAccess(log)
	}
	if x.export {
		x.emit()
	}
}

func (x *exchange) logAccess(log *access.Log) {
	ended := x.conn.doneAt
	if ended < x.startedAt { // not known of this request
		ended = x.h.Now()
	}
	e := access.Entry{
		Time: x.h.wall(x.startedAt), Duration: time.Duration(ended - x.startedAt),
		Client: x.client, Method: x.head.method, Host: x.head.host, Path: x.head.path, Query: x.head.query,
		Protocol: x.protocol(), UserAgent: x.head.userAgent, Referer: x.head.field("referer"),
		RequestID: x.requestID, Trace: x.traceID,
		Status: x.status, Bytes: x.bytes, Reason: x.whyFailed(),
	}
	e.Service, e.Version, e.Lane, e.Endpoint = x.names()
	if x.headAt != 0 {
		e.Upstream = time.Duration(x.headAt - x.dispatchedAt)
	}
	log.Write(&e)
}

// names are where the request went, as far as it came.
func (x *exchange) names() (service, version, lane, endpoint string) {
	if x.service != nil {
		service = x.service.Name
	}
	if x.version != nil {
		version, lane = x.version.Name, x.lane.String()
	}
	if x.endpoint != nil {
		endpoint = x.endpoint.Address
	}
	return service, version, lane, endpoint
}

// whyFailed is the reason of weir's own answer, or that of an exchange that
// did not go well; empty: there is none.
func (x *exchange) whyFailed() string {
	if x.word == "" && x.reason != stats.None {
		return x.reason.String()
	}
	return x.word
}

func (x *exchange) protocol() string {
	switch {
	case x.conn.h2:
		return "HTTP/2.0"
	case x.head.minor == 0:
		return "HTTP/1.0"
	}
	return "HTTP/1.1"
}

// logRefused is the line of what never became a request.
func (h *Handler) logRefused(c *clientConn, r Rejection) {
	if log := h.options.Access; log != nil {
		log.Write(&access.Entry{Time: time.Now(), Client: c.address, Status: r.status(), Reason: r.String()})
	}
}
