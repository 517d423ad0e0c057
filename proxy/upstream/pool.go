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
	policy    Policy
	room      int64   // requests in flight that one endpoint takes
	full      Circuit // what opens when none has room

	changes *atomic.Uint64
	live    atomic.Pointer[live]
}

// live is what a Pool picks from, as of one count of changes.
type live struct {
	changes   uint64
	endpoints []*Endpoint // those up; in a panic all
	up        int
	slow      bool // one of them has less than its full share
}

// NewPool returns a Pool of endpoints of one version of one Registry. It keeps
// the slice. An empty pool picks nothing.
func NewPool(endpoints []*Endpoint, policy Policy) *Pool {
	p := &Pool{endpoints: endpoints, policy: policy, changes: new(atomic.Uint64)}
	p.room, p.full = policy.room()
	if len(endpoints) > 0 {
		p.changes = endpoints[0].changes
	}
	p.refresh()
	return p
}

// Pick returns the less loaded of two endpoints drawn from those that are up.
// Nil: none is up or, if AnyUp says that one is, a circuit is open and was
// counted. random is 64 random bits. It takes no lock.
//
// Two choices keep the longest queue near log log n where one choice gives
// log n (Mitzenmacher, "The Power of Two Choices", 2001).
func (p *Pool) Pick(random uint64) *Endpoint {
	l := p.present()
	e := choose(l.endpoints, random, l.slow)
	// Fast path: there is room, and nothing to count for it.
	if e != nil && e.inFlight.Load() < p.room && p.policy.VersionRequests == 0 {
		return e
	}
	return p.pickFree(l.endpoints, e, random)
}

// PickOther is Pick without the endpoints in tried: those that a request was
// sent to before. Nil: there is no other that is up and has room; no circuit is
// counted for it. tried is short, and it is read only.
func (p *Pool) PickOther(random uint64, tried []*Endpoint) *Endpoint {
	up := p.present().endpoints
	if len(up) == 0 || p.crowded() {
		return nil
	}
	// The two choices are the first two that were not tried from a drawn place on.
	start, _ := bits.Mul64(random, uint64(len(up)))
	var first *Endpoint
	for i := range up {
		e := up[(int(start)+i)%len(up)]
		switch {
		case slices.Contains(tried, e) || e.inFlight.Load() >= p.room:
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

// PickAny picks from all endpoints, up or not, for when there is nobody else
// either. Nil: the policy says that nothing is tried then, or all are full.
func (p *Pool) PickAny(random uint64) *Endpoint {
	if !p.policy.LastResort {
		return nil
	}
	return p.pickFree(p.endpoints, choose(p.endpoints, random, false), random)
}

// choose draws two endpoints and returns the less loaded. Nil: there is none.
func choose(from []*Endpoint, random uint64, slow bool) *Endpoint {
	n := uint64(len(from))
	switch n {
	case 0:
		return nil
	case 1:
		return from[0]
	}
	i, _ := bits.Mul64(random, n)
	// The second draw uses the bits that the first hardly looked at, and skips i.
	j, _ := bits.Mul64(random<<32|random>>32, n-1)
	if j >= i {
		j++
	}
	a, b := from[i], from[j]
	if slow {
		return chooseSlow(a, b, random)
	}
	if b.inFlight.Load() < a.inFlight.Load() {
		return b
	}
	return a
}

// chooseSlow is the choice while one of a version's endpoints has less than its
// full share: that one stands for choice as often as its share says.
func chooseSlow(a, b *Endpoint, random uint64) *Endpoint {
	draws := random * 0x9e3779b97f4a7c15 // bits that the choice of a and b says little of
	shareA, shareB := a.Share(), b.Share()
	stands := func(share int, draw uint32) bool { return int(uint64(draw)*FullShare>>32) < share }
	standsA, standsB := stands(shareA, uint32(draws>>32)), stands(shareB, uint32(draws))
	switch {
	case standsA && !standsB:
		return a
	case standsB && !standsA:
		return b
	case !standsA && shareA < shareB:
		return b
	case !standsA && shareB < shareA:
		return a
	case b.inFlight.Load() < a.inFlight.Load():
		return b
	}
	return a
}

// pickFree is the slow path of a pick: a limit is near. It returns e if that has
// room, else any endpoint that has. Nil: none has.
func (p *Pool) pickFree(from []*Endpoint, e *Endpoint, random uint64) *Endpoint {
	if e == nil {
		return nil
	}
	if p.crowded() {
		e.refusals.count(VersionRequestsCircuit)
		return nil
	}
	if e.inFlight.Load() < p.room {
		return e
	}
	start, _ := bits.Mul64(random, uint64(len(from)))
	for i := range from {
		if other := from[(int(start)+i)%len(from)]; other.inFlight.Load() < p.room {
			return other
		}
	}
	e.refusals.count(p.full)
	return nil
}

// crowded reports whether the version has all the requests that it may have.
// Counting them again takes a load for each endpoint, and no counter that all
// its requests would have to share.
func (p *Pool) crowded() bool {
	if p.policy.VersionRequests == 0 {
		return false
	}
	n := int64(0)
	for _, e := range p.endpoints {
		n += e.inFlight.Load()
	}
	return n >= int64(p.policy.VersionRequests)
}

// Good records an attempt at e that was answered with anything but a gateway
// failure.
func (p *Pool) Good(e *Endpoint) {
	if e.failures.Load() != 0 {
		e.failures.Store(0)
	}
}

// Bad records an attempt at e that was a gateway failure: no connection, no or
// a broken answer, or 502, 503 or 504.
func (p *Pool) Bad(e *Endpoint) {
	if p.policy.Failures > 0 && int(e.failures.Add(1)) >= p.policy.Failures && !e.suspect.Swap(true) {
		e.suspects.Add(1)
	}
}

// AnyUp reports whether an endpoint of the version is up.
func (p *Pool) AnyUp() bool { return p.present().up > 0 }

// Endpoints returns all endpoints, up or not. The caller must not change the slice.
func (p *Pool) Endpoints() []*Endpoint { return p.endpoints }

// Policy returns what the pool was made with.
func (p *Pool) Policy() Policy { return p.policy }

func (p *Pool) present() *live {
	// Fast path: nothing changed since the list was made.
	if l := p.live.Load(); l.changes == p.changes.Load() {
		return l
	}
	return p.refresh()
}

// refresh makes the list of those up. Concurrent calls make equal lists, or
// one of them is replaced at the next look because its count is old.
func (p *Pool) refresh() *live {
	l := &live{changes: p.changes.Load()} // before the flags are read
	for _, e := range p.endpoints {
		if e.Up() {
			l.endpoints = append(l.endpoints, e)
			l.slow = l.slow || e.Share() < FullShare
		}
	}
	if l.up = len(l.endpoints); l.up > 0 && l.up*100 < p.policy.Panic*len(p.endpoints) {
		l.endpoints, l.slow = p.endpoints, false
	}
	p.live.Store(l)
	return l
}
