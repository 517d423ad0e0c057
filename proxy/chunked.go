package proxy

// chunkReader takes the chunked coding of RFC 9112 section 7.1 apart. It works
// on bytes alone: the caller feeds it what it has. The zero value is at the
// start of a body.
type chunkReader struct {
	state   chunkState
	left    int64 // of the chunk's data
	size    int   // digits of the size so far
	line    int   // bytes of extensions and trailers so far
	quoted  bool  // the extension is inside a quoted string
	escaped bool  // and behind its backslash

	trailers []byte // whole lines, each a valid field
	begun    int    // where in trailers the present line begins
}

type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkExtension
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	trailerStart
	trailerLine
	trailerLF
	trailerEndLF
	chunkDone
	chunkBroken
)

// maxChunkLine is the most that extensions and trailers of one body may take.
const maxChunkLine = 16 << 10

// next consumes a prefix of b. data, if any, is body and points into b. It
// stops after each piece of data, at the end of the body and at the end of b.
func (c *chunkReader) next(b []byte) (data []byte, consumed int) {
	for i := 0; i < len(b); {
		if c.state == chunkData {
			n := int(min(int64(len(b)-i), c.left))
			if c.left -= int64(n); c.left == 0 {
				c.state = chunkDataCR
			}
			return b[i : i+n], i + n
		}
		if c.state >= chunkDone {
			return nil, i
		}
		c.step(b[i])
		i++
	}
	return nil, len(b)
}

// done reports whether the body and its trailers are complete.
func (c *chunkReader) done() bool { return c.state == chunkDone }

// broken reports whether the bytes so far are no chunked body.
func (c *chunkReader) broken() bool { return c.state == chunkBroken }

func (c *chunkReader) step(b byte) {
	state := chunkBroken
	switch c.state {
	case chunkSize:
		state = c.stepSize(b)
	case chunkExtension:
		state = c.stepExtension(b)
	case chunkSizeLF:
		if b == '\n' && c.left > 0 {
			state = chunkData
		} else if b == '\n' {
			state = trailerStart
		}
		c.size = 0
	case chunkDataCR:
		if b == '\r' {
			state = chunkDataLF
		}
	case chunkDataLF:
		if b == '\n' {
			state = chunkSize
		}
	case trailerStart:
		if b == '\r' {
			state = trailerEndLF
		} else if isToken[b] && c.text(b) {
			c.begun = len(c.trailers)
			c.trailers = append(c.trailers, b)
			state = trailerLine
		}
	case trailerLine:
		if b == '\r' {
			state = trailerLF
		} else if c.text(b) {
			state = trailerLine
		}
		c.trailers = append(c.trailers, b)
	case trailerLF:
		c.trailers = append(c.trailers, b)
		if _, _, ok := nextField(c.trailers[c.begun:]); ok {
			state = trailerStart
		}
	case trailerEndLF:
		if b == '\n' {
			state = chunkDone
		}
	}
	c.state = state
}

func (c *chunkReader) stepSize(b byte) chunkState {
	switch {
	case isHex(b) && c.size < 15:
		digit := b & 0x0f
		if b > '9' {
			digit += 9
		}
		c.left = c.left<<4 | int64(digit)
		c.size++
		return chunkSize
	case c.size == 0:
		return chunkBroken
	case b == '\r':
		return chunkSizeLF
	case b == ';':
		return chunkExtension
	}
	return chunkBroken
}

// stepExtension ends an extension at CR, but not inside a quoted string, where
// another reader could look for the end of the string.
func (c *chunkReader) stepExtension(b byte) chunkState {
	switch {
	case b == '\r' && !c.quoted:
		return chunkSizeLF
	case !c.text(b):
		return chunkBroken
	case c.escaped:
		c.escaped = false
	case b == '"':
		c.quoted = !c.quoted
	case b == '\\':
		c.escaped = c.quoted
	}
	return chunkExtension
}

// text accepts a byte of an extension or a trailer.
func (c *chunkReader) text(b byte) bool {
	c.line++
	return c.line <= maxChunkLine && (b >= ' ' && b != 0x7f || b == '\t')
}

// appendLastChunk appends the end of a chunked body with those of the trailers
// that may pass. trailers are whole, valid field lines.
func appendLastChunk(dst, trailers []byte) []byte {
	dst = append(dst, '0', '\r', '\n')
	for len(trailers) > 0 {
		f, rest, _ := nextField(trailers)
		if trailers = rest; mayTrail(&f) {
			dst = appendField(dst, f.name, f.value)
		}
	}
	return append(dst, '\r', '\n')
}

// mayTrail reports whether a field may pass as a trailer. One that frames,
// routes or authenticates, or says how to read the body, must come first
// (RFC 9110 section 6.5.1); a receiver that merges trailers into the head would
// otherwise get what the gate never saw.
func mayTrail(f *field) bool {
	if f.kind != fieldOther && f.kind != fieldGRPCStatus || protected(f.name) {
		return false
	}
	for _, prefix := range []string{"content-", "if-", "x-forwarded-", "proxy-"} {
		if len(f.name) >= len(prefix) && equalFold(f.name[:len(prefix)], prefix) {
			return false
		}
	}
	for _, name := range []string{"forwarded", "range", "pragma", "max-forwards", "www-authenticate", "x-real-ip", "origin", "location", "vary", "date", "age", "expires", "retry-after"} {
		if equalFold(f.name, name) {
			return false
		}
	}
	return true
}

// appendChunkSize appends the size line of a chunk.
func appendChunkSize(dst []byte, n int) []byte {
	const digits = "0123456789abcdef"
	started := false
	for shift := 28; shift >= 0; shift -= 4 {
		d := n >> shift & 0xf
		if started = started || d != 0 || shift == 0; started {
			dst = append(dst, digits[d])
		}
	}
	return append(dst, '\r', '\n')
}
