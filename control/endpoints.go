package control

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/health"
	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/upstream"
)

// tenant is a service of a table with all that decides which endpoints and
// counters are kept for it.
type tenant struct {
	document int64 // its revision
	versions []*route.Version
}

// tenantsOf are those of the present table. The same as before: nothing came, and
// nothing went. Most changes are of weights alone.
func (c *Controller) tenantsOf(table *route.Table) (tenants []tenant, same bool) {
	tenants, same = make([]tenant, len(table.Services)), len(table.Services) == len(c.tenants)
	for i, s := range table.Services {
		t := tenant{c.mirror.services[s.Name].mod, s.Versions}
		tenants[i] = t
		same = same && t.document == c.tenants[i].document && slices.Equal(t.versions, c.tenants[i].versions)
	}
	return tenants, same
}

// retain lets go of endpoints and counters that no version names any more, and
// probes those that one does.
func (c *Controller) retain(now time.Time) {
	c.unretained = false
	tenants, same := c.tenantsOf(c.opts.Tables.Load())
	if c.tenants = tenants; same {
		return
	}
	versions := make(map[versionID]bool, 2*len(c.mirror.sources))
	targets := make(map[health.Target]health.Probe, len(c.targets))
	for name, doc := range c.mirror.services {
		for version := range doc.value.Versions {
			versions[versionID{name, version}] = true
		}
		for version := range c.mirror.splits[name].Service.Versions {
			versions[versionID{name, version}] = true
		}
	}
	// The table names the endpoints: those of the present documents and, of a
	// document that does not compile, those of its last good route.
	endpoints, admitted := make(map[*upstream.Endpoint]bool, len(c.admitted)), make(map[*upstream.Endpoint]bool, len(c.admitted))
	for _, s := range c.opts.Tables.Load().Services {
		doc, _ := c.built.Document(s.Name)
		for _, v := range s.Versions {
			versions[versionID{s.Name, v.Name}] = true
			c.admit(v.Pool, now)
			for _, e := range v.Pool.Endpoints() {
				admitted[e] = true
			}
			for _, e := range v.Endpoints() {
				endpoints[e] = true
				if doc.Health != nil {
					targets[targetOf(e)] = health.Probe{Health: *doc.Health, Link: e.Link, Name: e.Name}
				}
			}
		}
	}
	// What is probed no more is up, as what never was.
	for t := range c.targets {
		if _, ok := targets[t]; !ok {
			delete(c.failing, t)
			c.setUp(t, true)
		}
	}
	c.targets = targets
	gone := func(e *upstream.Endpoint) bool { return !endpoints[e] }
	c.outliers.forget(gone)
	c.slow.forget(gone)
	c.opts.Endpoints.Retain(func(e *upstream.Endpoint) bool { return endpoints[e] })
	c.opts.Recorders.Retain(func(service, version string) bool { return versions[versionID{service, version}] })
	maps.DeleteFunc(c.rates, func(id versionID, _ *rate) bool { return !versions[id] })
	c.prober.Set(targets)
	c.retainNames()
	c.admitted = admitted
}

// admit takes in the endpoints of a pool. Those that join others start slowly;
// at the start of a process, or of a version, there are no others.
func (c *Controller) admit(p *upstream.Pool, now time.Time) {
	others := slices.ContainsFunc(p.Endpoints(), func(e *upstream.Endpoint) bool { return c.admitted[e] })
	for _, e := range p.Endpoints() {
		e.SetMaxConnections(p.Policy().Connections)
		if others && !c.admitted[e] && !c.standsFor(e) {
			c.slow.begin(e, now)
		}
	}
}

// standsFor reports whether an endpoint is what a name was resolved to that
// requests went to before: it is new here alone.
func (c *Controller) standsFor(e *upstream.Endpoint) bool {
	if e.Name == e.Address {
		return false
	}
	id := e.Identity
	id.Address = id.Name
	for old := range c.admitted {
		if old.Identity == id {
			return true
		}
	}
	return false
}

func targetOf(e *upstream.Endpoint) health.Target {
	return health.Target{Service: e.Service, Version: e.Version, Address: e.Address}
}

// setUp records what a probe found, and returns the endpoint if that is news.
func (c *Controller) setUp(t health.Target, up bool) *upstream.Endpoint {
	v := c.compiled(t.Service, t.Version)
	if v == nil {
		return nil
	}
	for _, e := range v.Endpoints() {
		if e.Address == t.Address && e.SetUp(up) {
			return e
		}
	}
	return nil
}

// probed takes in the outcome of a probe.
func (c *Controller) probed(r health.Report) {
	if _, ok := c.targets[r.Target]; !ok {
		return // it was under way when its endpoint was removed
	}
	c.failing[r.Target] = r.Failures
	e := c.setUp(r.Target, r.Up)
	switch {
	case e == nil:
	case r.Up:
		c.slow.begin(e, time.Now())
		c.tellEndpoint(e, "up", "")
	default:
		c.tellEndpoint(e, "down", r.Reason)
	}
}

// failingRounds is in how many probe rounds in a row no endpoint of the version
// answered well. 0 without probes, and until each endpoint had one.
func (c *Controller) failingRounds(service, version string) int {
	if len(c.targets) == 0 {
		return 0 // nothing is probed
	}
	v := c.compiled(service, version)
	if v == nil {
		return 0
	}
	rounds := -1
	for _, e := range v.Pool.Endpoints() {
		n := c.failing[targetOf(e)]
		if rounds < 0 || n < rounds {
			rounds = n
		}
	}
	return max(rounds, 0)
}

// versionUp reports whether a version has an endpoint that takes requests.
// A variant of a flag has none and is always up.
func (c *Controller) versionUp(service, version string) bool {
	if _, flag := configs.FlagOf(service); flag {
		return true
	}
	v := c.compiled(service, version)
	return v != nil && v.Pool.AnyUp()
}

// ready reports whether a version may get its first requests: one of its names
// must have been resolved, if it has nothing else, and where endpoints are probed, one of them must have answered well. Until then an endpoint counts
// as up, which is right for users of a version and wrong for those it never had.
func (c *Controller) ready(service, version string) bool {
	if _, flag := configs.FlagOf(service); flag {
		return true
	}
	v := c.compiled(service, version)
	if v == nil {
		return false
	}
	probed := c.mirror.services[service].value.Health != nil
	return slices.ContainsFunc(v.Pool.Endpoints(), func(e *upstream.Endpoint) bool {
		failures, reported := c.failing[targetOf(e)]
		return e.Up() && found(e) && (!probed || reported && failures == 0)
	})
}

// healthyOf returns how many of the first n endpoints of a version, as the
// document has them, may get requests: those that answered a probe well, or all
// where none are made. Of a name one address is enough.
func (c *Controller) healthyOf(service, version string, n int) int {
	v := c.compiled(service, version)
	if v == nil {
		return 0
	}
	probed := c.mirror.services[service].value.Health != nil
	seen, healthy := map[string]bool{}, map[string]bool{}
	for _, e := range v.Endpoints() {
		if seen[e.Name] = true; len(seen) > n {
			break
		}
		failures, reported := c.failing[targetOf(e)]
		if e.Up() && (!probed || reported && failures == 0) {
			healthy[e.Name] = true
		}
	}
	return len(healthy)
}

// found reports whether an endpoint is an address, rather than a name that was
// not resolved yet.
func found(e *upstream.Endpoint) bool {
	_, err := netip.ParseAddrPort(e.Address)
	return err == nil
}
