package proxy

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
)

// pattern is a reader of n bytes that do not repeat within a buffer.
type pattern struct {
	n, at int64
	sum   hash.Hash
}

func (p *pattern) Read(b []byte) (int, error) {
	if p.at == p.n {
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), p.n-p.at)]
	for i := range b {
		at := p.at + int64(i)
		b[i] = byte(at) ^ byte(at>>8) ^ byte(at>>16)
	}
	p.at += int64(len(b))
	p.sum.Write(b)
	return len(b), nil
}

func TestStream_LargeBodiesPassWholeInBoundedMemory(t *testing.T) {
	size := int64(100 << 20)
	if raceEnabled {
		size = 20 << 20
	}
	bar := uint64(8 << 20)
	for _, chunked := range []bool{false, true} {
		t.Run(fmt.Sprintf("chunked %v", chunked), func(t *testing.T) {
			// The upstream echoes what it gets while it gets it.
			u := newUpstream(t, func(c *upConn) {
				req, err := http.ReadRequest(c.br)
				if err != nil {
					return
				}
				resp := &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Body: req.Body, ContentLength: req.ContentLength}
				if req.ContentLength < 0 {
					resp.TransferEncoding = []string{"chunked"}
				}
				_ = resp.Write(c.Conn)
			})
			w := newWorld(t, nil, u)
			sent := &pattern{n: size, sum: sha256.New()}
			req, _ := http.NewRequest("POST", "http://"+w.addr+"/", sent)
			if !chunked {
				req.ContentLength = size
			}
			var peak atomic.Uint64
			stop := make(chan struct{})
			stopped := make(chan struct{})
			var before runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			go func() {
				defer close(stopped)
				var m runtime.MemStats
				for {
					select {
					case <-stop:
						return
					case <-time.After(20 * time.Millisecond):
						runtime.ReadMemStats(&m)
						peak.Store(max(peak.Load(), m.HeapInuse))
					}
				}
			}()
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			got := sha256.New()
			n, err := io.Copy(got, resp.Body)
			resp.Body.Close()
			close(stop)
			<-stopped
			if err != nil || n != size || string(got.Sum(nil)) != string(sent.sum.Sum(nil)) {
				t.Errorf("%d bytes came back (%v), want the %d sent", n, err, size)
			}
			grown := peak.Load() - min(peak.Load(), before.HeapInuse)
			t.Logf("heap grew by at most %d KiB (bar %d KiB)", grown>>10, bar>>10)
			if grown > bar {
				t.Errorf("the heap grew by %d KiB, want at most %d", grown>>10, bar>>10)
			}
		})
	}
}

