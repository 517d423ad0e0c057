package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
)

// newCalls is a gRPC server as an endpoint. Every method is a stream of texts;
// serve is its handler.
func newCalls(t testing.TB, serve func(stream grpc.ServerStream, method string) error) *rawUpstream {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(stream)
		return serve(stream, method[strings.LastIndexByte(method, '/')+1:])
	}))
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

// echo answers each text with itself, and ends with what the method says.
func echo(stream grpc.ServerStream, method string) error {
	incoming, _ := metadata.FromIncomingContext(stream.Context())
	_ = stream.SetHeader(metadata.Pairs("x-head", strings.Join(incoming.Get("x-ask"), ",")))
	stream.SetTrailer(metadata.Pairs("x-tail", "one", "x-tail", "two", "x-tail-bin", "\x00\xff"))
	for {
		text := new(wrapperspb.StringValue)
		if err := stream.RecvMsg(text); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if method == "Hang" {
			<-stream.Context().Done()
			return stream.Context().Err()
		}
		if err := stream.SendMsg(text); err != nil {
			return err
		}
	}
	for code := codes.OK; code <= codes.Unauthenticated; code++ {
		if method == code.String() {
			return status.Error(code, "as you wish: 100%")
		}
	}
	return nil
}

// dialGRPC connects a gRPC client to the world's h2c listener.
func (w *world) dialGRPC() *grpc.ClientConn {
	w.t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+w.enter(Entry{H2C: true}), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	return conn
}

func h2cService(s *route.Service, _ *Options) { s.Protocol = route.H2C }

func call(ctx context.Context, conn *grpc.ClientConn, method, text string, opts ...grpc.CallOption) (string, error) {
	reply := new(wrapperspb.StringValue)
	err := conn.Invoke(ctx, "/test.Shop/"+method, wrapperspb.String(text), reply, opts...)
	return reply.GetValue(), err
}

func TestGRPC_CallsPassWithMetadataAndStatus(t *testing.T) {
	w := newWorld(t, h2cService, newCalls(t, echo))
	conn := w.dialGRPC()
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(context.Background(), "x-ask", "a", "x-ask", "b"), 10*time.Second)
	defer cancel()
	errorsWanted := uint64(0)
	for code := codes.OK; code <= codes.Unauthenticated; code++ {
		var head, tail metadata.MD
		got, err := call(ctx, conn, code.String(), "hello", grpc.Header(&head), grpc.Trailer(&tail))
		if status.Code(err) != code || code == codes.OK && got != "hello" || code != codes.OK && status.Convert(err).Message() != "as you wish: 100%" {
			t.Errorf("%s: got %q, %v", code, got, err)
		}
		if !slices.Equal(head.Get("x-head"), []string{"a,b"}) || !slices.Equal(tail.Get("x-tail"), []string{"one", "two"}) || !slices.Equal(tail.Get("x-tail-bin"), []string{"\x00\xff"}) {
			t.Errorf("%s: metadata %v %v", code, head, tail)
		}
		if grpcError(int(code), false) {
			errorsWanted++
		}
	}
	totals := w.totals(0)
	if totals.Codes[200] != 17 || totals.Reasons[stats.Status] != errorsWanted || errorsWanted != 7 {
		t.Errorf("%d answers, %d errors, want 17 and %d", totals.Codes[200], totals.Reasons[stats.Status], errorsWanted)
	}
}

func TestGRPC_StatusWithoutAnyMessageIsHeard(t *testing.T) {
	f := func(code codes.Code, errors uint64) {
		t.Helper()
		w := newWorld(t, h2cService, newCalls(t, func(grpc.ServerStream, string) error { return status.Error(code, "at once") }))
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if _, err := call(ctx, w.dialGRPC(), "Any", "hello"); status.Code(err) != code {
			t.Errorf("got %v, want %s", err, code)
		}
		if totals := w.totals(0); totals.Codes[200] != 1 || totals.Reasons[stats.Status] != errors {
			t.Errorf("%s: counted %d answers, %v", code, totals.Codes[200], totals.Reasons)
		}
	}

	f(codes.Unavailable, 1)
	f(codes.NotFound, 0)
}

