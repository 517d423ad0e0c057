package access

import (
	"runtime"
	"sync/atomic"
)

// pages hold lines on their way to the writer. Any number of goroutines put them
// one behind the other into the open page without a lock: each takes its room by
// one addition, and copies. Whoever finds no room left closes the page and opens
// another, so the writer gets whole pages and copies nothing. The few that are in
// use come back again and again, and stay in the processor's cache, however many
// there may be when the writer is slow.
type pages struct {
	open   atomic.Pointer[page] // nil: there is none to be had
	free   chan *page
	closed chan *page   // to be written, oldest first; has room for all there may be
	count  atomic.Int64 // of pages there are
	limit  int64
	size   int64 // of a page in bytes
}

// page is one write. What is behind end was never taken.
type page struct {
	b      []byte
	taken  atomic.Int64 // bytes that were asked for; more than there are: it is closed
	filled atomic.Int64 // bytes that are there
	end    int64        // of what was taken; set by whoever closes the page
}

// keptPages is how many pages are kept although nothing waits.
const keptPages = 16

func newPages(size, limit int) *pages {
	p := &pages{free: make(chan *page, keptPages), closed: make(chan *page, limit), limit: int64(limit), size: int64(size)}
	p.reopen()
	return p
}

// put queues a line, or reports that there is no room.
func (p *pages) put(line []byte) bool {
	n := int64(len(line))
	if n > p.size {
		return p.putLong(line)
	}
	for {
		open := p.open.Load()
		if open == nil {
			return false
		}
		end := open.taken.Add(n)
		if end <= p.size {
			copy(open.b[end-n:end], line)
			open.filled.Add(n)
			return true
		}
		if end-n <= p.size {
			p.close(open, end-n) // the first that has no room
		} else {
			runtime.Gosched() // the first is about to open another
		}
	}
}

// putLong queues a line that fits no page in one of its own.
func (p *pages) putLong(line []byte) bool {
	if p.count.Add(1) > p.limit {
		p.count.Add(-1)
		return false
	}
	own := &page{b: append([]byte(nil), line...), end: int64(len(line))}
	own.filled.Store(own.end)
	p.closed <- own
	return true
}

// close hands the open page to the writer, before the lines of another can be,
// and opens another.
func (p *pages) close(open *page, end int64) {
	open.end = end
	p.closed <- open
	if next := p.take(); next != nil {
		p.open.Store(next)
		return
	}
	p.open.Store(nil)
	// What the writer gave back before that he did not open. Later he will.
	p.reopen()
}

// reopen ends that no page is open, if there is one to be had.
func (p *pages) reopen() {
	next := p.take()
	if next == nil || p.open.CompareAndSwap(nil, next) {
		return
	}
	// Somebody who came late to it before may have found room.
	if end, first := next.seal(); first && end > 0 {
		next.end = end
		p.closed <- next
		return
	}
	p.giveBack(next)
}

// take returns a page that is empty, or nil.
func (p *pages) take() *page {
	var next *page
	select {
	case next = <-p.free:
	default:
		if p.count.Add(1) > p.limit {
			p.count.Add(-1)
			return nil
		}
		next = &page{b: make([]byte, p.size)}
	}
	next.filled.Store(0)
	next.taken.Store(0) // last: from here on there is room in it
	return next
}

// cut closes the open page if it holds anything.
func (p *pages) cut() {
	open := p.open.Load()
	if open == nil || open.taken.Load() == 0 {
		return
	}
	if end, first := open.seal(); first {
		p.close(open, end)
	}
}

// done takes a page back that was written.
func (p *pages) done(written *page) {
	p.giveBack(written)
	if p.open.Load() == nil {
		p.reopen()
	}
}

// giveBack keeps a page that is sealed, or not.
func (p *pages) giveBack(unused *page) {
	if int64(len(unused.b)) == p.size {
		select {
		case p.free <- unused:
			return
		default:
		}
	}
	p.count.Add(-1)
}

// seal takes all the room that is left. first says that nobody did before.
func (g *page) seal() (end int64, first bool) {
	beyond := int64(len(g.b)) + 1
	end = g.taken.Add(beyond) - beyond
	return end, end < beyond
}

// lines waits for what is still being copied into a closed page.
func (g *page) lines() []byte {
	for g.filled.Load() != g.end {
		runtime.Gosched()
	}
	return g.b[:g.end]
}
