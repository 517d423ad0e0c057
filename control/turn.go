package control

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/control/store"
)

// turn says what the next step of a service waits for. The zero turn waits for
// nothing.
type turn struct {
	underWay bool      // a transaction is being written
	revision int64     // what came of it has not arrived through the watch yet
	failures int       // in a row
	next     time.Time // not before, after failures
}

// Pauses between transactions that fail. The first two are repeated at once:
// somebody else was faster.
const (
	freeFailures = 2
	leastPause   = 200 * time.Millisecond
	mostPause    = 5 * time.Second
)

func (t turn) failed(now time.Time) turn {
	t.failures++
	if n := t.failures - freeFailures; n > 0 {
		t.next = now.Add(min(leastPause<<min(n-1, 10), mostPause))
	}
	return t
}

// waits reports whether a service takes no step now.
func (c *Controller) waits(service string, now time.Time) bool {
	t := c.turns[service]
	return t.underWay || c.mirror.revision < t.revision || now.Before(t.next)
}

// hurry ends the pause after failures: a cut is there to be written down.
func (c *Controller) hurry(service string) {
	if t, ok := c.turns[service]; ok {
		t.next = time.Time{}
		c.turns[service] = t
	}
}

// forgetRevisions is for a state that was read as a whole: whatever was written
// is in it, or was lost with an etcd that starts again at a smaller revision.
func (c *Controller) forgetRevisions() {
	for service, t := range c.turns {
		t.revision = 0
		c.turns[service] = t
	}
}

// commit writes txn in a worker. The service takes no further step until what
// came of it has arrived through the watch.
func (c *Controller) commit(service, id string, txn store.Txn) {
	t := c.turns[service]
	t.underWay = true
	c.turns[service] = t
	c.work(func(ctx context.Context) func() {
		res, err := c.opts.Store.Commit(ctx, txn)
		return func() { c.committed(service, id, res, err) }
	})
}

func (c *Controller) committed(service, id string, res store.Result, err error) {
	if err == nil && res.Committed {
		if res.Revision <= c.mirror.revision {
			delete(c.turns, service)
			return
		}
		c.turns[service] = turn{revision: res.Revision}
		return
	}
	t := c.turns[service].failed(c.clock())
	t.underWay, t.revision = false, res.Revision
	c.turns[service] = t
	if t.failures > freeFailures {
		c.log.Warn("step not written; it is tried again", zap.String("rollout", id), zap.Int("failures", t.failures),
			zap.Error(err), zap.Strings("in_the_way", keysOf(res.Existing)))
	}
}

func keysOf(kvs []store.KV) []string {
	keys := make([]string, len(kvs))
	for i, kv := range kvs {
		keys[i] = kv.Key
	}
	return keys
}
