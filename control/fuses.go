package control

import (
	"context"
	"errors"
	"slices"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/control/store"
)

// sweepFuses drops what a former life of this node left on disk of rollouts that
// ended without it.
func (c *Controller) sweepFuses() {
	c.work(func(ctx context.Context) func() {
		rollouts, err := c.opts.Store.Fuses()
		asked := make(chan struct{})
		ask := func() {
			defer close(asked)
			rollouts = slices.DeleteFunc(rollouts, func(id string) bool { return !c.over(id) })
		}
		if stopping := c.postUntil(ctx, ask); stopping != nil {
			return nil
		}
		<-asked
		for _, id := range rollouts {
			err = errors.Join(err, c.opts.Store.Forget(id))
		}
		if err == nil {
			return nil
		}
		return func() { c.log.Warn("fuses not swept", zap.Error(err)) }
	})
}

// over reports whether nothing of a rollout is needed on this node's disk.
func (c *Controller) over(id string) bool {
	r, ok := c.mirror.rollouts[id]
	return c.mirror.source == store.SourceEtcd && (!ok || r.value.Phase.Final()) && c.trials[id] == nil && !c.opening[id] && len(c.cuts[id]) == 0 && c.journaling[id] == 0
}
