package upstream

import (
	"math/bits"
	"slices"
	"sync/atomic"
)

// Pool is the list of endpoints of one version. The list never changes; which
// of them are up does. Safe for concurrent use.
type Pool struct {
	endpoints []*Endpoint
	changes   *atomic.Uint64
	live      atomic.Pointer[live]
}

// live is the part of a Pool that is up, as of one count of changes.
type live struct {
	changes   uint64
	endpoints []*Endpoint
}

// NewPool returns a Pool of endpoints of one Registry. It keeps the slice. An
// empty pool picks nothing.
func NewPool(endpoints []*Endpoint) *Pool {
	p := &Pool{endpoints: endpoints, changes: new(atomic.Uint64)}
	if len(endpoints) > 0 {
		p.changes = endpoints[0].changes
	}
	p.refresh()
	return p
}

// Pick returns the less loaded of two endpoints drawn from those that are up,
// or nil if none is up. random is 64 random bits. It takes no lock.
//
// Two choices keep the longest queue near log log n where one choice gives
// log n (Mitzenmacher, "The Power of Two Choices", 2001).
func (p *Pool) Pick(random uint64) *Endpoint {
	up := p.up()
	n := uint64(len(up))
	switch n {
	case 0:
		return nil
	case 1:
		return up[0]
	}
	i, _ := bits.Mul64(random, n)
	// The second draw uses the bits that the first hardly looked at, and skips i.
	j, _ := bits.Mul64(random<<32|random>>32, n-1)
	if j >= i {
		j++
	}
	a, b := up[i], up[j]
	if b.inFlight.Load() < a.inFlight.Load() {
		return b
	}
	return a
}

// PickOther is Pick without the endpoints in tried: those that a request was
// sent to before. Nil: there is no other that is up. tried is short, and it is
// read only.
func (p *Pool) PickOther(random uint64, tried []*Endpoint) *Endpoint {
	up := p.up()
	if len(up) == 0 {
		return nil
	}
	// The two choices are the first two that were not tried from a drawn place on.
	start, _ := bits.Mul64(random, uint64(len(up)))
	var first *Endpoint
	for i := range up {
		e := up[(int(start)+i)%len(up)]
		switch {
		case slices.Contains(tried, e):
		case first == nil:
			first = e
		case e.inFlight.Load() < first.inFlight.Load():
			return e
		default:
			return first
		}
	}
	return first
}

// AnyUp reports whether Pick would find an endpoint.
func (p *Pool) AnyUp() bool { return len(p.up()) > 0 }

// Endpoints returns all endpoints, up or not. The caller must not change the slice.
func (p *Pool) Endpoints() []*Endpoint { return p.endpoints }

func (p *Pool) up() []*Endpoint {
	// Fast path: nothing changed since the list was made.
	l := p.live.Load()
	if l.changes == p.changes.Load() {
		return l.endpoints
	}
	return p.refresh()
}

// refresh makes the list of those up. Concurrent calls make equal lists, or
// one of them is replaced at the next look because its count is old.
func (p *Pool) refresh() []*Endpoint {
	l := &live{changes: p.changes.Load()} // before the flags are read
	for _, e := range p.endpoints {
		if e.Up() {
			l.endpoints = append(l.endpoints, e)
		}
	}
	p.live.Store(l)
	return l.endpoints
}
