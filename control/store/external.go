package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
)

// dial makes a client of an external etcd. It does not wait for a connection,
// and whether there is one only a call can tell.
func dial(x External, log *zap.Logger) (*clientv3.Client, error) {
	options := []grpc.DialOption{
		// gRPC would wait up to two minutes between attempts, long after etcd is back.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay:  100 * time.Millisecond,
				Multiplier: 1.6,
				Jitter:     0.5,
				MaxDelay:   time.Second,
			},
			MinConnectTimeout: 2 * time.Second,
		}),
	}
	if x.TLS != nil {
		options = append(options, grpc.WithTransportCredentials(secure{x.TLS}))
	}
	c, err := clientv3.New(clientv3.Config{
		Endpoints: x.Endpoints,
		Username:  x.Username,
		Password:  x.Password,
		// Without keepalives a connection that a firewall dropped looks alive for ever.
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 3 * time.Second,
		PermitWithoutStream:  true,
		DialOptions:          options,
		Logger:               quiet(log),
	})
	if err != nil {
		return nil, fmt.Errorf("cannot use etcd at %q: %w", x.Endpoints, err)
	}
	return c, nil
}

// secure are gRPC's credentials by TLS whose configuration is made anew for each
// connection: a client of etcd lives as long as the process, certificates do not.
type secure struct {
	config func(name string) (*tls.Config, error)
}

// ClientHandshake encrypts a connection to the server that authority names.
func (s secure) ClientHandshake(ctx context.Context, authority string, nc net.Conn) (net.Conn, credentials.AuthInfo, error) {
	name, _, err := net.SplitHostPort(authority)
	if err != nil {
		name = authority // it has no port
	}
	config, err := s.config(name)
	if err != nil {
		return nil, nil, err
	}
	return credentials.NewTLS(config).ClientHandshake(ctx, authority, nc)
}

// ServerHandshake is not for clients.
func (s secure) ServerHandshake(net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("cannot serve with the credentials of a client")
}

// Info says that connections are encrypted.
func (s secure) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

// Clone returns s, which holds nothing that changes.
func (s secure) Clone() credentials.TransportCredentials { return s }

// OverrideServerName is refused: the name is that of the endpoint.
func (s secure) OverrideServerName(string) error {
	return errors.New("cannot verify another name than the endpoint's")
}
