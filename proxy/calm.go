package proxy

import (
	"net/netip"
	"sync"
	"time"
)

// calmers remember what clients may still send in frames of HTTP/2, beyond their
// connections: who is let go for a flood and connects again is the same one. The
// zero value knows nobody.
type calmers struct {
	mu    sync.Mutex
	known map[netip.Addr]*calmer
	sweep int // entries at which those that are of no use any more are let go
}

// calmer is the allowance of one client for frames that ask for nothing.
type calmer struct {
	users int // connections; under calmers.mu

	mu    sync.Mutex
	full  int64 // when the allowance is whole again, if nothing more is spent
	until int64 // HTTP/1.1 only, until then
}

// refill is how long an allowance that was spent takes to be whole again.
const refill = 10 * time.Second

// of returns a client's allowance for one more connection. Give it back.
func (c *calmers) of(a netip.Addr, now int64) *calmer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.known[a]; k != nil {
		k.users++
		return k
	}
	if c.known == nil {
		c.known = make(map[netip.Addr]*calmer)
	}
	if len(c.known) >= c.sweep {
		for a, k := range c.known {
			if k.users == 0 && k.over(now) {
				delete(c.known, a)
			}
		}
		c.sweep = 2*len(c.known) + 1024
	}
	k := &calmer{users: 1}
	c.known[a] = k
	return k
}

func (c *calmers) giveBack(k *calmer) {
	c.mu.Lock()
	k.users--
	c.mu.Unlock()
}

// calm reports whether the client gets HTTP/1.1 only.
func (c *calmers) calm(a netip.Addr, now int64) bool {
	c.mu.Lock()
	k := c.known[a]
	c.mu.Unlock()
	if k == nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return now < k.until
}

// calm reports whether a client is to speak HTTP/1.1, after a flood of frames.
func (s *Server) calm(c *clientConn) bool {
	return !c.trusted && s.calmers.calm(clientOf(c.peer), s.handler.Now())
}

// spend takes a price, or adds what is paid, from an allowance of limit, and
// reports whether that is beyond it.
func (k *calmer) spend(price, limit, now int64) (beyond bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.full = max(k.full, now) + price*int64(refill)/limit
	k.full = min(k.full, now+2*int64(refill)) // what is held against a client ends some time
	return k.full-now > int64(refill)
}

// quiet lets the client have HTTP/1.1 only, until then.
func (k *calmer) quiet(until int64) {
	k.mu.Lock()
	k.until = max(k.until, until)
	k.mu.Unlock()
}

// over reports whether nothing is held against the client any more.
func (k *calmer) over(now int64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return now >= k.until && now >= k.full
}
