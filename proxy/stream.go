package proxy

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// stream is one HTTP/2 request in the clothes of a connection that carries one
// HTTP/1.1 request: the exchange reads and writes it like any other, so both
// protocols share the gate, the decisions, the forwarder and their limits.
//
// What goes up is written from what net/http decoded and passes the gate like
// bytes from a client; what comes down is the exchange's own coding, taken
// apart here.
type stream struct {
	client  clientConn
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController

	request []byte       // the head as HTTP/1.1
	grpc    bool         // a call of gRPC
	writeBy time.Time    // when the stream's write deadline passes
	chunked bool         // the request has a body of unknown length
	sent    bool         // the request's body was read to its end
	answer  responseHead // the head being answered with
	state   streamState
	left    int64 // of a body with a length
	chunks  chunkReader
}

type streamState uint8

const (
	streamHead streamState = iota // the final head is due
	streamBody
	streamDone
)

// serveStream is one request of an HTTP/2 connection.
func (h *Handler) serveStream(w http.ResponseWriter, r *http.Request) {
	hc := r.Context().Value(h2ConnKey{}).(*h2Conn)
	hc.streams.Add(1)
	s := &stream{w: w, r: r, control: http.NewResponseController(w)}
	s.writeBy = time.Now().Add(hc.server.options.BodyTimeout) // net/http sets it
	s.grpc = isGRPC(r.Header.Get("Content-Type"))
	s.client = clientConn{
		Conn: s, h2: true, server: hc.server, shard: hc.shard,
		peer: hc.peer, address: hc.address, port: hc.port, trusted: hc.trusted, secure: hc.secure,
	}
	defer s.client.giveBack()
	if r := s.appendHead(); r != Accepted {
		h.refuse(&s.client, r)
		return
	}
	h.serve(&s.client, s.request)
	if s.gone() {
		hc.reset(h) // even if an answer was ready: nobody waited for it
	}
	if s.state == streamDone {
		return
	}
	panic(http.ErrAbortHandler) // resets the stream, so that no part passes for the whole
}

// appendHead writes the request's head as HTTP/1.1. It refuses what HTTP/2 can
// say and HTTP/1.1 cannot, and what says one thing twice in different ways.
func (s *stream) appendHead() Rejection {
	r := s.r
	switch {
	case !isTokens([]byte(r.Method)):
		return BadMethod
	case !isLine(r.RequestURI) || r.RequestURI[0] != '/' && r.RequestURI != "*":
		return BadTarget
	case !isLine(r.Host):
		return BadHost
	}
	b := make([]byte, 0, 1<<10)
	b = append(append(b, r.Method...), ' ')
	b = append(append(b, r.RequestURI...), " HTTP/1.1\r\nHost: "...)
	b = append(append(b, r.Host...), crlf...)
	for name, values := range r.Header {
		if name == "Host" {
			if len(values) > 1 || values[0] != r.Host {
				return BadHost
			}
			continue
		}
		// net/http lets none of these through; that is not left to chance.
		kind := classify([]byte(name))
		if !isTokens([]byte(name)) || kind == fieldConnection || kind == fieldTransferEncoding {
			return BadField
		}
		for _, v := range values {
			if !isValue(v) {
				return BadField
			}
			b = append(append(b, name...), ':', ' ')
			b = append(append(b, v...), crlf...)
		}
	}
	open := r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0
	length := r.Header["Content-Length"]
	switch {
	case r.ContentLength < 0:
		s.chunked = true
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case !open && len(length) > 0 && length[0] != "0":
		return BadFraming // declared, and then ended without
	}
	if len(b) > s.client.server.options.MaxHead {
		return HeadTooLarge
	}
	s.request = append(b, crlf...)
	return Accepted
}

// isLine reports whether a part of a request line can be written in one.
func isLine(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return s != ""
}

// isValue reports whether a field value can be written in one line.
func isValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// gone reports whether the client gave the request up.
func (s *stream) gone() bool { return s.r.Context().Err() != nil }

// streamChunk is the room for the line before and the line end after a chunk:
// four digits tell as much as a buffer holds.
const (
	streamChunkLine = len("ffff\r\n")
	streamChunkMax  = 0xffff
)

// Read returns the request's body in the coding that its head announced.
func (s *stream) Read(p []byte) (int, error) {
	if !s.chunked {
		return s.r.Body.Read(p)
	}
	if s.sent {
		return 0, io.EOF
	}
	if len(p) <= streamChunkLine+len(crlf) {
		return 0, io.ErrShortBuffer
	}
	room := p[streamChunkLine : len(p)-len(crlf)]
	n, err := s.r.Body.Read(room[:min(len(room), streamChunkMax)])
	total := 0
	if n > 0 {
		const digits = "0123456789abcdef"
		copy(p, []byte{digits[n>>12], digits[n>>8&15], digits[n>>4&15], digits[n&15], '\r', '\n'})
		total = streamChunkLine + n + copy(p[streamChunkLine+n:], crlf)
	}
	if !errors.Is(err, io.EOF) {
		return total, err
	}
	if len(p)-total < len(lastChunk) {
		return total, nil // the next Read tells the end
	}
	s.sent = true
	return total + copy(p[total:], lastChunk), nil
}

