package proxy

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
)

// newInterop is gRPC's own interoperability server as an endpoint.
func newInterop(t testing.TB) *rawUpstream {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	testgrpc.RegisterTestServiceServer(server, interop.NewTestServer())
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(ln)
	}()
	t.Cleanup(func() {
		server.Stop()
		<-served
	})
	return &rawUpstream{t: t, ln: ln}
}

// TestGRPC_InteroperabilityCases runs the cases that gRPC's implementations test
// each other with (grpc/doc/interop-test-descriptions.md). One that fails ends
// the process with its reason.
func TestGRPC_InteroperabilityCases(t *testing.T) {
	overTLS := func(t *testing.T, w *world) *grpc.ClientConn {
		a := newAuthority(t)
		certs, err := LoadTLS(TLSFiles{KeyPairs: []KeyPair{a.pair("edge", "edge.test")}})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := grpc.NewClient("passthrough:///"+w.enter(Entry{TLS: certs}), grpc.WithTransportCredentials(credentials.NewTLS(a.client("edge.test", "h2"))))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	for name, dial := range map[string]func(t *testing.T, w *world) *grpc.ClientConn{
		"h2c": func(_ *testing.T, w *world) *grpc.ClientConn { return w.dialGRPC() },
		"TLS": overTLS,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, h2cService, newInterop(t))
			conn := dial(t, w)
			client := testgrpc.NewTestServiceClient(conn)
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			for _, do := range []func(context.Context, testgrpc.TestServiceClient, ...grpc.CallOption){
				interop.DoEmptyUnaryCall, interop.DoLargeUnaryCall, interop.DoClientStreaming, interop.DoServerStreaming,
				interop.DoPingPong, interop.DoEmptyStream, interop.DoTimeoutOnSleepingServer, interop.DoCancelAfterBegin,
				interop.DoCancelAfterFirstResponse, interop.DoCustomMetadata, interop.DoStatusCodeAndMessage, interop.DoSpecialStatusMessage,
			} {
				do(ctx, client)
			}
			interop.DoUnimplementedService(ctx, testgrpc.NewUnimplementedServiceClient(conn))
			interop.DoUnimplementedMethod(ctx, conn)
		})
	}
}
