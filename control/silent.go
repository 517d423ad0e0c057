package control

import (
	"time"

	"go.uber.org/zap"
)

// acked reports whether a raise may follow: every leased node has applied the
// service's present state. One that has not within AckTimeout is silent, and no
// raise waits for it until it has applied the present state. What it sends a
// candidate meanwhile is what the plan allowed before, never more.
func (c *Controller) acked(service string, now time.Time) bool {
	s, ok := c.mirror.states[service]
	if !ok {
		return false
	}
	late := now.Sub(c.raisedAt[service]) >= c.opts.AckTimeout
	all := true
	for name, n := range c.mirror.nodes {
		behind := name != c.opts.Node && n.value.Revision < min(s.mod, c.mirror.relevant)
		switch {
		case !behind || c.silent[name]:
		case late:
			c.silent[name], c.unshown = true, true
			c.log.Warn("node is silent: rollouts go on without it", zap.String("node", name),
				zap.Int64("applied", n.value.Revision), zap.Int64("wanted", s.mod), zap.Time("seen", n.value.At))
		default:
			all = false
		}
	}
	return all
}

// hear takes nodes back that are silent no more, or gone.
func (c *Controller) hear() {
	for name := range c.silent {
		n, ok := c.mirror.nodes[name]
		if ok && n.value.Revision < c.mirror.relevant {
			continue
		}
		delete(c.silent, name)
		c.unshown = true
		if ok {
			c.log.Info("node is silent no more", zap.String("node", name), zap.Int64("applied", n.value.Revision))
		}
	}
}
