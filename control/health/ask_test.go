package health

import (
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	grpchealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/proxy/upstream"
)

// linkTo is a link with TLS to a test server.
func linkTo(t *testing.T, s *httptest.Server, name string, h2 bool) upstream.Link {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return upstream.Link{TLS: upstream.NewRegistry(upstream.Options{}).TLS(upstream.TLSFiles{CA: ca}), Name: name, H2: h2}
}

func askOnce(t *testing.T, p Probe, address, want string) {
	t.Helper()
	p.Timeout = configs.Duration(10 * time.Second)
	got := p.ask(t.Context(), Target{Address: address})
	if want == "" && got != "" || !strings.Contains(got, want) {
		t.Errorf("%s: %q, want %q", p.Path, got, want)
	}
}

func TestProbe_SpeaksWhatTheEndpointsSpeak(t *testing.T) {
	var proto atomic.Pointer[string]
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { proto.Store(&r.Proto) })
	f := func(link func(s *httptest.Server) upstream.Link, start func(s *httptest.Server), wantProto string) {
		t.Helper()
		s := httptest.NewUnstartedServer(h)
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetHTTP1(wantProto == "HTTP/1.1")
		s.Config.Protocols.SetHTTP2(true)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.EnableHTTP2 = wantProto == "HTTP/2.0"
		start(s)
		defer s.Close()
		askOnce(t, Probe{Health: configs.Health{Path: "/"}, Link: link(s)}, s.Listener.Addr().String(), "")
		if got := *proto.Load(); got != wantProto {
			t.Errorf("it spoke %s, want %s", got, wantProto)
		}
	}
	f(func(*httptest.Server) upstream.Link { return upstream.Link{} }, (*httptest.Server).Start, "HTTP/1.1")
	f(func(*httptest.Server) upstream.Link { return upstream.Link{H2: true} }, (*httptest.Server).Start, "HTTP/2.0")
	f(func(s *httptest.Server) upstream.Link { return linkTo(t, s, "example.com", false) }, (*httptest.Server).StartTLS, "HTTP/1.1")
	f(func(s *httptest.Server) upstream.Link { return linkTo(t, s, "example.com", true) }, (*httptest.Server).StartTLS, "HTTP/2.0")
}

func TestProbe_AStrangersCertificateFails(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	askOnce(t, Probe{Health: configs.Health{Path: "/"}, Link: linkTo(t, s, "other.test", false)}, s.Listener.Addr().String(), "other.test")
}

func TestProbe_AsksByGRPC(t *testing.T) {
	certificates := httptest.NewTLSServer(nil)
	certificates.Close()
	f := func(link upstream.Link, options ...grpc.ServerOption) {
		t.Helper()
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		states := grpchealth.NewServer()
		s := grpc.NewServer(options...)
		healthpb.RegisterHealthServer(s, states)
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = s.Serve(ln)
		}()
		defer func() {
			s.Stop()
			<-done
		}()
		states.SetServingStatus("cart", healthpb.HealthCheckResponse_SERVING)
		states.SetServingStatus("pay", healthpb.HealthCheckResponse_NOT_SERVING)
		ask := func(service, want string) {
			t.Helper()
			askOnce(t, Probe{Health: configs.Health{GRPC: true, Service: service}, Link: link}, ln.Addr().String(), want)
		}
		ask("", "")
		ask("cart", "")
		ask("pay", "NOT_SERVING")
		ask("nobody", `gRPC status "5"`)
	}
	f(upstream.Link{H2: true})
	f(linkTo(t, certificates, "example.com", true), grpc.Creds(credentials.NewTLS(certificates.TLS)))
}

func TestProbe_AnAnswerThatIsNotGRPCFails(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Grpc-Status", r.Host)
		_, _ = rw.Write([]byte("\x00\x00\x00\x00\x63junk"))
	}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	defer s.Close()
	p := Probe{Health: configs.Health{GRPC: true, Host: "0"}, Link: upstream.Link{H2: true}}
	askOnce(t, p, s.Listener.Addr().String(), "none of grpc.health.v1")
	p.Host = "1"
	askOnce(t, p, s.Listener.Addr().String(), `gRPC status "1"`)
}

func TestProber_AnotherProbeKeepsWhatIsKnown(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/good" {
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()
	reports := make(chan Report, 1000)
	p := NewProber(func(r Report) { reports <- r })
	defer p.Close()
	target := Target{Address: s.Listener.Addr().String()}
	c := fast()
	p.Set(map[Target]Probe{target: {Health: c}})
	wait(t, reports, func(r Report) bool { return !r.Up })
	c.Path, c.Interval, c.Rise = "/bad", configs.Duration(time.Hour), 2
	p.Set(map[Target]Probe{target: {Health: c}})
	// It is probed in the new way at once, and still down.
	for range 10 {
		r := wait(t, reports, func(Report) bool { return true })
		if r.Up {
			t.Fatal("another probe makes an endpoint that is down one that is up")
		}
		if r.Failures > 3 && len(reports) == 0 {
			break
		}
	}
	for _, path := range []string{"/good", "/good?again"} {
		c.Path = path
		p.Set(map[Target]Probe{target: {Health: c}})
		wait(t, reports, func(r Report) bool { return r.Failures == 0 })
	}
}
