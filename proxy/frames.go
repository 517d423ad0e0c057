package proxy

import "encoding/binary"

// frameScan finds the heads of HTTP/2 frames (RFC 9113 section 4.1) in bytes
// that come in pieces of any size. It looks at nothing else of them.
type frameScan struct {
	skip int64   // bytes until the next head begins: the rest of a payload
	have int     // bytes of head that came in an earlier piece
	head [9]byte // a head
}

// clientFrame is what the head of a frame says.
type clientFrame struct {
	length int
	kind   byte
	flags  byte
	stream uint32
}

// Kinds of frames.
const (
	frameData     = 0
	frameHeaders  = 1
	frameReset    = 3
	frameSettings = 4
	frameGoAway   = 7
)

const (
	flagEndStream = 1
	flagAck       = 1
)

// enhanceYourCalm says in a GOAWAY that there was too much of something.
const enhanceYourCalm = 11

// next returns the first frame whose head ends in b, and what is behind that
// head. Without one all of b is used up.
func (s *frameScan) next(b []byte) (f clientFrame, rest []byte, ok bool) {
	n := min(s.skip, int64(len(b)))
	s.skip -= n
	b = b[n:]
	if len(b) == 0 {
		return f, nil, false
	}
	n = int64(copy(s.head[s.have:], b))
	s.have += int(n)
	if s.have < len(s.head) {
		return f, nil, false
	}
	s.have = 0
	f = clientFrame{
		length: int(s.head[0])<<16 | int(s.head[1])<<8 | int(s.head[2]),
		kind:   s.head[3], flags: s.head[4],
		stream: binary.BigEndian.Uint32(s.head[5:]) &^ (1 << 31),
	}
	s.skip = int64(f.length)
	return f, b[n:], true
}

// between reports whether the last piece ended with a whole frame.
func (s *frameScan) between() bool { return s.skip == 0 && s.have == 0 }

// Prices of frames in a client's allowance. A request pays for a share of those
// that are given up at once, for which all that was begun is for nothing (Rapid
// Reset, CVE-2023-44487), answered or not: three in ten may be, hedged calls say,
// and a page's hundred images when its reader moves on. What is sent to the client
// pays for the window updates that it needs and for the pings that measure the way.
const (
	priceFrame   = 1
	priceReset   = 10
	paidByAsking = 3
	paidByAnswer = 4 // frames, and no resets

	// A smaller piece of a body pays for nothing: it costs as much as a large one.
	payingData = 256
)

// price is what a client's frame costs; less than nothing: what it pays. rapid
// says that it resets a stream that has only just begun.
func (f clientFrame) price(rapid bool) int64 {
	switch f.kind {
	case frameHeaders:
		return -paidByAsking
	case frameData:
		switch {
		case f.length >= payingData:
			return -paidByAsking
		case f.length > 0, f.flags&flagEndStream != 0:
			return 0
		}
	case frameReset:
		if rapid {
			return priceReset
		}
	case frameSettings:
		if f.flags&flagAck != 0 {
			return 0
		}
	}
	return priceFrame
}
