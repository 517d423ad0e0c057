package control

import (
	"go.uber.org/zap"

	"github.com/weirproxy/weir/control/compile"
	"github.com/weirproxy/weir/proxy/route"
)

// publish compiles the state with every cut that is in force, and swaps the
// table. What the new table no longer names is let go of after the swap, at the
// next look: a cut does not wait for it.
func (c *Controller) publish() {
	in := compile.Input{
		Revision: c.mirror.revision, Cuts: c.cutsInForce(), Keys: c.mirror.keys, Addresses: c.names.addresses,
		Endpoints: c.opts.Endpoints, Recorders: c.opts.Recorders, Last: c.built,
		Services: c.mirror.sources, States: c.mirror.splits, Unread: c.mirror.unreadStates(),
		Flags: make(map[string]compile.FlagSource, len(c.mirror.flags)),
	}
	for name, doc := range c.mirror.flags {
		_, killed := c.killed(name)
		in.Flags[name] = compile.FlagSource{Document: doc.value, ModRevision: doc.mod, Killed: killed}
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
	c.unretained = true
	c.stirred++
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

// reaches reports whether this node gives the version requests, by the split or
// beside it.
func (c *Controller) reaches(service, version string) bool {
	if c.built.Effective(service)[version] > 0 {
		return true
	}
	s := c.opts.Tables.Load().Service(service)
	return s != nil && (s.Force != nil && s.Force.Version.Name == version || s.Mirror != nil && s.Mirror.Version.Name == version)
}
