package proxy

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// h2Wire is a client connection of HTTP/2 as net/http gets it, which frames what
// passes here. Each frame costs net/http some microseconds, a request that is
// given up at once costs a handler and an endpoint more; so they are counted
// before it sees them, and a client that sends too many which ask for nothing is
// not read any more.
//
// net/http takes TLS for plaintext this way, which changes nothing: the handshake
// is over, and what HTTP/2 asks of TLS is what TLS offers anyway.
type h2Wire struct {
	net.Conn
	conn  *clientConn
	limit int64 // frames that may be sent beyond what requests account for; 0: any number
	purse *calmer

	// Of the goroutine that reads.
	in     frameScan
	debt   int64         // what this connection cost, less what it paid
	newest atomic.Uint32 // stream
	older  uint32        // the newest one at agedAt
	aged   uint32        // the newest one at least patience before that
	agedAt int64

	ended    atomic.Bool  // nothing is read any more
	farewell atomic.Bool  // a GOAWAY is due
	earned   atomic.Int64 // by answers: frames that are free
	mu       sync.Mutex   // of writing
	out      frameScan
}

const (
	// patience is how long a request is at least wanted by somebody who means it.
	patience = int64(100 * time.Millisecond)
	// ownDebt is up to where a connection is not the one to blame when its
	// client's allowance is spent: others behind one address go on.
	ownDebt = 100
	// A connection that floods is held, unread, for holdTime, so that it does not
	// come again at once; holds is how many are at a time.
	holdTime = time.Second
	holdStep = 50 * time.Millisecond
	holds    = 256
)

func newH2Wire(c *clientConn) *h2Wire {
	w := &h2Wire{Conn: c.Conn, conn: c, in: frameScan{skip: int64(len(preface))}}
	s := c.server
	w.limit = max(int64(s.options.MaxFrames), 0)
	if c.trusted {
		w.purse = new(calmer) // it speaks for many: each connection for itself
	} else {
		w.purse = s.calmers.of(clientOf(c.peer), s.handler.Now())
	}
	return w
}

// release gives back what was taken. Call it once, when the connection has ended.
func (w *h2Wire) release() {
	if !w.conn.trusted {
		w.conn.server.calmers.giveBack(w.purse)
	}
}

// Read counts the frames of what is read, and ends with the first that is too
// many.
func (w *h2Wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n > 0 && w.limit > 0 && !w.ended.Load() {
		n = w.count(p[:n])
	} else if w.ended.Load() {
		w.conn.hold()
		return 0, io.EOF
	}
	return n, err
}

// count returns how much of b may pass.
func (w *h2Wire) count(b []byte) int {
	now := w.conn.server.handler.Now()
	w.age(now)
	total, all := int64(0), len(b)
	for {
		f, rest, ok := w.in.next(b)
		if !ok {
			break
		}
		if f.kind == frameHeaders {
			w.newest.Store(max(w.newest.Load(), f.stream))
		}
		price := f.price(f.stream > w.aged)
		if price == priceFrame && w.earned.Load() > 0 {
			w.earned.Add(-1)
			price = 0
		}
		total += price
		// What is bought before the allowance is asked is little: a piece that
		// one read brings has some hundred frames at most.
		if total > ownDebt {
			if w.spend(total, now) {
				return max(all-len(rest)-len(w.in.head), 0)
			}
			total = 0
		}
		b = rest
	}
	if w.spend(total, now) {
		return 0
	}
	return all
}

// age notes which streams were there before: those up to w.aged began at least
// patience ago.
func (w *h2Wire) age(now int64) {
	switch since := now - w.agedAt; {
	case since > 2*patience:
		w.aged, w.older, w.agedAt = w.newest.Load(), w.newest.Load(), now
	case since > patience:
		w.aged, w.older, w.agedAt = w.older, w.newest.Load(), now
	}
}

// spend takes a price for frames. true says that they were too many, and that
// the connection has been told so.
func (w *h2Wire) spend(price, now int64) bool {
	w.debt = max(w.debt+price, 0)
	if !w.purse.spend(price, w.limit, now) || w.debt <= ownDebt {
		return false
	}
	w.conn.server.handler.rejected(TooManyFrames)
	w.purse.quiet(now + int64(w.conn.server.options.FramesCalm))
	w.end()
	return true
}

// end lets the client wait, and then ends the connection. What is in flight may
// end before.
func (w *h2Wire) end() {
	if w.ended.Swap(true) {
		return
	}
	w.farewell.Store(true)
	w.goAway()
	_ = w.Conn.SetReadDeadline(time.Unix(1, 0)) // a read that is under way ends
}

// Write notes what answers pay for.
func (w *h2Wire) Write(p []byte) (int, error) {
	defer w.goAway()
	w.mu.Lock()
	defer w.mu.Unlock()
	earned := int64(0)
	for b := p; ; {
		f, rest, ok := w.out.next(b)
		if !ok {
			break
		}
		if f.kind == frameHeaders || f.kind == frameData {
			earned += paidByAnswer
		}
		b = rest
	}
	if earned > 0 && w.earned.Add(earned) > w.limit {
		w.earned.Store(w.limit)
	}
	return w.Conn.Write(p)
}

// goAway tells the client why nothing is read any more: between two frames, so
// while one is being written its writer does.
func (w *h2Wire) goAway() {
	for w.farewell.Load() && w.mu.TryLock() {
		if w.out.between() && w.farewell.Swap(false) {
			b := []byte{2: 8, frameGoAway, 16: 0}
			binary.BigEndian.PutUint32(b[9:], w.newest.Load())
			binary.BigEndian.PutUint32(b[13:], enhanceYourCalm)
			_ = w.Conn.SetWriteDeadline(time.Now().Add(holdStep)) // not to somebody who takes nothing
			_, _ = w.Conn.Write(b)
			_ = w.Conn.SetWriteDeadline(time.Time{}) // net/http sets its own
		}
		whole := w.out.between()
		w.mu.Unlock()
		if !whole {
			return // the rest of the frame comes by Write
		}
	}
}

// hold keeps a connection waiting that deserves it, unless there are many.
func (c *clientConn) hold() {
	s := c.server
	if s.held.Add(1) <= holds {
		for waited := time.Duration(0); waited < holdTime && !c.killed.Load() && !s.Draining(); waited += holdStep {
			time.Sleep(holdStep)
		}
	}
	s.held.Add(-1)
}