func TestGRPC_StreamsRunBothWays(t *testing.T) {
	w := newWorld(t, h2cService, newCalls(t, echo))
	conn := w.dialGRPC()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/test.Shop/OK")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one", "", strings.Repeat("large ", 200_000), "four"} {
		if err := stream.SendMsg(wrapperspb.String(text)); err != nil {
			t.Fatal(err)
		}
		// The answer to each comes before the next is sent.
		reply := new(wrapperspb.StringValue)
		if err := stream.RecvMsg(reply); err != nil || reply.GetValue() != text {
			t.Fatalf("got %d bytes, %v; want %d", len(reply.GetValue()), err, len(text))
		}
	}
	_ = stream.CloseSend()
	if err := stream.RecvMsg(new(wrapperspb.StringValue)); !errors.Is(err, io.EOF) {
		t.Errorf("end: %v", err)
	}
}

func TestGRPC_DeadlinesAndCancellationReachTheServer(t *testing.T) {
	ended := make(chan error, 2)
	w := newWorld(t, h2cService, newCalls(t, func(stream grpc.ServerStream, method string) error {
		err := echo(stream, method)
		ended <- err
		return err
	}))
	conn := w.dialGRPC()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := call(ctx, conn, "Hang", "hello"); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := call(ctx, conn, "Hang", "hello"); status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
	for range 2 {
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			t.Fatal("the server was not told")
		}
	}
	totals := w.totals(0)
	if n := totals.Reasons[stats.Status] + totals.Reasons[stats.Timeout] + totals.Reasons[stats.Reset]; n != 0 {
		t.Errorf("the client's own deadline counted as %d errors", n)
	}
}

func TestGRPC_WeirAnswersInTheClientsTerms(t *testing.T) {
	f := func(change func(s *route.Service), want codes.Code, reason stats.Reason) {
		t.Helper()
		w := newWorld(t, func(s *route.Service, _ *Options) { s.Protocol = route.H2C; change(s) }, newCalls(t, echo))
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, err := call(ctx, w.dialGRPC(), "Hang", "hello")
		if status.Code(err) != want || !strings.Contains(err.Error(), reason.String()) {
			t.Errorf("got %v, want %s", err, want)
		}
		if totals := w.totals(0); totals.Reasons[reason] != 1 {
			t.Errorf("reason %s counted %d times", reason, totals.Reasons[reason])
		}
	}

	f(func(s *route.Service) { s.Timeout = 50 * time.Millisecond }, codes.DeadlineExceeded, stats.Timeout)
	f(func(s *route.Service) { s.Versions[0].Pool.Endpoints()[0].SetUp(false) }, codes.Unavailable, stats.Exhausted)
}

func TestGRPC_RefusedConnectionIsNoReset(t *testing.T) {
	u := newCalls(t, echo)
	w := newWorld(t, h2cService, u)
	u.ln.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := call(ctx, w.dialGRPC(), "OK", "hello"); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v", err)
	}
	if totals := w.totals(0); totals.Reasons[stats.Connect] != 1 {
		t.Errorf("counted as %v", totals.Reasons)
	}
}

func TestGRPC_TimeoutsAreRead(t *testing.T) {
	f := func(value string, want time.Duration, ok bool) {
		t.Helper()
		if got, gotOK := grpcTimeout([]byte(value)); got != want || gotOK != ok {
			t.Errorf("%q: got %v, %v, want %v, %v", value, got, gotOK, want, ok)
		}
	}

	f("1S", time.Second, true)
	f("100m", 100*time.Millisecond, true)
	f("99999999n", 99999999, true)
	f("99999999H", 1<<62, true)
	f("0u", 0, true)
	f("", 0, false)
	f("S", 0, false)
	f("5", 0, false)
	f("5s", 0, false)
	f("-5S", 0, false)
	f("123456789S", 0, false)
}

func TestH2_UpstreamServesHTTP1ClientsToo(t *testing.T) {
	w := newWorld(t, h2cService, newCalls(t, echo))
	// A gRPC server wants gRPC; what counts is that its answer comes through.
	c := w.dial()
	c.send("POST /a/b HTTP/1.1\r\nHost: shop\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")
	if resp, _ := c.answer("POST"); resp.StatusCode != 415 {
		t.Errorf("got %s", resp.Status)
	}
}
