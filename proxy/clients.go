package proxy

import (
	"net/netip"
	"sync"
)

// clients counts connections by client, so that one of them cannot take all. A
// client is an IPv4 address or an IPv6 network of 64 bits, which is what one
// subscriber has. The zero value counts nothing yet.
type clients struct {
	mu   sync.Mutex
	open map[netip.Addr]int
}

// clientOf returns the address that stands for the client of a.
func clientOf(a netip.Addr) netip.Addr {
	if a.Is4() || a.Is4In6() {
		return a.Unmap()
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr()
}

// claim counts a connection of a, unless it has max already. Each claim that
// succeeds needs exactly one release.
func (c *clients) claim(a netip.Addr, max int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[a] >= max {
		return false
	}
	if c.open == nil {
		c.open = make(map[netip.Addr]int)
	}
	c.open[a]++
	return true
}

func (c *clients) release(a netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[a]--; c.open[a] <= 0 {
		delete(c.open, a)
	}
}

// claim counts the connection for its client, once that is known: a trusted
// proxy speaks for many and is not limited. It reports false at the limit.
func (s *Server) claim(c *clientConn) bool {
	max := s.options.MaxPerClient
	if max < 0 || c.trusted || c.client.IsValid() {
		return true
	}
	a := clientOf(c.peer)
	if !s.clients.claim(a, max) {
		s.handler.rejected(TooManyOfClient)
		return false
	}
	c.client = a
	return true
}
