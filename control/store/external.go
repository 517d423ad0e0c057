package store

import (
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// dial makes a client of an external etcd. It does not wait for a connection,
// and whether there is one only a call can tell.
func dial(x External, log *zap.Logger) (*clientv3.Client, error) {
	c, err := clientv3.New(clientv3.Config{
		Endpoints: x.Endpoints,
		Username:  x.Username,
		Password:  x.Password,
		TLS:       x.TLS,
		// Without keepalives a connection that a firewall dropped looks alive for ever.
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 3 * time.Second,
		PermitWithoutStream:  true,
		// gRPC would wait up to two minutes between attempts, long after etcd is back.
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay:  100 * time.Millisecond,
				Multiplier: 1.6,
				Jitter:     0.5,
				MaxDelay:   time.Second,
			},
			MinConnectTimeout: 2 * time.Second,
		})},
		Logger: quiet(log),
	})
	if err != nil {
		return nil, fmt.Errorf("cannot use etcd at %q: %w", x.Endpoints, err)
	}
	return c, nil
}
