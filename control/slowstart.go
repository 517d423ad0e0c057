package control

import (
	"maps"
	"time"

	"github.com/weirproxy/weir/proxy/upstream"
)

// slowStart are the endpoints that came up lately and get less than the others.
type slowStart struct {
	since map[*upstream.Endpoint]time.Time
	due   time.Time // when their shares are set again
}

// slowStartEvery is how often shares rise; leastShare is the first one (Envoy's
// min_weight_percent).
const (
	slowStartEvery = 100 * time.Millisecond
	leastShare     = upstream.FullShare / 10
)

// begin lets an endpoint start slowly, if its service wants that.
func (s *slowStart) begin(e *upstream.Endpoint, now time.Time) {
	s.since[e], s.due = now, now
}

// forget drops what is known of endpoints that are gone.
func (s *slowStart) forget(gone func(*upstream.Endpoint) bool) {
	maps.DeleteFunc(s.since, func(e *upstream.Endpoint, _ time.Time) bool { return gone(e) })
}

// warm raises the shares of endpoints that start slowly.
func (c *Controller) warm(now time.Time) {
	if len(c.slow.since) == 0 || now.Before(c.slow.due) {
		return
	}
	c.slow.due = now.Add(slowStartEvery)
	for e, since := range c.slow.since {
		doc, _ := c.built.Document(e.Service)
		share := shareAfter(now.Sub(since), doc.SlowStart.Std())
		e.SetShare(share)
		if share == upstream.FullShare {
			delete(c.slow.since, e)
		}
	}
}

// shareAfter is an endpoint's share some time after it came up: it rises evenly
// over the window.
func shareAfter(passed, window time.Duration) int {
	if passed >= window {
		return upstream.FullShare
	}
	return max(leastShare, int(upstream.FullShare*passed/window))
}