func TestStream_SlowReaderHoldsTheUpstreamBack(t *testing.T) {
	var written atomic.Int64
	u := newUpstream(t, func(c *upConn) {
		c.request()
		c.write(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", 1<<30))
		block := make([]byte, 64<<10)
		for {
			n, err := c.Write(block)
			if written.Add(int64(n)); err != nil {
				return
			}
		}
	})
	w := newWorld(t, nil, u)
	c := w.dial()
	c.send(get)
	c.expect("HTTP/1.1 200 OK\r\n")
	last := int64(-1)
	waitUntil(t, "the upstream is blocked", func() bool {
		time.Sleep(50 * time.Millisecond)
		n := written.Load()
		done := n == last
		last = n
		return done
	})
	if last > 64<<20 {
		t.Errorf("%d bytes were taken for a client that reads nothing", last)
	}
	c.Close()
	w.totals(0)
}

func TestStream_ChunkedUploadPassesAsItComes(t *testing.T) {
	pieces := make(chan string, 100)
	u := newUpstream(t, func(c *upConn) {
		head := c.head()
		if !strings.Contains(head, "\r\nTransfer-Encoding: chunked\r\n") || strings.Contains(head, "Content-Length") {
			t.Errorf("upstream saw %q", head)
		}
		for range 2 {
			b := make([]byte, len("5\r\nhello\r\n"))
			_, _ = io.ReadFull(c.br, b)
			pieces <- string(b)
		}
		b := make([]byte, len("0\r\n\r\n"))
		_, _ = io.ReadFull(c.br, b)
		pieces <- string(b)
		c.write(hello)
		c.head()
	})
	c := newWorld(t, nil, u).dial()
	c.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
	for range 2 {
		c.send("5;ext=1\r\nhello\r\n")
		if got := <-pieces; got != "5\r\nhello\r\n" {
			t.Errorf("upstream saw %q", got)
		}
	}
	c.send("0\r\n\r\n")
	if got := <-pieces; got != "0\r\n\r\n" {
		t.Errorf("upstream saw %q", got)
	}
	c.expect(hello)
}

func TestStream_EarlyAnswerEndsBothConnections(t *testing.T) {
	u := newUpstream(t, func(c *upConn) {
		c.head()
		c.write("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
		_, _ = io.Copy(io.Discard, c.br)
	})
	for _, framing := range []string{"Content-Length: 1000000", "Transfer-Encoding: chunked"} {
		w := newWorld(t, nil, u)
		c := w.dial()
		c.send("POST / HTTP/1.1\r\nHost: h\r\n" + framing + "\r\n\r\n")
		if framing[0] == 'C' {
			c.send(strings.Repeat("x", 10_000))
		}
		c.expect("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
		c.expectEnd()
		if n := w.service.Versions[0].Pool.Endpoints()[0].Connections(); n != 0 {
			t.Errorf("%d upstream connections are kept, want none", n)
		}
		if totals := w.totals(0); totals.Codes[413] != 1 || totals.Errors() != 0 {
			t.Errorf("reasons %v", totals.Reasons)
		}
	}
}

func TestUpload_AnswerWaitsForTheLastPieceOnly(t *testing.T) {
	u := &upload{done: make(chan struct{})}
	if u.headArrived() {
		t.Error("an upload that goes on is complete")
	}
	u.lastPiece()
	go func() {
		time.Sleep(5 * time.Millisecond)
		u.mu.Lock()
		u.complete = true
		u.mu.Unlock()
		close(u.done)
	}()
	if !u.headArrived() {
		t.Error("the last piece was not waited for")
	}
}

func TestStream_BadUploadsAreTheClientsFault(t *testing.T) {
	f := func(name, body string, status int, word string) {
		t.Run(name, func(t *testing.T) {
			whole := make(chan string, 1)
			u := newUpstream(t, func(c *upConn) { whole <- c.request() })
			w := newWorld(t, func(s *route.Service, o *Options) {
				s.MaxBody, o.BodyTimeout = 100_000, 100*time.Millisecond
			}, u)
			c := w.dial()
			c.send("POST / HTTP/1.1\r\nHost: h\r\n" + body)
			resp, _ := c.answer("POST")
			if resp.StatusCode != status || resp.Header.Get("X-Weir-Reason") != word || !resp.Close {
				t.Errorf("got %d %q, want %d %q and the end", resp.StatusCode, resp.Header.Get("X-Weir-Reason"), status, word)
			}
			c.expectEnd()
			if totals := w.totals(0); totals.Errors() != 0 {
				t.Errorf("reasons %v", totals.Reasons)
			}
			u.close()
			select {
			case got := <-whole:
				if got != "" {
					t.Error("the upstream took what it got for a whole request")
				}
			default:
			}
		})
	}
	chunked := "Transfer-Encoding: chunked\r\n\r\n"
	f("bad size", chunked+"zz\r\n", 400, "bad_body")
	f("data too long", chunked+"3\r\nabcdef\r\n0\r\n\r\n", 400, "bad_body")
	f("too large by length", "Content-Length: 100001\r\n\r\nx", 413, "body_too_large")
	f("too large in chunks", chunked+strings.Repeat("8000\r\n"+strings.Repeat("x", 0x8000)+"\r\n", 4), 413, "body_too_large")
	f("silent, chunked", chunked+"3\r\n", 408, "body_timeout")
	f("silent, large", "Content-Length: 90000\r\n\r\n"+strings.Repeat("x", 10_000), 408, "body_timeout")
	f("silent, small", "Content-Length: 50\r\n\r\nx", 408, "body_timeout")
}

func TestStream_ClientThatLeavesInItsUploadIsNobodysError(t *testing.T) {
	whole := make(chan string, 1)
	w := newWorld(t, nil, newUpstream(t, func(c *upConn) { whole <- c.request() }))
	c := w.dial()
	c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 90000\r\n\r\n" + strings.Repeat("x", 20_000))
	waitUntil(t, "the request is in flight", func() bool { return w.service.Versions[0].Pool.Endpoints()[0].InFlight() == 1 })
	c.Close()
	if got := <-whole; got != "" {
		t.Errorf("the upstream took %d bytes for a whole request", len(got))
	}
	if totals := w.totals(0); totals.Errors() != 0 || totals.Reasons[stats.ClientLeft] != 1 {
		t.Errorf("reasons %v", totals.Reasons)
	}
}

func TestStream_ContinueIsGivenAtOnceAndNotPassedOn(t *testing.T) {
	u, seen := recording(t, hello)
	c := newWorld(t, nil, u).dial()
	for _, body := range []string{"Content-Length: 3\r\n\r\n|abc", "Transfer-Encoding: chunked\r\n\r\n|3\r\nabc\r\n0\r\n\r\n"} {
		head, body, _ := strings.Cut(body, "|")
		c.send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n" + head)
		c.expect("HTTP/1.1 100 Continue\r\n\r\n")
		c.send(body)
		c.expect(hello)
		if got := <-seen; strings.Contains(got, "Expect") || !strings.HasSuffix(got, "abc") {
			t.Errorf("upstream saw %q", got)
		}
	}
	c.send("POST / HTTP/1.1\r\nHost: h\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
	if resp, _ := c.answer("POST"); resp.StatusCode != 400 {
		t.Errorf("a bad head got %d", resp.StatusCode)
	}
	c.expectEnd()
}

func TestStream_UnreadBodyOfAnOwnAnswerIsNoRequest(t *testing.T) {
	u, seen := recording(t, hello)
	w := newWorld(t, nil, u)
	table, err := route.NewTable(1, []route.Rule{{Host: "other.test", Path: "/", Route: &route.Route{Service: w.service}}})
	if err != nil {
		t.Fatal(err)
	}
	w.tables.Store(table)
	smuggled := "GET /x HTTP/1.1\r\nHost: other.test\r\n\r\n"
	c := w.dial()
	c.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(smuggled), smuggled))
	if resp, _ := c.answer("POST"); resp.StatusCode != 404 || resp.Header.Get("X-Weir-Reason") != "no_route" {
		t.Errorf("status %d", resp.StatusCode)
	}
	c.expectEnd()
	if len(seen) != 0 {
		t.Errorf("upstream saw %q", <-seen)
	}
}
