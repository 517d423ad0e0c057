package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
)

// bridges carry requests to endpoints that speak HTTP/2. An exchange sees a
// bridge as a connection with HTTP/1.1; its other end is net/http's transport,
// which shares few connections between many requests.
type bridges struct{ h2c, h2 *http.Transport }

// connectTimeoutKey is where a dial finds the service's limit.
type connectTimeoutKey struct{}

func newBridges() bridges {
	transport := func(set func(*http.Protocols)) *http.Transport {
		protocols := new(http.Protocols)
		set(protocols)
		return &http.Transport{
			Protocols:              protocols,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 16 << 10,
			IdleConnTimeout:        time.Minute,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				limit, _ := ctx.Value(connectTimeoutKey{}).(time.Duration)
				if limit <= 0 {
					limit = 5 * time.Second // Envoy's
				}
				return (&net.Dialer{Timeout: limit}).DialContext(ctx, network, addr)
			},
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
	return bridges{
		h2c: transport(func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }),
		h2:  transport(func(p *http.Protocols) { p.SetHTTP2(true) }),
	}
}

// close ends connections that carry no request.
func (b *bridges) close() {
	b.h2c.CloseIdleConnections()
	b.h2.CloseIdleConnections()
}

// bridge is one request on its way. The exchange owns this end; closing it
// gives the request up.
type bridge struct {
	net.Conn
	cancel context.CancelFunc
	reason atomic.Int32 // stats.Reason of an end without answer; 0: reset
}

// open starts a request to an endpoint at address.
func (b *bridges) open(s *route.Service, address string) *bridge {
	near, far := net.Pipe()
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), connectTimeoutKey{}, s.ConnectTimeout))
	c := &bridge{Conn: near, cancel: cancel}
	transport, scheme := b.h2c, "http"
	if s.Protocol == route.H2 {
		transport, scheme = b.h2, "https"
	}
	go func() {
		defer cancel()
		defer far.Close()
		c.carry(ctx, transport, scheme, address, far)
	}()
	return c
}

// because is the reason why there was no answer; of a bridge's end only the
// bridge knows.
func (x *exchange) because(reason stats.Reason) stats.Reason {
	if x.up == nil || reason != stats.Reset {
		return reason
	}
	if b, ok := x.up.Conn.(*bridge); ok && b.reason.Load() != 0 {
		return stats.Reason(b.reason.Load())
	}
	return reason
}

// Close gives the request up.
func (c *bridge) Close() error {
	c.cancel()
	return c.Conn.Close()
}

// carry is the far end: it reads the request, which is the exchange's own
// coding, and writes the answer in the same coding. A broken answer ends the
// connection early.
func (c *bridge) carry(ctx context.Context, transport *http.Transport, scheme, address string, far net.Conn) {
	req, err := http.ReadRequest(bufio.NewReader(far))
	if err != nil {
		return // the exchange gave up
	}
	uri := req.RequestURI
	req.RequestURI = ""
	req.URL.Scheme, req.URL.Host, req.URL.Path, req.URL.RawPath, req.URL.RawQuery, req.URL.ForceQuery = scheme, address, "", "", "", false
	// The only form that the transport sends byte for byte, whatever the path.
	req.URL.Opaque = "//" + req.Host + uri
	if _, ok := req.Header["User-Agent"]; !ok {
		req.Header["User-Agent"] = nil // not net/http's own
	}
	if isGRPC(req.Header.Get("Content-Type")) {
		req.Header["Te"] = []string{"trailers"} // gRPC servers insist
	}
	resp, err := transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
			c.reason.Store(int32(stats.Connect))
		}
		return
	}
	defer resp.Body.Close()
	_ = writeAnswer(far, resp, req.Method)
}

// writeAnswer writes an HTTP/2 answer as HTTP/1.1, piece by piece as it comes.
func writeAnswer(w io.Writer, resp *http.Response, method string) error {
	b := make([]byte, 0, 33<<10)
	b = strconv.AppendInt(append(b, "HTTP/1.1 "...), int64(resp.StatusCode), 10)
	b = append(append(b, ' '), crlf...)
	for name, values := range resp.Header {
		if name == "Content-Length" {
			continue
		}
		for _, v := range values {
			b = append(append(append(append(b, name...), ": "...), v...), crlf...)
		}
	}
	bodyless := method == http.MethodHead || resp.StatusCode == 204 || resp.StatusCode == 304
	chunked := resp.ContentLength < 0 && !bodyless
	switch {
	case chunked:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case resp.ContentLength >= 0 && resp.StatusCode != 204:
		b = strconv.AppendInt(append(b, "Content-Length: "...), resp.ContentLength, 10)
		b = append(b, crlf...)
	}
	b = append(b, crlf...)
	if _, err := w.Write(b); err != nil || bodyless {
		return err
	}
	for {
		n, err := resp.Body.Read(b[chunkPrefix : cap(b)-len(crlf)][:32<<10])
		if n > 0 {
			piece := b[chunkPrefix : chunkPrefix+n]
			if chunked {
				var line [chunkPrefix]byte
				size := appendChunkSize(line[:0], n)
				start := chunkPrefix - copy(b[chunkPrefix-len(size):chunkPrefix], size)
				piece = append(b[start:chunkPrefix+n], crlf...)
			}
			if _, err := w.Write(piece); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF && chunked:
			_, err = w.Write(appendTrailers(b[:0], resp.Trailer))
			return err
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// appendTrailers appends the end of a chunked body with its trailers.
func appendTrailers(dst []byte, trailer http.Header) []byte {
	dst = append(dst, "0\r\n"...)
	for name, values := range trailer {
		for _, v := range values {
			dst = append(append(append(append(dst, name...), ": "...), v...), crlf...)
		}
	}
	return append(dst, crlf...)
}
