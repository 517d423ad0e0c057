package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/weirproxy/weir/proxy/route"
)

func TestCheck_AcceptsWhatCanBeReadInOneWay(t *testing.T) {
	f := func(head string) {
		t.Helper()
		if r := Check([]byte(head)); r != Accepted {
			t.Errorf("%q: %q", head, r)
		}
	}
	f("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	f("GET / HTTP/1.0\r\nHost: a\r\n\r\n")
	f("GET http://a.test:80/x?y HTTP/1.1\r\nHost: b\r\n\r\n")
	f("GET https://a.test HTTP/1.1\r\nHost: b\r\n\r\n")
	f("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
	f("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\tCHUNKED \r\n\r\n")
	f("POST / HTTP/1.1\r\nHost: [::1]:65535\r\nContent-Length: 010\r\n\r\n")
	f("GET /a..b/...//c/.d?../ HTTP/1.1\r\nHost: a_b.c-d\r\n\r\n")
	f("GET /%2F%zz%4 HTTP/1.1\r\nHost: a\r\nX:\r\nY: \xe9\t\"\r\n\r\n")
	f("GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-A, ,\r\nConnection: TE\r\n\r\n")
	f("GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A: b\r\n", 99) + "\r\n")
}

func TestCheck_RefusesWhatTwoParsersCouldReadDifferently(t *testing.T) {
	f := func(head string, want Rejection) {
		t.Helper()
		if r := Check([]byte(head)); r != want {
			t.Errorf("%q: got %q, want %q", head, r, want)
		}
	}
	field := func(fields string, want Rejection) {
		t.Helper()
		f("POST / HTTP/1.1\r\nHost: edge.test\r\n"+fields+"\r\n\r\n", want)
	}
	field("Content-Length: 5\r\nContent-Length: 5", BadFraming)
	field("Content-Length: 5, 5", BadFraming)
	field("Content-Length: +5", BadFraming)
	field("Content-Length: ", BadFraming)
	field("Content-Length: 9223372036854775808", BadFraming)
	field("Content-Length: 5\r\nTransfer-Encoding: chunked", BadFraming)
	field("Transfer-Encoding: chunked\r\nContent-Length: 5", BadFraming)
	field("Transfer-Encoding: identity", BadFraming)
	field("Transfer-Encoding: gzip, chunked", BadFraming)
	field("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", BadFraming)
	field("Transfer-Encoding: chunked\x85", BadFraming)
	field("Transfer-Encoding: \x0bchunked", BadField)
	field("Transfer-Encoding : chunked", BadField)
	field("X-A: b\r\n c", BadField)
	field("X-A: b\nX-B: c", BadField)
	field("X-A: b\rc", BadField)
	field("X-A: b\x00", BadField)
	field("X A: b", BadField)
	field(": b", BadField)
	field("JustText", BadField)
	field("X\x7f: v", BadField)
	field("Connection: close, Host", BadConnection)
	field("Connection: content-length", BadConnection)
	field("Connection: X-Forwarded-For", BadConnection)
	field("Connection: a b", BadConnection)
	field("Expect: y 100-continue", BadExpect)
	field(strings.Repeat("A: b\r\n", 100)+"B: c", TooManyFields)
	f("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", BadFraming)

	line := func(line string, want Rejection) {
		t.Helper()
		f(line+"\r\nHost: edge.test\r\n\r\n", want)
	}
	line("GET / HTTP/2.0", BadVersion)
	line("GET / HTTP/1.2", BadVersion)
	line("GET / http/1.1", BadVersion)
	line("CONNECT a:1 HTTP/1.1", BadMethod)
	line("TRACE / HTTP/1.1", BadMethod)
	line("G(T / HTTP/1.1", BadRequestLine)
	line("G\x00T / HTTP/1.1", BadRequestLine)
	line("GET / HTTP/1.1 ", BadRequestLine)
	line("GET  / HTTP/1.1", BadTarget)
	line("GET c HTTP/1.1", BadTarget)
	line("GET * HTTP/1.1", BadTarget)
	line("GET file:///etc HTTP/1.1", BadTarget)
	line("GET http://u:p@a/ HTTP/1.1", BadHost)
	line("GET http:// HTTP/1.1", BadTarget)
	line("GET /a#b HTTP/1.1", BadTarget)
	line("GET /?a#b HTTP/1.1", BadTarget)
	line("GET /a\x00 HTTP/1.1", BadTarget)
	line("GET /a%00 HTTP/1.1", BadTarget)
	line("GET /a%0dx HTTP/1.1", BadTarget)
	line("GET /a%5cx HTTP/1.1", BadTarget)
	line("GET /a\\x HTTP/1.1", BadTarget)
	line("GET /a/../x HTTP/1.1", BadTarget)
	line("GET /a/. HTTP/1.1", BadTarget)
	line("GET /a/%2E./x HTTP/1.1", BadTarget)
	line("GET /", BadRequestLine)

	host := func(fields string) {
		t.Helper()
		f("GET / HTTP/1.1\r\n"+fields+"\r\n", BadHost)
	}
	host("X: y\r\n")
	host("Host: a\r\nHost: a\r\n")
	for _, h := range []string{"", "a b", "u@a", "a/x", "a:1:2", "a:x", "a:65536", "[::1", "[::1]x", "a%2e", "a\\b"} {
		host("Host: " + h + "\r\n")
	}
}

func TestCheck_AllocatesNothing(t *testing.T) {
	head := []byte("GET /a/b?c HTTP/1.1\r\nHost: a\r\nConnection: x-a\r\nX-A: b\r\nCookie: a=b\r\n\r\n")
	if n := testing.AllocsPerRun(100, func() { Check(head) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzCheck holds what is forwarded to the gate's own rules and to another
// parser's reading.
func FuzzCheck(f *testing.F) {
	f.Add([]byte("GET /a?b HTTP/1.1\r\nHost: a\r\nConnection: x-a\r\nX-A: b\r\n\r\n"))
	f.Add([]byte("POST http://a:1/%2F HTTP/1.1\r\nHost: b\r\nContent-Length: 05\r\nX-Forwarded-For: a\r\n\r\n"))
	f.Add([]byte("PUT / HTTP/1.0\r\nhOST:\t[::1] \r\nConnection: keep-alive\r\nExpect: 100-Continue\r\n\r\n"))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n"))
	x := newExchange(&Handler{})
	x.service, x.route = &route.Service{}, &route.Route{}
	x.conn = &clientConn{address: []byte("127.0.0.1"), port: []byte("80"), trusted: true}
	f.Fuzz(func(t *testing.T, head []byte) {
		if Check(head) != Accepted {
			return
		}
		line, block, _ := bytes.Cut(head, crlf)
		part := bytes.Split(line, []byte(" "))
		if r := x.head.parse(part[0], part[1], part[2], block); r != Accepted {
			t.Fatalf("parse and Check differ: %q", r)
		}
		out := x.appendRequest(nil)
		if r := Check(out); r != Accepted && x.head.n < maxFields-4 {
			t.Fatalf("%q became %q, which the gate refuses: %q", head, out, r)
		}
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(out)))
		if err != nil && strings.Contains(err.Error(), "invalid URL escape") {
			return // paths pass as they came
		}
		if err != nil {
			t.Fatalf("%q became %q: %v", head, out, err)
		}
		if req.Host != string(x.head.host) || req.Method != string(x.head.method) || req.ContentLength != max(x.head.length, -1) {
			t.Fatalf("%q became %q, read as %s %s with %d bytes", head, out, req.Method, req.Host, req.ContentLength)
		}
		for _, name := range []string{"Connection", "Keep-Alive", "Te", "Upgrade", "Expect", "Proxy-Connection"} {
			if req.Header.Get(name) != "" {
				t.Fatalf("%q became %q, which still has %s", head, out, name)
			}
		}
	})
}

func TestResponseHead_FoldsNothingAndFindsTheFraming(t *testing.T) {
	f := func(head string, toHead bool, length int64, close bool) {
		t.Helper()
		var h responseHead
		if !h.parse([]byte(head+"\r\n"), toHead) {
			t.Errorf("%q is refused", head)
		} else if h.length != length || h.close != close {
			t.Errorf("%q: length %d, close %v, want %d, %v", head, h.length, h.close, length, close)
		}
	}
	f("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", false, 5, false)
	f("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n", false, 5, false)
	f("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", true, 0, false)
	f("HTTP/1.1 200 \r\nTransfer-Encoding: Chunked\r\n", false, lengthChunked, false)
	f("HTTP/1.1 200\r\n", false, lengthToEnd, true)
	f("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n", false, 5, true)
	f("HTTP/1.1 304 x\r\nContent-Length: 5\r\nConnection: close\r\n", false, 0, true)

	bad := func(head string) {
		t.Helper()
		var h responseHead
		if h.parse([]byte(head+"\r\n"), false) {
			t.Errorf("%q is taken", head)
		}
	}
	bad("HTTP/1.1 20 OK\r\n")
	bad("HTTP/1.1 600 OK\r\n")
	bad("HTTP/2 200 OK\r\n")
	bad("HTTP/1.1 200 O\x00K\r\n")
	bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n")
	bad("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n")
	bad("HTTP/1.1 200 OK\r\nConnection: Content-Length\r\nContent-Length: 1\r\n")
	bad("HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", maxResponseFields+1))
}

func FuzzResponseHead(f *testing.F) {
	f.Add([]byte(hello))
	f.Add([]byte("HTTP/1.1 301 \r\nLocation: x\r\nConnection: close, x\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, ok := headEnd(b, 0)
		for i := range b { // found at the same place however the bytes arrive
			m, fine := headEnd(b[:i], max(i-1, 0))
			if fine && m != 0 && m != n {
				t.Fatalf("head ends at %d of %d bytes, then at %d", m, i, n)
			}
			if !fine || m != 0 {
				break
			}
		}
		var h, again responseHead
		if !ok || n == 0 || !h.parse(b[:n], false) {
			return
		}
		out := append(h.appendHead(nil), crlf...)
		if !again.parse(out, false) || again.status != h.status {
			t.Fatalf("%q became %q", b[:n], out)
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(out)), nil)
		if err != nil || resp.StatusCode != h.status {
			t.Fatalf("%q became %q: %v", b[:n], out, err)
		}
	})
}

func TestRequestHead_CookieIsReadFromRawBytes(t *testing.T) {
	f := func(cookies, want string) {
		t.Helper()
		var h requestHead
		block := fmt.Sprintf("Host: a\r\n%s\r\n", cookies)
		if r := h.parse([]byte("GET"), slash, []byte("HTTP/1.1"), []byte(block)); r != Accepted {
			t.Fatal(r)
		}
		if got := string(h.cookie("id")); got != want {
			t.Errorf("%q: got %q, want %q", cookies, got, want)
		}
	}
	f("", "")
	f("Cookie: id=1\r\n", "1")
	f("Cookie: a=b;id=1; c\r\n", "1")
	f("Cookie: xid=2; Id=3; id=1\r\n", "1")
	f("Cookie: a=b\r\ncookie: id=v1.a=b\r\n", "v1.a=b")
}
