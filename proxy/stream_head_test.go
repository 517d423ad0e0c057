package proxy

import (
	"bytes"
	"net/http"
	"testing"
)

// FuzzStreamHead: what a stream asks for in HTTP/2 is exactly what the gate
// reads of the HTTP/1.1 that it is turned into, or it is refused.
func FuzzStreamHead(f *testing.F) {
	f.Add("GET", "/a%2Fb?q", "shop.example.com", "X-A", "b", int64(0))
	f.Add("POST", "/", "shop", "Content-Length", "5", int64(5))
	f.Add("GET / HTTP/1.1\r\nHost: b\r\n\r\nGET", "/", "shop", "X-A", "b", int64(0))
	f.Add("GET", "/ HTTP/1.1\r\nX: y", "shop\r\nX: y", "X-A", "b\r\nTransfer-Encoding: chunked", int64(-1))
	f.Add("GET", "/", "shop", "X-A: b\r\nX-C", "d", int64(-1))
	f.Add("GET", "/", "shop", "Transfer-Encoding", "chunked", int64(-1))
	f.Add("GET", "/", "shop", "Connection", "X-Forwarded-For", int64(0))
	f.Add("GET", "*", "shop", "Host", "shop", int64(0))
	server := &Server{options: Options{}.withDefaults()}
	f.Fuzz(func(t *testing.T, method, target, host, name, value string, length int64) {
		r := &http.Request{Method: method, RequestURI: target, Host: host, Header: http.Header{name: {value}}, ContentLength: max(length, -1)}
		if length != 0 {
			r.Body = new(bytesBody)
		}
		s := &stream{r: r}
		s.client.server = server
		if s.appendHead() != Accepted {
			return
		}
		var h requestHead
		if h.parseHead(s.request) != Accepted {
			return
		}
		if string(h.method) != method || string(h.target) != target || string(h.host) != host {
			t.Fatalf("%q became %s %s of %s", s.request, h.method, h.target, h.host)
		}
		fields := 2 // Host and the one
		if name == "Host" {
			fields = 1
		}
		if r.ContentLength < 0 {
			fields++
		}
		if h.n != fields {
			t.Fatalf("%q became %d fields, want %d", s.request, h.n, fields)
		}
		if got := h.field(name); name != "Host" && !bytes.Equal(got, trim([]byte(value))) {
			t.Fatalf("%q: %q became %q", s.request, value, got)
		}
		if (r.ContentLength < 0) != (h.length < 0) {
			t.Fatalf("%q: length %d became %d", s.request, r.ContentLength, h.length)
		}
	})
}

type bytesBody struct{ bytes.Reader }

func (*bytesBody) Close() error { return nil }
