package control

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/compile"
	"github.com/weirproxy/weir/control/health"
	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
)

// publish compiles the state with every cut that is in force, and swaps the
// table. What the new table no longer names is retired after the swap.
func (c *Controller) publish() {
	in := compile.Input{
		Revision: c.mirror.revision, Cuts: c.cutsInForce(), Keys: c.mirror.keys,
		Endpoints: c.opts.Endpoints, Recorders: c.opts.Recorders, Last: c.built,
		Services: make(map[string]compile.Source, len(c.mirror.services)),
		States:   make(map[string]compile.State, len(c.mirror.states)),
	}
	for name, doc := range c.mirror.services {
		in.Services[name] = compile.Source{Document: doc.value, ModRevision: doc.mod}
	}
	for name, state := range c.mirror.states {
		in.States[name] = compile.State{Service: state.value, ModRevision: state.mod}
	}
	table, out := compile.Build(in)
	c.opts.Tables.Store(table)
	c.built = out.Built
	for name, why := range out.Refused {
		if c.refused[name] != why {
			c.log.Error("service keeps its last good route", zap.String("service", name), zap.String("reason", why))
		}
	}
	c.refused = out.Refused
	c.retain()
}

// retain lets go of endpoints and counters that no version names any more, and
// probes those that one does.
func (c *Controller) retain() {
	type address struct{ service, version, address string }
	versions := make(map[versionID]bool)
	endpoints := make(map[address]bool)
	targets := make(map[health.Target]configs.Health)
	for name, doc := range c.mirror.services {
		for version, v := range c.mirror.states[name].value.Merge(doc.value) {
			versions[versionID{name, version}] = true
			for _, a := range v.Endpoints {
				endpoints[address{name, version, a}] = true
				if doc.value.Health != nil {
					targets[health.Target{Service: name, Version: version, Address: a}] = *doc.value.Health
				}
			}
		}
	}
	// A document that does not compile keeps its last good route, and with it
	// the endpoints that the document no longer names.
	for _, s := range c.opts.Tables.Load().Services {
		for _, v := range s.Versions {
			versions[versionID{s.Name, v.Name}] = true
			for _, e := range v.Pool.Endpoints() {
				endpoints[address{s.Name, v.Name, e.Address}] = true
			}
		}
	}
	c.opts.Endpoints.Retain(func(service, version, a string) bool { return endpoints[address{service, version, a}] })
	c.opts.Recorders.Retain(func(service, version string) bool { return versions[versionID{service, version}] })
	maps.DeleteFunc(c.rates, func(id versionID, _ *rate) bool { return !versions[id] })
	for t := range c.failing {
		if _, ok := targets[t]; !ok {
			delete(c.failing, t)
			c.opts.Endpoints.Endpoint(t.Service, t.Version, t.Address).SetUp(true)
		}
	}
	c.prober.Set(targets)
}

// probed takes in the outcome of a probe.
func (c *Controller) probed(r health.Report) {
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
// answered well. 0 without probes.
func (c *Controller) failingRounds(service, version string) int {
	rounds := -1
	for t, n := range c.failing {
		if t.Service == service && t.Version == version && (rounds < 0 || n < rounds) {
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

func (c *Controller) compiled(service, version string) *route.Version {
	table := c.opts.Tables.Load()
	if table == nil {
		return nil
	}
	s := table.Service(service)
	if s == nil {
		return nil
	}
	for _, v := range s.Versions {
		if v.Name == version {
			return v
		}
	}
	return nil
}

// weighs reports whether this node gives the version requests.
func (c *Controller) weighs(service, version string) bool {
	return c.built.Effective(service)[version] > 0
}

// syncTrials makes the trials those of the rollouts in force.
func (c *Controller) syncTrials(now time.Time) {
	for id, t := range c.trials {
		r, ok := c.mirror.rollouts[id]
		inForce := ok && !r.value.Phase.Final() && c.mirror.states[r.value.Service].value.Rollout == id
		switch {
		case inForce && r.value.Generation != t.stretch.Generation:
			t.disarm(c.opts.Recorders)
			delete(c.trials, id)
			c.open(id, nil)
		case inForce:
			t.ended = time.Time{}
			t.follow(r.value)
		case t.ended.IsZero():
			t.ended = now
			c.keepReport(t)
		}
	}
	for service, state := range c.mirror.states {
		id := state.value.Rollout
		r, ok := c.mirror.rollouts[id]
		if id == "" || !ok || r.value.Phase.Final() || c.trials[id] != nil || c.opening[id] {
			continue
		}
		if _, ok := c.mirror.services[service]; ok {
			c.find(id)
		}
	}
	for name, state := range c.mirror.states {
		if was, ok := c.seen[name]; !ok || was != state.mod {
			c.seen[name], c.raisedAt[name] = state.mod, now
		}
	}
}

// lastReport is how a rollout's rules stood when it left force.
type lastReport struct {
	rules   []analysis.RuleReport
	elapsed time.Duration
}

// maxReports bounds how many ended rollouts keep their rules for `why`.
const maxReports = 50

func (c *Controller) keepReport(t *trial) {
	c.reports[t.id] = lastReport{rules: t.report(), elapsed: t.elapsed}
	if len(c.reports) <= maxReports {
		return
	}
	ids := slices.SortedFunc(maps.Keys(c.reports), func(a, b string) int {
		return c.mirror.rollouts[a].value.StartedAt.Compare(c.mirror.rollouts[b].value.StartedAt)
	})
	delete(c.reports, ids[0])
}

// tick is the dispatch tick that is being filled.
func (c *Controller) tick() uint32 { return stats.TickOf(c.opts.Now()) }
