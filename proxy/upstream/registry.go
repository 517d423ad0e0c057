// Package upstream holds the endpoints that requests are forwarded to: their
// connections, in-flight counts and health. It decides which endpoint of a
// version takes a request; it knows nothing of HTTP beyond connections.
package upstream

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options are the same for all endpoints of a Registry.
type Options struct {
	// MaxConnections is the largest number of open connections to one
	// endpoint. Beyond it a request waits MaxConnectionWait, then fails with
	// ErrExhausted. 0 means 1024 (Envoy's circuit breaker).
	MaxConnections int
	// MaxConnectionWait bounds the wait for a connection at the limit.
	// 0 means 50 ms; negative means no wait.
	MaxConnectionWait time.Duration
	// MaxIdle closes a connection that was idle for this long. It should be
	// shorter than the keep-alive of the servers behind, because a request
	// that meets a closing connection must be sent again. 0 means 4 s, below
	// the 5 s of Node.js and Apache httpd.
	MaxIdle time.Duration
	// ConnectTimeout bounds dialling where the service sets none. 0 means 5 s
	// (Envoy).
	ConnectTimeout time.Duration
	// TCPKeepAlive is the period of TCP keep-alive probes. 0 means the
	// operating system's usual 15 s; negative turns them off.
	TCPKeepAlive time.Duration
	// ReadBufferSize in bytes is also the largest response head. 0 means 16 KiB.
	ReadBufferSize int
}

func (o Options) withDefaults() Options {
	if o.MaxConnections <= 0 {
		o.MaxConnections = 1024
	}
	if o.MaxConnectionWait == 0 {
		o.MaxConnectionWait = 50 * time.Millisecond
	}
	if o.MaxIdle <= 0 {
		o.MaxIdle = 4 * time.Second
	}
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = 5 * time.Second
	}
	if o.ReadBufferSize <= 0 {
		o.ReadBufferSize = 16 << 10
	}
	return o
}

// Registry keeps endpoints by identity, so that a new table finds the
// connections, counts and health of the old one. Safe for concurrent use; no
// request takes its lock.
type Registry struct {
	options  Options
	changes  atomic.Uint64
	suspects atomic.Uint64

	mu        sync.Mutex
	endpoints map[Identity]*Endpoint
	refusals  map[versionID]*refusals
	tls       map[TLSFiles]*TLS
}

type versionID struct{ service, version string }

// Identity tells an endpoint apart. Identities are compared by value.
type Identity struct {
	Service, Version string
	// Address is what is dialled, `host:port`.
	Address string
	// Name is the address as the document has it, whose host may be a name that
	// was resolved to Address. Empty: Address.
	Name string
	// Link is how connections to it are made.
	Link Link
}

// NewRegistry returns an empty Registry. It starts no goroutine; an endpoint's
// first connection starts one that closes idle connections and ends, within
// MaxIdle, when the last connection is gone.
func NewRegistry(o Options) *Registry {
	return &Registry{
		options: o.withDefaults(), endpoints: make(map[Identity]*Endpoint),
		refusals: make(map[versionID]*refusals), tls: make(map[TLSFiles]*TLS),
	}
}

// Endpoint is Get for an address that speaks HTTP/1.1 on TCP.
func (g *Registry) Endpoint(service, version, address string) *Endpoint {
	return g.Get(Identity{Service: service, Version: version, Address: address})
}

// Get returns the endpoint of that identity and makes it if need be.
func (g *Registry) Get(id Identity) *Endpoint {
	if id.Name == "" {
		id.Name = id.Address
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	e := g.endpoints[id]
	if e == nil {
		e = newEndpoint(id, g)
		g.endpoints[id] = e
	}
	return e
}

// TLS returns the TLS of those files and makes it if need be. It reads nothing.
func (g *Registry) TLS(files TLSFiles) *TLS {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.tls[files] == nil {
		g.tls[files] = NewTLS(files)
	}
	return g.tls[files]
}

// TLSErrors are why files of TLS cannot be used as they are now, in order.
func (g *Registry) TLSErrors() []error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var errs []error
	for _, t := range g.tls {
		if err := t.Err(); err != nil {
			errs = append(errs, err)
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errs
}

// refusalsOf is called with the lock held.
func (g *Registry) refusalsOf(service, name string) *refusals {
	id := versionID{service, name}
	if g.refusals[id] == nil {
		g.refusals[id] = new(refusals)
	}
	return g.refusals[id]
}

// Suspects is how often an endpoint has become suspect. While it stays the same
// there is nobody new to eject.
func (g *Registry) Suspects() uint64 { return g.suspects.Load() }

// Refusals calls f with how many requests found a circuit open, for each version
// and circuit where there were some, in no order. f must not call the Registry.
func (g *Registry) Refusals(f func(service, version string, c Circuit, requests uint64)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, r := range g.refusals {
		for c := range r {
			if n := r[c].Load(); n > 0 {
				f(id.service, id.version, Circuit(c), n)
			}
		}
	}
}

// Range calls f with every endpoint, in no order. f must not call the Registry.
func (g *Registry) Range(f func(*Endpoint)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.endpoints {
		f(e)
	}
}

// Retain forgets the endpoints that keep does not want. Requests in flight on
// them go on; their idle connections are closed now, the others after use.
// Call it after the table that no longer names them was published.
func (g *Registry) Retain(keep func(*Endpoint) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	versions, links := make(map[versionID]bool), make(map[*TLS]bool)
	for id, e := range g.endpoints {
		if keep(e) {
			versions[versionID{id.Service, id.Version}], links[id.Link.TLS] = true, true
			continue
		}
		delete(g.endpoints, id)
		e.retire()
	}
	maps.DeleteFunc(g.tls, func(_ TLSFiles, t *TLS) bool { return !links[t] })
	maps.DeleteFunc(g.refusals, func(id versionID, _ *refusals) bool { return !versions[id] })
}

// Close retires every endpoint.
func (g *Registry) Close() {
	g.Retain(func(*Endpoint) bool { return false })
}