// Write takes answers apart: each head comes in one piece, with or without
// body behind it.
func (s *stream) Write(p []byte) (int, error) {
	b := p
	if s.state == streamHead {
		n, ok := headEnd(b, 0)
		if !ok || n == 0 || !s.answer.parse(b[:n], s.r.Method == http.MethodHead) {
			return 0, errors.New("BUG: a head that cannot be read")
		}
		b = b[n:]
		if s.answer.status == 100 {
			return len(p), nil // net/http's to say
		}
		s.writeHead()
		if s.answer.status < 200 {
			return len(p), nil
		}
	}
	if err := s.writeBody(b); err != nil {
		return 0, err
	}
	if s.state == streamDone {
		return len(p), nil // net/http sends what is left with the end of the stream
	}
	return len(p), s.control.Flush()
}

// writeHead passes the head on. Fields about the connection stay here, but for
// the end of the connection while draining: net/http makes it a GOAWAY.
func (s *stream) writeHead() {
	a, header := &s.answer, s.w.Header()
	clear(header)
	// Present but empty: net/http is not to guess.
	header["Content-Type"] = nil
	for i := range a.n {
		f := &a.fields[i]
		switch f.kind {
		case fieldHop, fieldContentLength, fieldTransferEncoding:
		default:
			name := http.CanonicalHeaderKey(string(f.name))
			header[name] = append(header[name], string(f.value))
		}
	}
	if a.declared >= 0 && !s.grpc {
		header["Content-Length"] = []string{strconv.FormatInt(a.declared, 10)}
	}
	if a.status >= 200 {
		if s.client.server.Draining() {
			header["Connection"] = []string{"close"}
		}
		s.state, s.left = streamBody, a.length
		if a.length == 0 {
			s.state = streamDone
		}
	}
	if word := header["X-Weir-Reason"]; s.grpc && word != nil {
		// An answer of weir's own, as a gRPC client wants to hear it.
		clear(header)
		header["Content-Type"] = []string{"application/grpc"}
		header["Grpc-Status"] = []string{strconv.Itoa(grpcOf(a.status))}
		header["Grpc-Message"], header["X-Weir-Reason"] = word, word
		s.state, a.status = streamDone, http.StatusOK
	}
	s.w.WriteHeader(a.status)
}

func (s *stream) writeBody(b []byte) error {
	if s.state != streamBody || len(b) == 0 {
		return nil
	}
	if s.left == lengthChunked {
		return s.writeChunks(b)
	}
	if s.left -= int64(len(b)); s.left == 0 {
		s.state = streamDone
	}
	_, err := s.w.Write(b)
	return err
}

// writeChunks passes the data on, and the trailers after it.
func (s *stream) writeChunks(b []byte) error {
	for len(b) > 0 {
		data, n := s.chunks.next(b)
		b = b[n:]
		if s.chunks.broken() {
			return errChunks
		}
		if len(data) > 0 {
			if _, err := s.w.Write(data); err != nil {
				return err
			}
		}
	}
	if s.chunks.done() {
		s.writeTrailers(s.chunks.trailers)
		s.state = streamDone
	}
	return nil
}

func (s *stream) writeTrailers(b []byte) {
	header := s.w.Header()
	for {
		f, rest, ok := nextField(b)
		if !ok || f.name == nil {
			return
		}
		b = rest
		name := http.TrailerPrefix + http.CanonicalHeaderKey(string(f.name))
		header[name] = append(header[name], string(f.value))
	}
}

// Close is never the exchange's to call.
func (s *stream) Close() error { return nil }

// LocalAddr and RemoteAddr are not asked: the client is known already.
func (s *stream) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr is like LocalAddr.
func (s *stream) RemoteAddr() net.Addr { return &net.TCPAddr{} }

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (s *stream) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

// SetReadDeadline bounds reads of the request's body. Past it they fail for good.
func (s *stream) SetReadDeadline(t time.Time) error {
	if time.Until(t) > 24*time.Hour {
		return nil // there is none yet
	}
	return s.control.SetReadDeadline(t)
}

// SetWriteDeadline bounds writes of the answer. Past it the stream is reset.
// About the time that is set already will do: every change is a message to
// another goroutine.
func (s *stream) SetWriteDeadline(t time.Time) error {
	if slack := s.client.server.options.BodyTimeout / 4; t.After(s.writeBy.Add(-slack)) && t.Before(s.writeBy.Add(slack)) {
		return nil
	}
	s.writeBy = t
	return s.control.SetWriteDeadline(t)
}
