package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

// bridge is one request on its way. The exchange owns this end; closing it
// gives the request up.
type bridge struct {
	net.Conn
	cancel context.CancelFunc
	reason atomic.Int32 // stats.Reason of an end without answer; 0: reset
}

// openBridge starts a request to an endpoint that speaks HTTP/2. An exchange sees
// a bridge as a connection with HTTP/1.1; its other end is net/http's transport,
// which shares few connections between many requests.
func openBridge(s *route.Service, e *upstream.Endpoint) *bridge {
	near, far := net.Pipe()
	ctx, cancel := context.WithCancel(upstream.WithConnectTimeout(context.Background(), s.ConnectTimeout))
	c := &bridge{Conn: near, cancel: cancel}
	go func() {
		defer cancel()
		defer far.Close()
		c.carry(ctx, e, far)
	}()
	return c
}

// because is the reason why there was no answer; of a bridge's end only the
// bridge knows.
func (x *exchange) because(reason stats.Reason) stats.Reason {
	if x.up == nil || reason != stats.Reset {
		return reason
	}
	if b, ok := x.up.Conn.(*bridge); ok && b.reason.Load() != 0 {
		return stats.Reason(b.reason.Load())
	}
	return reason
}

// Close gives the request up.
func (c *bridge) Close() error {
	c.cancel()
	return c.Conn.Close()
}

// carry is the far end: it reads the request, which is the exchange's own
// coding, and writes the answer in the same coding. A broken answer ends the
// connection early.
func (c *bridge) carry(ctx context.Context, e *upstream.Endpoint, far net.Conn) {
	req, err := http.ReadRequest(bufio.NewReader(far))
	if err != nil {
		return // the exchange gave up
	}
	uri := req.RequestURI
	req.RequestURI = ""
	req.URL.Scheme, req.URL.Host, req.URL.Path, req.URL.RawPath, req.URL.RawQuery, req.URL.ForceQuery = e.Scheme(), e.Address, "", "", "", false
	// The only form that the transport sends byte for byte, whatever the path.
	req.URL.Opaque = "//" + req.Host + uri
	if _, ok := req.Header["User-Agent"]; !ok {
		req.Header["User-Agent"] = nil // not net/http's own
	}
	if isGRPC(req.Header.Get("Content-Type")) {
		req.Header["Te"] = []string{"trailers"} // gRPC servers insist
	}
	early := &interims{far: far}
	resp, err := e.Transport().RoundTrip(req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: early.pass})))
	early.wait()
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
			c.reason.Store(int32(stats.Connect))
		}
		return
	}
	defer resp.Body.Close()
	_ = writeAnswer(far, resp, req.Method)
}

// writeAnswer writes an HTTP/2 answer as HTTP/1.1, piece by piece as it comes.
func writeAnswer(w io.Writer, resp *http.Response, method string) error {
	b := make([]byte, 0, 33<<10)
	b = strconv.AppendInt(append(b, "HTTP/1.1 "...), int64(resp.StatusCode), 10)
	b = append(append(b, ' '), crlf...)
	for name, values := range resp.Header {
		if name == "Content-Length" {
			continue
		}
		for _, v := range values {
			b = append(append(append(append(b, name...), ": "...), v...), crlf...)
		}
	}
	bodyless := method == http.MethodHead || resp.StatusCode == 204 || resp.StatusCode == 304
	chunked := resp.ContentLength < 0 && !bodyless
	switch {
	case chunked:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case resp.ContentLength >= 0 && resp.StatusCode != 204:
		b = strconv.AppendInt(append(b, "Content-Length: "...), resp.ContentLength, 10)
		b = append(b, crlf...)
	}
	b = append(b, crlf...)
	if _, err := w.Write(b); err != nil || bodyless {
		return err
	}
	for {
		n, err := resp.Body.Read(b[chunkPrefix : cap(b)-len(crlf)][:32<<10])
		if n > 0 {
			piece := b[chunkPrefix : chunkPrefix+n]
			if chunked {
				var line [chunkPrefix]byte
				size := appendChunkSize(line[:0], n)
				start := chunkPrefix - copy(b[chunkPrefix-len(size):chunkPrefix], size)
				piece = append(b[start:chunkPrefix+n], crlf...)
			}
			if _, err := w.Write(piece); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF && chunked:
			_, err = w.Write(appendTrailers(b[:0], resp.Trailer))
			return err
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// appendTrailers appends the end of a chunked body with its trailers.
func appendTrailers(dst []byte, trailer http.Header) []byte {
	dst = append(dst, "0\r\n"...)
	for name, values := range trailer {
		for _, v := range values {
			dst = append(append(append(append(dst, name...), ": "...), v...), crlf...)
		}
	}
	return append(dst, crlf...)
}

// interims pass 1xx answers on, before the final one. They come in the goroutine
// that reads the whole HTTP/2 connection, which must not wait for one client:
// another goroutine writes them.
type interims struct {
	far     net.Conn
	writing sync.WaitGroup

	mu    sync.Mutex
	queue chan []byte // nil: there was none yet
	over  bool        // the final answer is due, or the request was given up
}

// errInterims ends a request whose endpoint gives more of them than are read,
// or that was given up.
var errInterims = errors.New("an interim answer that nobody waits for")

func (i *interims) pass(status int, header textproto.MIMEHeader) error {
	if status == http.StatusContinue {
		return nil // the exchange has given its own
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.over {
		return errInterims
	}
	if i.queue == nil {
		i.queue = make(chan []byte, maxInterim)
		i.writing.Go(func() {
			for head := range i.queue {
				_, _ = i.far.Write(head) // whoever writes the final one finds out
			}
		})
	}
	b := strconv.AppendInt([]byte("HTTP/1.1 "), int64(status), 10)
	b = append(append(b, ' '), crlf...)
	for name, values := range header {
		for _, v := range values {
			b = append(append(append(append(b, name...), ": "...), v...), crlf...)
		}
	}
	select {
	case i.queue <- append(b, crlf...):
		return nil
	default:
		return errInterims
	}
}

// wait waits until all are written.
func (i *interims) wait() {
	i.mu.Lock()
	i.over = true
	if i.queue != nil {
		close(i.queue)
	}
	i.mu.Unlock()
	i.writing.Wait()
}
