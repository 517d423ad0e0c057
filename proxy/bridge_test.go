package proxy

import (
	"net"
	"net/http"
	"testing"
)

// h2cUpstream is an endpoint that speaks HTTP/2 without TLS.
func h2cUpstream(t testing.TB, serve http.HandlerFunc) *rawUpstream {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: serve, Protocols: protocols}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(ln)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	return &rawUpstream{t: t, ln: ln}
}

func TestBridge_InterimAnswersPass(t *testing.T) {
	w := newWorld(t, h2cService, h2cUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Link", "</b.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		_, _ = w.Write([]byte("hello"))
	}))
	c := w.dial()
	for range 2 { // the connection to the endpoint is whole after it
		c.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
		c.expect("HTTP/1.1 103 \r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 103 \r\nLink: </b.css>; rel=preload\r\n\r\n")
		if resp, body := c.answer("GET"); resp.StatusCode != 200 || body != "hello" {
			t.Errorf("got %s %q", resp.Status, body)
		}
	}
}

// An endpoint could otherwise fill the memory with what nobody asked for.
func TestBridge_InterimAnswersAreBounded(t *testing.T) {
	w := newWorld(t, h2cService, h2cUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			w.WriteHeader(http.StatusEarlyHints)
		}
	}))
	c := w.dial()
	c.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
	for range 1000 {
		if resp, _ := c.answer("GET"); resp.StatusCode != http.StatusEarlyHints {
			if resp.StatusCode != 502 {
				t.Errorf("ends with %s", resp.Status)
			}
			return
		}
	}
	t.Error("a thousand interim answers passed")
}
