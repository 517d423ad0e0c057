package api

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Limits of failed attempts to be somebody, per client: an IPv4 address or an
// IPv6 network of 64 bits.
const (
	freeAttempts    = 10
	attemptsRefill  = 6 * time.Second // one more after each
	maxAttemptsKept = 4096            // clients; beyond, the one nearest to none is forgotten
)

// attempts counts who failed to prove who they are. Only failures are slowed
// down: a good token is let in from any address at any time, since an
// operator's abort must not wait because somebody beside them guesses. What
// makes guessing hopeless is the length of tokens; this keeps it from filling
// the log. Safe for concurrent use.
type attempts struct {
	mu    sync.Mutex
	until map[netip.Addr]time.Time // when all free attempts are back
}

func newAttempts() *attempts { return &attempts{until: make(map[netip.Addr]time.Time)} }

// failed counts a failure of a client. It returns how long the client should
// wait before it tries again; 0: it failed not yet too often.
func (a *attempts) failed(client netip.Addr, now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	until, known := a.until[client]
	if until.Before(now) {
		until = now
	}
	if wait := until.Sub(now) - (freeAttempts-1)*attemptsRefill; wait > 0 {
		return wait
	}
	if !known && len(a.until) >= maxAttemptsKept {
		a.forget(now)
	}
	a.until[client] = until.Add(attemptsRefill)
	return 0
}

// forget makes room for one client.
func (a *attempts) forget(now time.Time) {
	var nearest netip.Addr
	first := true
	for client, until := range a.until {
		if !until.After(now) {
			delete(a.until, client)
		} else if first || until.Before(a.until[nearest]) {
			nearest, first = client, false
		}
	}
	if len(a.until) >= maxAttemptsKept {
		delete(a.until, nearest)
	}
}

// clientOf is the network that a request came from. The zero address stands for
// all whose address cannot be read.
func clientOf(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		network, _ := addr.Prefix(64)
		return network.Addr()
	}
	return addr
}
