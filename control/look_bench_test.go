package control

import (
	"slices"
	"testing"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
	"github.com/weirproxy/weir/proxy/stats"
)

// BenchmarkController_Look is what one look of the leader costs its goroutine:
// of a node with one rollout that gets evidence in every tick, and of one with a
// hundred services that has nothing to do. Writes to etcd are not in it, those to
// the disk are. The one look in forty that saves is in slow-ns, the 99th percentile.
func BenchmarkController_Look(b *testing.B) {
	condition, err := analysis.ParseCondition("error_rate > 1%")
	if err != nil {
		b.Fatal(err)
	}
	planned := running()
	planned.Rollout.Plan.Rollback.Triggers = []configs.Trigger{{Condition: condition}}
	doc := shop()
	doc.SetDefaults()
	byHand, err := rollout.NewManual("r1", map[string]configs.Weight{"blue": 9000, "green": 1000}, doc, rollout.NewService(doc, shopTime()), shopTime(), "ana")
	if err != nil {
		b.Fatal(err)
	}
	for _, of := range []struct {
		name string
		pair rollout.Pair
	}{{"planned", planned}, {"by hand", byHand}} {
		b.Run(of.name, func(b *testing.B) {
			c := newBare(b)
			of.pair.Rollout.Nodes = 1
			c.deliver(true, map[string]any{"services/shop": doc, "state/shop": of.pair.Service, "rollouts/r1": of.pair.Rollout})
			if c.trials["r1"] == nil {
				b.Fatal("the rollout in force has no trial")
			}
			blue, green := c.opts.Recorders.Recorder("shop", "blue"), c.opts.Recorders.Recorder("shop", "green")
			n := 0
			lookOn(b, c, func(at int64) {
				for range 9 {
					n++
					request(blue, at, n%500 == 0)
				}
				request(green, at, n%3000 < 9)
			})
			if !c.trials["r1"].ended.IsZero() || len(c.cuts) > 0 {
				b.Fatal("the rollout has ended")
			}
		})
	}
	b.Run("idle", func(b *testing.B) { lookOn(b, crowded(b, 100), func(int64) {}) })
}

func request(r *stats.Recorder, at int64, bad bool) {
	token := r.Begin(0, stats.Split, at, -1)
	status, outcome := 200, stats.Outcome{Status: 200}
	if bad {
		status, outcome = 500, stats.Outcome{Status: 500, Reason: stats.Status}
	}
	r.Head(&token, at, time.Millisecond, status, bad)
	r.End(&token, at, outcome)
}

// lookOn looks once a round, after traffic of that moment.
func lookOn(b *testing.B, c *bare, traffic func(at int64)) {
	now, clock := time.Now(), int64(time.Second)
	c.opts.Now = func() int64 { return clock }
	var took []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		now, clock = now.Add(lookEvery), clock+int64(lookEvery)
		traffic(clock)
		began := time.Now()
		c.lookAs(true, store.Compare{}, now)
		took = append(took, time.Since(began))
	}
	c.settle()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100]), "slow-ns")
	b.ReportMetric(float64(took[len(took)/2]), "typical-ns")
}
