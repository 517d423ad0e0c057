package control

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
	"github.com/weirproxy/weir/proxy/stats"
)

// crowded is a Controller with n services that have traffic.
func crowded(tb testing.TB, n int) *bare {
	tb.Helper()
	c := newBare(tb)
	u := store.Update{Full: true, Revision: 9}
	for i := range n {
		name := fmt.Sprintf("s%04d", i)
		doc := shop()
		doc.Name, doc.Routes = name, []configs.Route{{Host: name + ".example.com", Path: "/"}}
		u.Puts = append(u.Puts, kv(store.ServiceKey(name), doc, 1), kv(store.StateKey(name), rollout.NewService(doc, shopTime()), 1))
	}
	for i := range 5000 {
		u.Puts = append(u.Puts, kv(store.AuditKey(fmt.Sprintf("%016x", i)), AuditView{Actor: "ana", At: time.Now()}, 1))
	}
	for i := range 1000 {
		id := fmt.Sprintf("r%04d", i)
		u.Puts = append(u.Puts, kv(store.RolloutKey(id), rollout.State{ID: id, Service: "s0001", Phase: rollout.Aborted, StartedAt: shopTime().Add(time.Duration(i) * time.Second)}, 1))
	}
	c.mirror.apply(u)
	c.publish()
	for i := range n {
		for shard := range uint32(16) {
			r := c.opts.Recorders.Recorder(fmt.Sprintf("s%04d", i), "blue")
			token := r.Begin(shard, stats.Split, 1, -1)
			r.End(&token, 2, stats.Outcome{Status: 200})
		}
	}
	return c
}

func BenchmarkController_ThousandServices(b *testing.B) {
	c := crowded(b, 1000)
	f := func(what string, do func()) {
		b.Run(what, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				do()
			}
		})
	}
	f("publish", c.publish)
	f("retain", func() { c.retain(time.Now()) })
	f("show", func() { c.show(time.Now()) })
	f("metrics", func() { c.WriteMetrics(io.Discard) })
}

// BenchmarkController_HundredRollouts is what a second of a node with that many
// rollouts among a thousand services costs its Controller, without writes.
func BenchmarkController_HundredRollouts(b *testing.B) {
	c := crowded(b, 1000)
	u := store.Update{Revision: 10}
	for i := range 100 {
		name, id := fmt.Sprintf("s%04d", i), fmt.Sprintf("t%04d", i)
		doc := shop()
		doc.Name = name
		plan := canary(stage(1000, time.Hour))
		plan.Service = name
		for _, text := range []string{"error_rate > 1%", "latency_p99 > 500ms"} {
			condition, err := analysis.ParseCondition(text)
			if err != nil {
				b.Fatal(err)
			}
			plan.Rollback.Triggers = append(plan.Rollback.Triggers, configs.Trigger{Condition: condition})
		}
		p, err := rollout.New(id, plan, doc, rollout.NewService(doc, shopTime()), shopTime(), "ana")
		if err != nil {
			b.Fatal(err)
		}
		p.Rollout.Nodes = 1
		p = must(p, rollout.Tick{At: shopTime(), CandidateUp: true, StableUp: true, Acked: true})
		u.Puts = append(u.Puts, kv(store.StateKey(name), p.Service, 10), kv(store.RolloutKey(id), p.Rollout, 10))
	}
	now, clock := time.Now(), int64(time.Second)
	c.opts.Now = func() int64 { return clock }
	c.update(u, now)
	c.settle()
	if len(c.trials) != 100 {
		b.Fatalf("%d trials", len(c.trials))
	}
	b.ReportAllocs()
	for b.Loop() {
		for range time.Second / lookEvery {
			now, clock = now.Add(lookEvery), clock+int64(lookEvery)
			c.look(now)
		}
		c.settle()
	}
}
