package upstream

import (
	"context"
	"net"
	"net/http"
	"time"
)

// connectTimeoutKey is where a dial of a Transport finds its limit.
type connectTimeoutKey struct{}

// WithConnectTimeout bounds the connects that requests with ctx make. 0 means
// Options.ConnectTimeout.
func WithConnectTimeout(ctx context.Context, limit time.Duration) context.Context {
	return context.WithValue(ctx, connectTimeoutKey{}, limit)
}

// Transport carries requests to an endpoint whose link is H2. It shares few
// connections between many of them. The scheme of the requests is Scheme.
func (e *Endpoint) Transport() *http.Transport {
	if t := e.transport.Load(); t != nil {
		return t
	}
	e.transport.CompareAndSwap(nil, e.newTransport())
	return e.transport.Load()
}

// Scheme is that of URLs of the endpoint.
func (e *Endpoint) Scheme() string {
	if e.Link.TLS != nil {
		return "https"
	}
	return "http"
}

func (e *Endpoint) newTransport() *http.Transport {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		limit, _ := ctx.Value(connectTimeoutKey{}).(time.Duration)
		if limit <= 0 {
			limit = e.connectTimeout
		}
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return e.Link.Dial(ctx, e.Address)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP2(e.Link.TLS != nil)
	protocols.SetUnencryptedHTTP2(e.Link.TLS == nil)
	return &http.Transport{
		Protocols:              protocols,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 16 << 10,
		IdleConnTimeout:        time.Minute,
		DialContext:            dial,
		DialTLSContext:         dial,
		HTTP2: &http.HTTP2Config{
			// Small for a stream, so that a client that reads slowly holds
			// little; no limit for all, so that it does not hold up others.
			MaxReceiveBufferPerStream:     256 << 10,
			MaxReceiveBufferPerConnection: 1 << 30,
			SendPingTimeout:               15 * time.Second,
			PingTimeout:                   15 * time.Second,
		},
	}
}

// closeIdle closes the connections that carry no request.
func (e *Endpoint) closeIdle() {
	e.client.CloseIdleConnections()
	if t := e.transport.Load(); t != nil {
		t.CloseIdleConnections()
	}
}
