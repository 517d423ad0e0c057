package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// Link is how connections to an endpoint are made. The zero Link is HTTP/1.1 on
// TCP. Links are compared by value.
type Link struct {
	// H2 says that the endpoint speaks HTTP/2, whose connections carry many
	// requests at a time.
	H2 bool
	// TLS encrypts. Nil: plaintext.
	TLS *TLS
	// Name is whose certificate the endpoint must show, with TLS.
	Name string
}

// errNotH2 says that an endpoint with TLS does not speak HTTP/2.
var errNotH2 = errors.New("the endpoint did not agree to HTTP/2")

// Dial opens a connection to address, the handshake of TLS included.
func (l Link) Dial(ctx context.Context, address string) (net.Conn, error) {
	return l.dial(ctx, address, 0)
}

func (l Link) dial(ctx context.Context, address string, keepAlive time.Duration) (net.Conn, error) {
	nc, err := (&net.Dialer{KeepAlive: keepAlive}).DialContext(ctx, "tcp", address)
	if err != nil || l.TLS == nil {
		return nc, err
	}
	t, err := l.encrypt(ctx, nc)
	if err != nil {
		_ = nc.Close()
		return nil, &net.OpError{Op: "dial", Net: "tls", Addr: nc.RemoteAddr(), Err: err}
	}
	return t, nil
}

func (l Link) encrypt(ctx context.Context, nc net.Conn) (net.Conn, error) {
	protocol := "http/1.1"
	if l.H2 {
		protocol = "h2"
	}
	config, err := l.TLS.Config(l.Name, protocol)
	if err != nil {
		return nil, err
	}
	t := tls.Client(nc, config)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	if l.H2 && t.ConnectionState().NegotiatedProtocol != "h2" {
		return nil, errNotH2
	}
	return t, nil
}
