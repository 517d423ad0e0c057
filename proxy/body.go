package proxy

import (
	"errors"
	"io"
)

// errChunks says that a body is not coded as RFC 9112 section 7.1 wants it.
var errChunks = errors.New("the chunked coding is broken")

// bodyReader reads one request body and not a byte more. io.EOF is its end, and
// nothing else is.
type bodyReader struct {
	conn   *clientConn
	left   int64 // bytes to come, or -1: chunked
	chunks chunkReader
}

// Read reads a piece of the body.
func (b *bodyReader) Read(p []byte) (int, error) {
	switch {
	case b.left < 0:
		return b.readChunks(p)
	case b.left == 0:
		return 0, io.EOF
	}
	n, err := b.conn.readBody(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, unexpected(err)
}

// readChunks fills p with the data of as many chunks as are there.
func (b *bodyReader) readChunks(p []byte) (total int, err error) {
	c := b.conn
	for total < len(p) && !b.chunks.done() {
		if c.r == c.w {
			if total > 0 {
				break
			}
			if err := c.fillBody(); err != nil {
				return 0, unexpected(err)
			}
		}
		in := c.buf.b[c.r:c.w]
		data, n := b.chunks.next(in[:min(len(in), len(p)-total)])
		c.r += n
		total += copy(p[total:], data)
		if b.chunks.broken() {
			return total, errChunks
		}
	}
	if total == 0 && b.chunks.done() {
		return 0, io.EOF
	}
	return total, nil
}

// unexpected tells the end of the connection from the end of the body.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
