package control

import "context"

// waiter is somebody who waits for a revision to be served.
type waiter struct {
	revision int64
	fleet    bool // every leased node, not this one alone
	done     chan struct{}
}

// Applied waits until this node, and every other that holds a lease, routes by
// the state of the given revision, or until ctx ends.
func (c *Controller) Applied(ctx context.Context, revision int64) error {
	return c.await(ctx, revision, true)
}

func (c *Controller) await(ctx context.Context, revision int64, fleet bool) error {
	w := waiter{revision: revision, fleet: fleet, done: make(chan struct{})}
	err := c.postUntil(ctx, func() {
		c.waiters = append(c.waiters, w)
		c.wake()
	})
	if err != nil {
		return err
	}
	select {
	case <-w.done:
		return nil
	case <-c.stopped:
		return refuse(Unavailable, "ask another node", "this node is stopping")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wake releases the waiters whose revision has been reached. The view that they
// look at next shows it.
func (c *Controller) wake() {
	left := c.waiters[:0]
	for _, w := range c.waiters {
		if c.mirror.revision >= w.revision && (!w.fleet || c.acknowledged(w.revision)) {
			if c.unshown {
				c.show(c.clock())
			}
			close(w.done)
			continue
		}
		left = append(left, w)
	}
	clear(c.waiters[len(left):])
	c.waiters = left
}

// acknowledged reports whether every other leased node has applied what this
// node serves as of the given revision.
func (c *Controller) acknowledged(revision int64) bool {
	revision = min(revision, c.mirror.relevant)
	for name, n := range c.mirror.nodes {
		if name != c.opts.Node && n.value.Revision < revision {
			return false
		}
	}
	return true
}
