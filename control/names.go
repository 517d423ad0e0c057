package control

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"time"

	"go.uber.org/zap"
)

// Bounds of resolving names: what a look-up may take, how many are under way at
// one time, and how many addresses of a name are used.
const (
	resolveTimeout = 5 * time.Second
	maxResolving   = 16
	maxAddresses   = 256
)

var errNoAddress = errors.New("the name has no address")

// names are what names in endpoints were resolved to. Workers ask; what they
// find is compiled into the next table. The last addresses of a name stay until
// others are found: an outage of the DNS takes nobody's endpoints away.
type names struct {
	addresses map[string][]netip.Addr // sorted; a new map with each change
	due       map[string]time.Time    // when each name in use is asked for again
	resolving map[string]bool
	failed    map[string]bool // those whose last look-up failed
	intervals map[string]time.Duration
}

func newNames() names {
	return names{due: map[string]time.Time{}, resolving: map[string]bool{}, failed: map[string]bool{}}
}

// retainNames makes the names those of the table.
func (c *Controller) retainNames() {
	n, inUse := &c.names, c.built.Names()
	gone := func(name string) bool { _, ok := inUse[name]; return !ok }
	maps.DeleteFunc(n.due, func(name string, _ time.Time) bool { return gone(name) })
	maps.DeleteFunc(n.failed, func(name string, _ bool) bool { return gone(name) })
	for name := range inUse {
		if _, ok := n.due[name]; !ok {
			n.due[name] = time.Time{} // at once
		}
	}
	n.intervals = inUse
}

// resolve asks for the names that are due.
func (c *Controller) resolve(now time.Time) {
	for name, due := range c.names.due {
		if now.Before(due) || c.names.resolving[name] || len(c.names.resolving) >= maxResolving {
			continue
		}
		c.names.resolving[name] = true
		c.work(func(ctx context.Context) func() {
			ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
			defer cancel()
			found, err := c.opts.Resolve(ctx, name)
			return func() { c.resolved(name, found, err, time.Now()) }
		})
	}
}

// resolved takes in what a name was resolved to.
func (c *Controller) resolved(name string, found []netip.Addr, err error, now time.Time) {
	n := &c.names
	delete(n.resolving, name)
	if _, ok := n.due[name]; !ok {
		return // nobody uses it any more
	}
	// Spread, so that many nodes and names do not ask in step.
	interval := n.intervals[name]
	n.due[name] = now.Add(interval + rand.N(interval/10+1))
	found = tidy(found)
	if err == nil && len(found) == 0 {
		err = errNoAddress
	}
	if err != nil {
		if !n.failed[name] {
			c.log.Warn("name not resolved; its last addresses stay", zap.String("name", name), zap.Error(err))
		}
		n.failed[name] = true
		return
	}
	delete(n.failed, name)
	if slices.Equal(n.addresses[name], found) {
		return
	}
	c.log.Info("name resolved", zap.String("name", name), zap.Stringers("from", n.addresses[name]), zap.Stringers("to", found))
	// The map is part of what tables are compiled from: it is not changed.
	next := maps.Clone(n.addresses)
	if next == nil {
		next = make(map[string][]netip.Addr)
	}
	maps.DeleteFunc(next, func(name string, _ []netip.Addr) bool { _, ok := n.due[name]; return !ok })
	next[name] = found
	n.addresses = next
	c.publish()
	c.unshown = true
}

// tidy sorts addresses, so that the order of an answer changes nothing.
func tidy(found []netip.Addr) []netip.Addr {
	out := make([]netip.Addr, 0, len(found))
	for _, a := range found {
		out = append(out, a.Unmap())
	}
	slices.SortFunc(out, netip.Addr.Compare)
	out = slices.Compact(out)
	return out[:min(len(out), maxAddresses)]
}

// lookUp is how names are resolved unless Options say otherwise: as the system is
// configured to.
func lookUp(ctx context.Context, name string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
}
