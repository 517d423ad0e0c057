package configs

import "time"

// Limits bound what one client, and all of them together, may take of a node.
// Left out, or 0, each has the default named here; they suit an edge.
type Limits struct {
	// HeadBytes is the largest request head. Beyond it the answer is 431, or
	// 414 if the request line alone is that long. 0: 16384; at most 1048576.
	HeadBytes int `json:"head_bytes,omitempty" yaml:"head_bytes,omitempty"`

	// Fields is the largest number of header fields of a request. Beyond it the
	// answer is 431. 0: 100 (Envoy), which is also the most.
	Fields int `json:"fields,omitempty" yaml:"fields,omitempty"`

	// BodyBytes is the largest request body, whatever max_body a service
	// allows. Beyond it the answer is 413. 0: 100 GiB; -1: no limit.
	BodyBytes int64 `json:"body_bytes,omitempty" yaml:"body_bytes,omitempty"`

	// Connections is the largest number of open client connections. Those
	// beyond are closed at once. 0: 50000 (Envoy's global limit).
	Connections int `json:"connections,omitempty" yaml:"connections,omitempty"`

	// PerClient is the largest number of open connections of one client: an IPv4 address or an IPv6 network
	// of 64 bits. Trusted proxies are not limited. 0: a quarter of connections;
	// -1: no limit.
	PerClient int `json:"per_client,omitempty" yaml:"per_client,omitempty"`

	// HandshakeTimeout bounds what comes before the first request: the header of
	// the PROXY protocol and the TLS handshake together. 0: 10s.
	HandshakeTimeout Duration `json:"handshake_timeout,omitempty" yaml:"handshake_timeout,omitempty"`

	// HeadTimeout bounds receiving a request head, from its first byte. Beyond
	// it the answer is 408. 0: 5s.
	HeadTimeout Duration `json:"head_timeout,omitempty" yaml:"head_timeout,omitempty"`

	// BodyTimeout is the longest silence of a client that sends a body, and the
	// longest that one may keep an answer waiting. 0: 5m (Envoy's stream idle
	// timeout).
	BodyTimeout Duration `json:"body_timeout,omitempty" yaml:"body_timeout,omitempty"`

	// KeepAlive closes a connection that waits this long for its next request.
	// 0: 75s (nginx).
	KeepAlive Duration `json:"keep_alive,omitempty" yaml:"keep_alive,omitempty"`

	// MinRate is how many bytes a second, on average after the first 5s, a
	// client must send of a body, and take of an answer that is ready for it.
	// 0: 240 (Kestrel); -1: none.
	MinRate int `json:"min_rate,omitempty" yaml:"min_rate,omitempty"`

	// HTTP2 bounds clients that send frames of HTTP/2 without asking for anything.
	HTTP2 HTTP2Limits `json:"http2,omitzero" yaml:"http2,omitempty"`

	// Tunnel bounds connections that changed their protocol, WebSockets say.
	Tunnel TunnelLimits `json:"tunnel,omitzero" yaml:"tunnel,omitempty"`
}

// HTTP2Limits bound what a client's frames cost the others.
type HTTP2Limits struct {
	// Frames is how many a client may send, on all of its connections together,
	// beyond those that its requests account for: SETTINGS, PING and the like are
	// one each, a request that is given up within 100ms is ten. A tenth of it
	// comes back each second. Beyond it the connections that caused it end with
	// GOAWAY (ENHANCE_YOUR_CALM). Trusted proxies are counted by connection.
	// 0: 1000; -1: no limit.
	Frames int `json:"frames,omitempty" yaml:"frames,omitempty"`

	// Calm is how long such a client gets HTTP/1.1 only, so that others behind
	// its address go on; without TLS, HTTP/2 is closed to it. 0: 10s.
	Calm Duration `json:"calm,omitempty" yaml:"calm,omitempty"`
}

// TunnelLimits bound one upgraded connection.
type TunnelLimits struct {
	// Idle is its longest silence, both directions together: a ping ends it. 0:
	// the idle_timeout of the service.
	Idle Duration `json:"idle,omitempty" yaml:"idle,omitempty"`

	// Total is the longest time that it may be open. 0: no limit.
	Total Duration `json:"total,omitempty" yaml:"total,omitempty"`
}

func (l *Limits) validate(r *report) {
	count := func(path string, n, least, most int64, hint string) {
		if n < least || n > most {
			r.add("limits."+path, hint, "%d is out of bounds", n)
		}
	}
	count("head_bytes", int64(l.HeadBytes), 0, 1<<20, "write a number of bytes up to 1048576, or leave it out for 16384")
	if 0 < l.HeadBytes && l.HeadBytes < 1024 {
		r.add("limits.head_bytes", "write at least 1024", "%d bytes do not hold a browser's head", l.HeadBytes)
	}
	count("fields", int64(l.Fields), 0, 100, "write a number up to 100, or leave it out for 100")
	count("body_bytes", l.BodyBytes, -1, 1<<60, "write a number of bytes, or -1 for no limit")
	count("connections", int64(l.Connections), 0, 1<<30, "write how many connections may be open, or leave it out for 50000")
	count("per_client", int64(l.PerClient), -1, 1<<30, "write how many connections a client may have open, or -1 for no limit")
	count("min_rate", int64(l.MinRate), -1, 1<<30, "write bytes a second, or -1 for none")
	count("http2.frames", int64(l.HTTP2.Frames), -1, 1<<30, "write how many frames a client may send that ask for nothing, or -1 for no limit")
	r.span("limits.http2.calm", l.HTTP2.Calm, maxTimeout)
	r.span("limits.handshake_timeout", l.HandshakeTimeout, maxTimeout)
	r.span("limits.tunnel.idle", l.Tunnel.Idle, maxSpan)
	r.span("limits.tunnel.total", l.Tunnel.Total, maxSpan)
	r.span("limits.head_timeout", l.HeadTimeout, maxTimeout)
	r.span("limits.body_timeout", l.BodyTimeout, Duration(24*time.Hour))
	r.span("limits.keep_alive", l.KeepAlive, Duration(24*time.Hour))
}
