package proxy

import (
	"net/netip"
	"time"

	"github.com/weirproxy/weir/proxy/access"
	"github.com/weirproxy/weir/proxy/route"
)

// Options are the limits and habits of the data plane. The zero value is ready
// for an edge: its defaults are those that Envoy recommends there, or stricter.
type Options struct {
	// HeadTimeout bounds receiving a request head, from its first byte.
	// 0 means 5 s.
	HeadTimeout time.Duration
	// KeepAlive closes a client's connection that waits this long for its next
	// request. 0 means 75 s.
	KeepAlive time.Duration
	// BodyTimeout is the longest silence while a request body is received; a
	// service's shorter IdleTimeout goes first. 0 means 5 min (Envoy's
	// stream_idle_timeout).
	BodyTimeout time.Duration
	// MinRate is the least number of bytes a second, on average, at which a
	// client must send a body, or take an answer while it keeps weir waiting.
	// 0 means 240 (Kestrel's); negative means none.
	MinRate int
	// MinRateGrace is how long MinRate is not asked for, nor a slow upload gives
	// way to another (upstream.Pool.BeginUpload). 0 means 5 s.
	MinRateGrace time.Duration
	// MaxHead is the largest request head in bytes. A connection holds a
	// buffer a little larger while it serves a request. 0 means 16 KiB.
	MaxHead int
	// MaxFields is the largest number of header fields of a request. 0, and
	// anything above, means 100 (Envoy).
	MaxFields int
	// MaxConnections is the largest number of open client connections; those
	// beyond are closed at once. 0 means 50 000 (Envoy's global limit).
	MaxConnections int
	// MaxPerClient is the largest number of open connections of one client: an
	// IPv4 address or an IPv6 network of 64 bits. Those beyond are closed at
	// once. Trusted proxies are not limited. 0 means a quarter of
	// MaxConnections; negative means no limit.
	MaxPerClient int
	// MaxFrames is how many frames of HTTP/2 a client may send, on all of its
	// connections together, beyond those that its requests account for: SETTINGS,
	// PING and the like are one each, a request that is given up within 100 ms is
	// ten. A tenth of it comes back each second. Beyond it the connections that
	// caused it get GOAWAY with ENHANCE_YOUR_CALM, and the client FramesCalm.
	// Trusted proxies are counted by connection. 0 means 1000; negative means no
	// limit.
	MaxFrames int
	// FramesCalm is how long a client who went beyond MaxFrames gets HTTP/1.1
	// only: what else is behind his address goes on by it. Without TLS, where
	// there is no choice, connections with HTTP/2 are closed. 0 means 10 s.
	FramesCalm time.Duration
	// MaxBody is the largest request body in bytes, whatever a service allows.
	// 0 means 100 GiB; negative means no limit.
	MaxBody int64
	// HandshakeTimeout bounds what comes before the first request: the PROXY
	// header and the TLS handshake together. 0 means 10 s.
	HandshakeTimeout time.Duration
	// TunnelIdle is the longest silence of an upgraded connection, both
	// directions together. 0 means the service's IdleTimeout.
	TunnelIdle time.Duration
	// MaxTunnel is the longest time that an upgraded connection, a WebSocket
	// say, may be open. 0 means no limit.
	MaxTunnel time.Duration
	// TrustedProxies are the networks whose X-Forwarded-* fields are believed.
	// From anybody else they are dropped. Empty means nobody.
	TrustedProxies []netip.Prefix
	// DrainWindow is how long Drain goes on accepting connections, each
	// answer closing its own, so that load balancers can turn away first.
	// 0 means 5 s; negative means none.
	DrainWindow time.Duration
	// DrainGrace is how long, after the window, Drain waits for requests in
	// flight and for idle connections to end. 0 means 30 s; negative means none.
	DrainGrace time.Duration
	// Pages are the bodies of weir's own answers, where the service has none.
	// Nil: a line of text.
	Pages *route.Pages
	// Access gets one line per request. Nil means no access log.
	Access *access.Log
	// RequestID and Trace tell requests apart. Zero: neither is done.
	RequestID RequestID
	Trace     Trace
}

func (o Options) withDefaults() Options {
	setDefault(&o.HeadTimeout, 5*time.Second)
	setDefault(&o.HandshakeTimeout, 10*time.Second)
	setDefault(&o.KeepAlive, 75*time.Second)
	setDefault(&o.BodyTimeout, 5*time.Minute)
	setDefault(&o.DrainWindow, 5*time.Second)
	setDefault(&o.DrainGrace, 30*time.Second)
	setDefault(&o.MinRateGrace, 5*time.Second)
	setDefault(&o.FramesCalm, 10*time.Second)
	if o.MinRate == 0 {
		o.MinRate = 240
	}
	if o.MaxHead <= 0 {
		o.MaxHead = 16 << 10
	}
	if o.MaxConnections <= 0 {
		o.MaxConnections = 50_000
	}
	if o.MaxPerClient == 0 {
		o.MaxPerClient = max(o.MaxConnections/4, 1)
	}
	if o.MaxFrames == 0 {
		o.MaxFrames = 1000
	}
	if o.MaxBody == 0 {
		o.MaxBody = 100 << 30
	}
	return o
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}
