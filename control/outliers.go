package control

import (
	"fmt"
	"maps"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/control/health"
	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/upstream"
)

// outliers are the endpoints that are out for the requests that they failed, and
// those that were lately. The data plane counts failures and says when there is
// somebody new to look at; who goes and who comes back is decided here.
type outliers struct {
	of       map[*upstream.Endpoint]health.Outlier
	suspects uint64    // how many the registry had told of at the last look
	due      time.Time // when those remembered are looked at again
}

// outliersEvery is how often endpoints that are out are looked at.
const outliersEvery = 250 * time.Millisecond

// eject takes endpoints out that fail their requests, and back in after a time.
func (c *Controller) eject(now time.Time) {
	suspects := c.opts.Endpoints.Suspects()
	if suspects == c.outliers.suspects && (len(c.outliers.of) == 0 || now.Before(c.outliers.due)) {
		return
	}
	c.outliers.suspects, c.outliers.due = suspects, now.Add(outliersEvery)
	for _, s := range c.opts.Tables.Load().Services {
		for _, v := range s.Versions {
			c.ejectOf(s, v, now)
		}
	}
}

// ejectOf is eject for one version.
func (c *Controller) ejectOf(s *route.Service, v *route.Version, now time.Time) {
	endpoints := v.Pool.Endpoints()
	members, failures, busy := make([]health.Member, len(endpoints)), make([]int, len(endpoints)), false
	for i, e := range endpoints {
		m := &members[i]
		m.Outlier, m.Well = c.outliers.of[e], e.Probed()
		failures[i], m.Suspect = e.Suspect()
		busy = busy || m.Suspect || !m.Forgotten()
	}
	doc, ok := c.built.Document(s.Name)
	if !busy || !ok {
		return
	}
	health.Eject(members, *doc.Ejection, now)
	for i, e := range endpoints {
		o := members[i].Outlier
		if o.Forgotten() {
			delete(c.outliers.of, e)
		} else {
			c.outliers.of[e] = o
		}
		if !e.SetEjected(!o.Until.IsZero()) {
			continue
		}
		if e.Ejected() {
			c.ejections.add(versionID{s.Name, v.Name})
			c.tellEndpoint(e, "ejected", fmt.Sprintf("%d requests in a row failed; it comes back after %s", failures[i], o.Until.Sub(now)))
		} else {
			c.slow.begin(e, now)
			c.tellEndpoint(e, "back", "")
		}
	}
}

// forget drops what is known of endpoints that are gone.
func (o *outliers) forget(gone func(*upstream.Endpoint) bool) {
	maps.DeleteFunc(o.of, func(e *upstream.Endpoint, _ health.Outlier) bool { return gone(e) })
}

// tellEndpoint logs and publishes what became of an endpoint.
func (c *Controller) tellEndpoint(e *upstream.Endpoint, to, reason string) {
	c.unshown = true
	c.stirred++
	c.log.Warn("endpoint changed", zap.String("service", e.Service), zap.String("version", e.Version),
		zap.String("endpoint", e.Address), zap.String("to", to), zap.String("reason", reason))
	text := fmt.Sprintf("endpoint %s of %s is %s", e.Address, e.Version, to)
	if reason != "" {
		text += ": " + reason
	}
	c.hub.publish(Event{At: time.Now(), Kind: "endpoint", Service: e.Service, Text: text})
}
