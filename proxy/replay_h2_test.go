package proxy

import (
	"net/http"
	"testing"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
)

// TestReplays_OverHTTP2Endpoints: what a bridge tells of its end decides as what
// a connection does.
func TestReplays_OverHTTP2Endpoints(t *testing.T) {
	good := func() *script {
		return &script{rawUpstream: h2cUpstream(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) })}
	}
	fails := func() *script {
		return &script{rawUpstream: h2cUpstream(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })}
	}
	f := func(name, request string, candidate []*script, stable *script, shield bool, cause stats.Cause) {
		t.Helper()
		w := fleet(t, func(s *route.Service, o *Options) {
			candidateFirst(route.Retry{Attempts: 3}, shield, mutual)(s, o)
			s.Protocol = route.H2C
		}, candidate, []*script{stable})
		funds(w)
		for range 40 { // so that the draw meets each endpoint
			if status, body := w.asks(request); status != 200 || body != "hello" {
				t.Errorf("%s: got %d %q", name, status, body)
			}
		}
		if totals := w.settled(0); totals.Retries[cause] == 0 || totals.Errors() != totals.Retries[cause] {
			t.Errorf("%s: retries %v, reasons %v", name, totals.Retries, totals.Reasons)
		}
	}
	f("refused", get, []*script{refuses(t), good()}, good(), false, stats.ConnectCause)
	f("refused POST", post, []*script{refuses(t), good()}, good(), false, stats.ConnectCause)
	f("shielded", get, []*script{fails()}, good(), true, stats.ShieldCause)
}

func TestMirror_OverHTTP2Endpoints(t *testing.T) {
	plain := func() *script {
		return &script{rawUpstream: h2cUpstream(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Weir-Mirror") == "" {
				_, _ = w.Write([]byte("hello"))
			}
		})}
	}
	w := mirrored(t, 10_000, plain(), plain())
	w.service.Protocol = route.H2C
	if status, body := w.asks(get); status != 200 || body != "hello" {
		t.Errorf("got %d %q", status, body)
	}
	if totals := w.copiesOf(1); totals.Copies[stats.None] != 1 {
		t.Errorf("copies %v", totals.Copies)
	}
}
