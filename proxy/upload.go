package proxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/proxy/upstream"
)

// upload sends a large or chunked request body while the exchange waits for the
// answer, which may come first. One goroutine runs it; stopUpload waits for it.
type upload struct {
	done chan struct{}

	// Set before done is closed.
	complete  bool      // the whole body was sent
	rejection Rejection // what the client did wrong
	left      bool      // the client went away

	mu       sync.Mutex
	headSeen bool // the answer's head arrived, so its deadline has passed
	stopping bool // no deadline may be moved any more
	last     bool // the last piece is being written
}

// place is a request's among the uploads of an endpoint.
type place struct {
	upstream.Upload
	at      *upstream.Endpoint
	gaveWay atomic.Bool // to another; what is read of the body from then on fails
}

// takePlace reports whether a body may begin to go to the endpoint.
func (x *exchange) takePlace() bool {
	x.leavePlace() // at an endpoint that was tried before
	p, conn := &place{at: x.endpoint}, x.conn
	p.GiveUp = func() {
		p.gaveWay.Store(true)
		conn.stopReading()
	}
	if !x.version.Pool.BeginUpload(x.endpoint, &p.Upload, x.now, x.h.options.MinRateGrace) {
		return false
	}
	x.place = p
	return true
}

func (x *exchange) leavePlace() {
	if p := x.place; p != nil {
		p.at.EndUpload(&p.Upload)
		x.close = x.close || p.gaveWay.Load() // the connection cannot be read any more
		x.place = nil
	}
}

func (x *exchange) startUpload() {
	u := &upload{done: make(chan struct{})}
	x.upload = u
	x.up.Armed = 0 // the upload sets deadlines of its own
	go x.runUpload(u, x.place, &x.source, x.up.Conn)
}

// runUpload ends with the body, with the first error, or by stopUpload.
func (x *exchange) runUpload(u *upload, p *place, body io.Reader, up net.Conn) {
	defer close(u.done)
	if p != nil {
		defer p.at.EndUpload(&p.Upload)
	}
	buf := x.h.buffers.Get().(*[uploadBuffer]byte)
	defer x.h.buffers.Put(buf)
	chunked := x.head.length < 0
	total := int64(len(x.body))
	for {
		n, err := body.Read(buf[chunkPrefix : uploadBuffer-len(crlf)])
		total += int64(n)
		if p != nil {
			p.Bytes.Store(total)
		}
		if limit := x.maxBody(); limit > 0 && total > limit {
			u.rejection = BodyTooLarge
			_ = up.Close()
			return
		}
		if !chunked && total == x.head.length {
			u.lastPiece()
		}
		if n > 0 && !x.uploadPiece(u, up, buf, n, chunked) {
			return // the answer, or the end of the connection, tells the exchange why
		}
		if err == io.EOF && (chunked || total == x.head.length) {
			break
		}
		if err != nil {
			u.rejection = bodyRejection(err)
			if p != nil && p.gaveWay.Load() {
				u.rejection = BodyTimeout
			}
			u.left = u.rejection == Accepted && !errors.Is(err, errStopped)
			// The endpoint must not take what it has for the whole.
			_ = up.Close()
			return
		}
	}
	if chunked {
		u.lastPiece()
		if _, err := up.Write(appendLastChunk(buf[:0], x.source.chunks.trailers)); err != nil {
			return
		}
	}
	x.uploaded(u, up)
}

var lastChunk = []byte("0\r\n\r\n")

// chunkPrefix is room for a chunk's size line before its data.
const (
	chunkPrefix  = 16
	uploadBuffer = 32 << 10
)

// uploadPiece writes n bytes of body in one write.
func (x *exchange) uploadPiece(u *upload, up net.Conn, buf *[uploadBuffer]byte, n int, chunked bool) bool {
	start, end := chunkPrefix, chunkPrefix+n
	if chunked {
		var line [chunkPrefix]byte
		size := appendChunkSize(line[:0], n)
		start -= copy(buf[chunkPrefix-len(size):], size)
		end += copy(buf[end:], crlf)
	}
	if idle := x.service.IdleTimeout; idle > 0 && !u.moveWriteDeadline(up, idle) {
		return false
	}
	_, err := up.Write(buf[start:end])
	return err == nil
}

// moveWriteDeadline allows the next write as long as the body may be silent.
func (u *upload) moveWriteDeadline(up net.Conn, idle time.Duration) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return !u.stopping && up.SetWriteDeadline(time.Now().Add(idle)) == nil
}

// uploaded starts the wait for the answer, unless it is there already.
func (x *exchange) uploaded(u *upload, up net.Conn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.complete = true
	if u.headSeen {
		return
	}
	x.sent(x.h.Now())
	_ = up.SetReadDeadline(x.h.at(look(x.h.Now(), x.deadline(0))))
}

func (u *upload) lastPiece() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.last = true
}

// lastPieceTime is how long an answer waits for the last piece of its request.
const lastPieceTime = 50 * time.Millisecond

// headArrived tells the upload that the answer has begun, and reports whether
// the whole body has been sent.
func (u *upload) headArrived() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last && !u.complete {
		// The endpoint had the last piece before its write returned, most likely.
		u.mu.Unlock()
		select {
		case <-u.done:
		case <-time.After(lastPieceTime):
		}
		u.mu.Lock()
	}
	u.headSeen = true
	return u.complete
}

// stopUpload ends the upload and waits for its goroutine.
func (x *exchange) stopUpload() {
	u := x.upload
	x.upload = nil
	select {
	case <-u.done:
	default:
		u.mu.Lock()
		u.stopping = true
		_ = x.up.SetWriteDeadline(time.Unix(1, 0))
		u.mu.Unlock()
		x.conn.stopReading()
		<-u.done
	}
	x.read = u.complete
	x.close = x.close || !u.complete
}

// bodyRejection tells what is wrong with a body that cannot be read. Accepted
// means nothing: the client went away, or the rest is not wanted.
func bodyRejection(err error) Rejection {
	switch {
	case errors.Is(err, errStopped):
		return Accepted
	case isTimeout(err):
		return BodyTimeout
	case errors.Is(err, errChunks):
		return BadBody
	}
	return Accepted
}
