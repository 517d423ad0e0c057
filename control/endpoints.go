package control

import (
	"fmt"
	"maps"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/health"
)

// retain lets go of endpoints and counters that no version names any more, and
// probes those that one does.
func (c *Controller) retain() {
	c.unretained = false
	versions := make(map[versionID]bool)
	endpoints := make(map[health.Target]bool)
	targets := make(map[health.Target]configs.Health)
	for name, doc := range c.mirror.services {
		for version, v := range c.mirror.states[name].value.Merge(doc.value) {
			versions[versionID{name, version}] = true
			for _, a := range v.Endpoints {
				t := health.Target{Service: name, Version: version, Address: a}
				endpoints[t] = true
				if doc.value.Health != nil && c.refused[name] == "" {
					targets[t] = *doc.value.Health
				}
			}
		}
	}
	// A document that does not compile keeps its last good route, and with it
	// the endpoints that the document no longer names, probed as they were.
	for _, s := range c.opts.Tables.Load().Services {
		for _, v := range s.Versions {
			versions[versionID{s.Name, v.Name}] = true
			for _, e := range v.Pool.Endpoints() {
				t := health.Target{Service: s.Name, Version: v.Name, Address: e.Address}
				endpoints[t] = true
				if h, ok := c.targets[t]; ok && c.refused[s.Name] != "" {
					targets[t] = h
				}
			}
		}
	}
	// What is probed no more is up, as what never was.
	for t := range c.targets {
		if _, ok := targets[t]; !ok {
			delete(c.failing, t)
			c.opts.Endpoints.Endpoint(t.Service, t.Version, t.Address).SetUp(true)
		}
	}
	c.targets = targets
	c.opts.Endpoints.Retain(func(service, version, a string) bool {
		return endpoints[health.Target{Service: service, Version: version, Address: a}]
	})
	c.opts.Recorders.Retain(func(service, version string) bool { return versions[versionID{service, version}] })
	maps.DeleteFunc(c.rates, func(id versionID, _ *rate) bool { return !versions[id] })
	c.prober.Set(targets)
}

// probed takes in the outcome of a probe.
func (c *Controller) probed(r health.Report) {
	if _, ok := c.targets[r.Target]; !ok {
		return // it was under way when its endpoint was removed
	}
	c.failing[r.Target] = r.Failures
	if !c.opts.Endpoints.Endpoint(r.Service, r.Version, r.Address).SetUp(r.Up) {
		return
	}
	word := "up"
	if !r.Up {
		word = "down"
	}
	c.log.Warn("endpoint changed", zap.String("service", r.Service), zap.String("version", r.Version),
		zap.String("endpoint", r.Address), zap.String("to", word), zap.String("reason", r.Reason))
	text := fmt.Sprintf("endpoint %s of %s is %s", r.Address, r.Version, word)
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	c.hub.publish(Event{At: time.Now(), Kind: "endpoint", Service: r.Service, Text: text})
}

// failingRounds is in how many probe rounds in a row no endpoint of the version
// answered well. 0 without probes, and until each endpoint had one.
func (c *Controller) failingRounds(service, version string) int {
	v := c.compiled(service, version)
	if v == nil {
		return 0
	}
	rounds := -1
	for _, e := range v.Pool.Endpoints() {
		n := c.failing[health.Target{Service: service, Version: version, Address: e.Address}]
		if rounds < 0 || n < rounds {
			rounds = n
		}
	}
	return max(rounds, 0)
}

// versionUp reports whether a version has an endpoint that takes requests.
func (c *Controller) versionUp(service, version string) bool {
	v := c.compiled(service, version)
	return v != nil && v.Pool.AnyUp()
}

// ready reports whether a version may get its first requests: where endpoints
// are probed, one of them must have answered well. Until then an endpoint counts
// as up, which is right for users of a version and wrong for those it never had.
func (c *Controller) ready(service, version string) bool {
	if !c.versionUp(service, version) || c.mirror.services[service].value.Health == nil {
		return c.versionUp(service, version)
	}
	for _, e := range c.compiled(service, version).Pool.Endpoints() {
		failures, reported := c.failing[health.Target{Service: service, Version: version, Address: e.Address}]
		if reported && failures == 0 && e.Up() {
			return true
		}
	}
	return false
}
