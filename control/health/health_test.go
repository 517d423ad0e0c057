package health

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirproxy/weir/configs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func fast() configs.Health {
	return configs.Health{
		Path: "/healthz", Fall: 3, Rise: 2,
		Interval: configs.Duration(10 * time.Millisecond), Timeout: configs.Duration(time.Second),
	}
}

func TestState_FallsAfterFallFailuresAndRisesAfterRiseSuccesses(t *testing.T) {
	f := func(probes, want string) {
		t.Helper()
		s := state{up: true}
		var got strings.Builder
		for _, p := range probes {
			up, _ := s.observe(p == '+', fast())
			if up {
				got.WriteByte('U')
			} else {
				got.WriteByte('d')
			}
		}
		if got.String() != want {
			t.Fatalf("probes %s: up %s, want %s", probes, got.String(), want)
		}
	}
	f("+++", "UUU")
	f("--+--", "UUUUU")
	f("---", "UUd")
	f("---+-++", "UUddddU")
	f("-----++-", "UUddddUU")
}

// wait reads reports until one satisfies ok, and fails after five seconds.
func wait(t *testing.T, reports <-chan Report, ok func(Report) bool) Report {
	t.Helper()
	deadline := time.After(5 * time.Second)
	for {
		select {
		case r := <-reports:
			if ok(r) {
				return r
			}
		case <-deadline:
			t.Fatal("no such report within 5 s")
		}
	}
}

func TestProber_ReportsDownAndUpAgain(t *testing.T) {
	var broken atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" || broken.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()
	reports := make(chan Report, 1000)
	p := NewProber(func(r Report) { reports <- r })
	defer p.Close()
	target := Target{Service: "shop", Version: "green", Address: s.Listener.Addr().String()}
	p.Set(map[Target]Probe{target: {Health: fast()}})
	wait(t, reports, func(r Report) bool { return r.Up && r.Failures == 0 && r.Target == target })

	broken.Store(true)
	r := wait(t, reports, func(r Report) bool { return !r.Up })
	if !r.Changed || r.Failures != 3 || !strings.Contains(r.Reason, "503") {
		t.Fatalf("first report of down: %+v", r)
	}
	broken.Store(false)
	r = wait(t, reports, func(r Report) bool { return r.Up })
	if !r.Changed || r.Failures != 0 {
		t.Fatalf("first report of up: %+v", r)
	}
}

func TestProber_RefusedConnectionAndHangAreFailures(t *testing.T) {
	hang := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	defer s.Close()
	defer close(hang)
	gone := httptest.NewServer(nil)
	gone.Close()
	reports := make(chan Report, 1000)
	p := NewProber(func(r Report) { reports <- r })
	defer p.Close()
	c := fast()
	c.Timeout = configs.Duration(20 * time.Millisecond)
	p.Set(map[Target]Probe{
		{Address: s.Listener.Addr().String()}:    {Health: c},
		{Address: gone.Listener.Addr().String()}: {Health: c},
	})
	wait(t, reports, func(r Report) bool { return r.Address == s.Listener.Addr().String() && !r.Up })
	wait(t, reports, func(r Report) bool { return r.Address == gone.Listener.Addr().String() && !r.Up })
}

func TestProber_SetKeepsUnchangedLoops(t *testing.T) {
	var probes atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { probes.Add(1) }))
	defer s.Close()
	p := NewProber(func(Report) {})
	defer p.Close()
	c := fast()
	c.Interval = configs.Duration(time.Hour)
	targets := map[Target]Probe{{Address: s.Listener.Addr().String()}: {Health: c}}
	p.Set(targets)
	for probes.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	for range 10 {
		p.Set(targets)
	}
	time.Sleep(50 * time.Millisecond)
	if n := probes.Load(); n != 1 {
		t.Fatalf("the target was probed %d times, want once: a Set restarted its loop", n)
	}
}
