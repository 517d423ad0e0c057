package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Limits of the control address. A reader of events outlives them.
const (
	headTimeout  = 5 * time.Second
	readTimeout  = 30 * time.Second
	writeTimeout = 60 * time.Second
	idleTimeout  = 2 * time.Minute
	maxHead      = 16 << 10
	closeGrace   = 5 * time.Second
)

// ErrNotLoopback is returned by CheckAddress.
var ErrNotLoopback = errors.New("the control address must be loopback when there are no tokens")

// CheckAddress refuses an address that machines other than this one can reach
// while no tokens are asked for.
func CheckAddress(address string, tokens *Tokens) error {
	if tokens != nil {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("cannot use control address %q: %w", address, err)
	}
	if host == "localhost" {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Unmap().IsLoopback() {
		return nil
	}
	return fmt.Errorf("cannot use control address %q: %w; give the node `control: {tokens: FILE}`, or listen on 127.0.0.1", address, ErrNotLoopback)
}

// Serve answers on a listener, which it closes, until ctx ends. Requests in
// flight then get five seconds; streams of events end at once. It returns nil
// after ctx ended.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	streams, stop := context.WithCancel(context.Background())
	defer stop()
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHead,
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.Background(), streamsKey{}, streams)
		},
	}
	srv.RegisterOnShutdown(stop)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("cannot serve the control API on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		// Whoever did not finish in the grace is cut off.
		_ = srv.Close()
	}
	<-done
	return nil
}

type streamsKey struct{}

// untilClosed is the context of a request that also ends when the server
// begins to shut down, as endless answers must.
func untilClosed(r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	if streams, ok := ctx.Value(streamsKey{}).(context.Context); ok {
		stop := context.AfterFunc(streams, cancel)
		return ctx, func() { stop(); cancel() }
	}
	return ctx, cancel
}
