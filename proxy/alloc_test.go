package proxy

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/proxy/access"
	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

// loop is a raw upstream that reads a small request and gives a fixed answer
// without allocating.
func loop(t testing.TB, answer []byte) net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				buf := make([]byte, 4096)
				for n := 0; ; {
					m, err := nc.Read(buf[n:])
					if err != nil {
						return
					}
					if n += m; bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
						if _, err := nc.Write(answer); err != nil {
							return
						}
						n = 0
					}
				}
			}()
		}
	}()
	t.Cleanup(func() { ln.Close() })
	return ln
}

// exchangeRaw sends a request and reads an answer that ends with the suffix.
func exchangeRaw(nc net.Conn, request, buf, suffix []byte) error {
	if _, err := nc.Write(request); err != nil {
		return err
	}
	for n := 0; !bytes.HasSuffix(buf[:n], suffix); {
		m, err := nc.Read(buf[n:])
		if err != nil {
			return err
		}
		n += m
	}
	return nil
}

// TestProxy_SmallGetAllocatesNothing counts the mallocs of the whole process,
// client and upstream included, over many proxied requests.
func TestProxy_SmallGetAllocatesNothing(t *testing.T) {
	bar := 0.01
	if raceEnabled {
		bar = 10 // the race detector makes sync.Pool forget at random
	}
	sticky := func(s *route.Service, _ *Options) { stickyByCookie(t, s) }
	for _, tc := range []struct {
		name   string
		change func(*route.Service, *Options)
	}{
		{"plain", nil},
		{"cookie checked", sticky},
		{"cookie issued", sticky},
		{"with a mirror of one in 10 000", func(s *route.Service, _ *Options) {
			s.Mirror = &route.Mirror{Version: &route.Version{Pool: s.Versions[0].Pool, Recorder: stats.NewRecorder(1), Budget: new(upstream.Budget)}, Share: 1}
		}},
		{"with retries, shield and fallback", func(s *route.Service, _ *Options) {
			r := route.Retry{Attempts: 3, Connect: true, Reset: true, Timeout: true, Status: route.Statuses(503), Attempt: time.Second}
			s.SetReplays(r, true, &route.Fallback{Status: route.Statuses(404), Methods: []string{"GET"}, Others: []*route.Version{nil}})
		}},
		{"heads edited", nil},
		{"logged, with ids", func(_ *route.Service, o *Options) {
			o.Access = newAccessLog(t, access.Options{Output: io.Discard})
			o.RequestID, o.Trace = RequestID{Header: "X-Request-Id", Return: true}, Trace{Begin: true}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, tc.change, &rawUpstream{t: t, ln: loop(t, []byte(hello))})
			request := "GET /path?x=1 HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: test\r\nAccept: */*\r\n"
			if tc.name == "cookie checked" {
				cookie, _, _ := strings.Cut(string(w.service.Sticky.AppendCookie(nil, 17, time.Now().Unix(), false)), ";")
				request += "Cookie: other=1; " + cookie + "\r\n"
			}
			if tc.name == "heads edited" {
				e := edits(t, map[string]string{"X-Env": "prod", "Server": "shop"}, map[string]string{"X-Served": "${version} for ${client}"}, "accept")
				w.publish(&route.Route{Service: w.service, Request: e, Response: e})
			}
			got := mallocsPerRequest(t, w.addr, []byte(request+"\r\n"))
			t.Logf("%.4f mallocs per request (bar %g)", got, bar)
			if got > bar {
				t.Errorf("%.4f mallocs per request, want at most %g", got, bar)
			}
		})
	}
}

// stickyByCookie makes a service with a mix of versions sticky.
func stickyByCookie(t testing.TB, s *route.Service) {
	t.Helper()
	s.Sticky = &route.Sticky{By: route.Cookie, Name: "weir_id", Keys: testKeyring(t)}
	s.Mixed = true
}

func mallocsPerRequest(t *testing.T, addr string, request []byte) float64 {
	t.Helper()
	requests := 20_000
	if raceEnabled || testing.Short() {
		requests = 2_000
	}
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	// A collection empties the pools; without one the count is of requests alone.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	buf, end := make([]byte, 4096), []byte("hello")
	var before, after runtime.MemStats
	for i := -1000; i < requests; i++ {
		if i == 0 {
			runtime.ReadMemStats(&before)
		}
		if err := exchangeRaw(nc, request, buf, end); err != nil && err != io.EOF {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(requests)
}

// BenchmarkProxy_SmallGet is one keep-alive client, the proxy and an upstream
// in one process. mallocs/req is of the process; the bar is 0.01.
func BenchmarkProxy_SmallGet(b *testing.B) {
	w := newWorld(b, nil, &rawUpstream{t: b, ln: loop(b, []byte(hello))})
	nc, err := net.Dial("tcp", w.addr)
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	request := []byte("GET /path?x=1 HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n")
	buf, end := make([]byte, 4096), []byte("hello")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		if err := exchangeRaw(nc, request, buf, end); err != nil {
			b.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N), "mallocs/req")
}
