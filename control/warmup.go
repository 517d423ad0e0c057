package control

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/upstream"
)

// Bounds of a warm-up: how long it may hold a raise, how many connections it
// opens to one endpoint and in all.
const (
	warmUpLimit  = 2 * time.Second
	maxWarm      = 64
	maxWarmInAll = 512
)

// warmUp opens connections to a candidate before it gets more weight, so that
// the first requests of a stage do not pay for connects and handshakes and look
// slower than stable's. The zero warmUp has not begun.
type warmUp struct {
	stretch rollout.Stretch // what it is a part of
	WarmUp
}

// cold reports whether a step has to wait because connections for it are being
// opened, which begins here. It waits for warmUpLimit at most, whatever becomes of
// them. Steps that raise nothing never wait, and neither do cuts and persons.
func (c *Controller) cold(t *trial, before, after rollout.Pair, now time.Time) bool {
	to := before.Rollout.To
	weight := after.Rollout.Weights[to]
	if weight <= before.Rollout.Weights[to] || after.Service.Rollout != t.id {
		return false
	}
	if stretch := before.Rollout.Stretch(); t.warmUp.At.IsZero() || t.warmUp.stretch != stretch {
		t.warmUp = warmUp{stretch: stretch, WarmUp: WarmUp{At: now}}
		c.beginWarmUp(t, to, weight)
	}
	return !t.warmUp.Done && now.Sub(t.warmUp.At) < warmUpLimit
}

// beginWarmUp opens connections to the endpoints of a candidate in a worker.
func (c *Controller) beginWarmUp(t *trial, to string, weight configs.Weight) {
	stable, candidate := c.compiled(t.service, t.from), c.compiled(t.service, to)
	if stable == nil || candidate == nil {
		t.warmUp.Done = true
		return
	}
	held := 0
	for _, e := range stable.Pool.Endpoints() {
		held += e.Connections()
	}
	var endpoints []*upstream.Endpoint
	for _, e := range candidate.Endpoints() {
		if e.Up() {
			endpoints = append(endpoints, e)
		}
	}
	each := warmEach(held, c.built.Effective(t.service)[t.from], weight, len(endpoints), candidate.Pool.Policy().Connections)
	if each == 0 {
		t.warmUp.Done = true
		return
	}
	t.warmUp.Wanted = each * len(endpoints)
	stretch, began := t.warmUp.stretch, t.warmUp.At
	c.work(func(context.Context) func() {
		start := time.Now()
		opened, err := warmAll(endpoints, each)
		took := time.Since(start)
		return func() {
			if t.warmUp.stretch != stretch || !t.warmUp.At.Equal(began) {
				return
			}
			t.warmUp.Done, t.warmUp.Opened, t.warmUp.Took = true, opened, took
			if err != nil {
				t.warmUp.Err = err.Error()
				c.log.Warn("connections not opened ahead of a stage", zap.String("service", t.service),
					zap.String("rollout", t.id), zap.String("version", to), zap.Int("opened", opened), zap.Error(err))
			}
		}
	})
}

// warmEach is how many connections each of so many endpoints should have for a
// weight: what stable holds for its own, in proportion, and one at least.
func warmEach(held int, stable, weight configs.Weight, endpoints, most int) int {
	if endpoints == 0 {
		return 0
	}
	want := held
	if stable > weight {
		want = (held*int(weight) + int(stable) - 1) / int(stable)
	}
	each := min((want+endpoints-1)/endpoints, maxWarm, maxWarmInAll/endpoints)
	if most > 0 {
		each = min(each, most/2)
	}
	return max(each, min(1, maxWarmInAll/endpoints))
}

// warmAll opens the connections of all endpoints. It returns the first error;
// one endpoint's does not keep it from the others.
func warmAll(endpoints []*upstream.Endpoint, each int) (opened int, err error) {
	var mu sync.Mutex
	var warming sync.WaitGroup
	for _, e := range endpoints {
		warming.Go(func() {
			n, failed := e.Warm(each, warmUpLimit)
			mu.Lock()
			defer mu.Unlock()
			if opened += n; err == nil {
				err = failed
			}
		})
	}
	warming.Wait()
	return opened, err
}
