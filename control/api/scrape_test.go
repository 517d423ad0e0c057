package api_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/weirproxy/weir/control/api"
)

const someMetrics = "# HELP up Up.\n# TYPE up gauge\nup 1\n"

func TestMetrics_AreCompressedForThoseWhoTakeIt(t *testing.T) {
	b := newBench(t, func(o *api.Options) { o.Metrics = func(w io.Writer) { _, _ = io.WriteString(w, someMetrics) } })
	f := func(accept string, compressed bool) {
		t.Helper()
		var headers []string
		if accept != "" {
			headers = []string{"Accept-Encoding: " + accept}
		}
		r := b.do("GET", "/metrics", "", headers...)
		if r.status != http.StatusOK {
			t.Fatalf("Accept-Encoding %q: %d", accept, r.status)
		}
		body := r.body
		if got := r.header.Get("Content-Encoding") == "gzip"; got != compressed {
			t.Errorf("Accept-Encoding %q: compressed %v", accept, got)
		}
		if compressed {
			zip, err := gzip.NewReader(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(zip)
			if err != nil {
				t.Fatal(err)
			}
			body = string(text)
		}
		if body != someMetrics || r.header.Get("Vary") != "Accept-Encoding" || r.header.Get("Content-Length") != fmt.Sprint(len(r.body)) {
			t.Errorf("Accept-Encoding %q: %q with %v", accept, body, r.header)
		}
	}
	f("", false)
	f("gzip", true)
	f("deflate, GZIP ;q=0.5, identity;q=1", true)
	f("gzip;q=0", false)
	f("gzip; q=0.0, *", false)
	f("gzip;q=x", false)
	f("br, *;q=0.1", true)
	f("*;q=0", false)
	f("identity", false)
	f("gzip", true) // the compressor is used again
}

// However many ask, one page is rendered at a time, and who leaves waits no more.
func TestMetrics_OneAtATime(t *testing.T) {
	var mu sync.Mutex
	now, most := 0, 0
	begun, goOn := make(chan struct{}, 100), make(chan struct{})
	count := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		now += n
		most = max(most, now)
	}
	handler := api.NewStatus(api.Options{Metrics: func(w io.Writer) {
		count(1)
		begun <- struct{}{}
		<-goOn
		_, _ = io.WriteString(w, someMetrics)
		count(-1)
	}})
	var asking sync.WaitGroup
	ask := func(ctx context.Context) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		w.Body = new(bytes.Buffer)
		handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "http://127.0.0.1/metrics", nil))
		return w
	}
	for range 4 {
		asking.Go(func() {
			if w := ask(t.Context()); w.Code != 200 || w.Body.String() != someMetrics {
				t.Errorf("answered %d %q", w.Code, w.Body)
			}
		})
	}
	<-begun
	gone, leave := context.WithCancel(t.Context())
	leave()
	if w := ask(gone); w.Code != http.StatusServiceUnavailable {
		t.Errorf("one that left got %d", w.Code)
	}
	close(goOn)
	asking.Wait()
	if most != 1 {
		t.Errorf("%d pages were rendered at once", most)
	}
}
