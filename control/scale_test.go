package control

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

// crowded is a Controller that serves n services, none of which Run drives.
func crowded(tb testing.TB, n int) *Controller {
	tb.Helper()
	s, err := store.Open(tb.Context(), store.Options{External: &store.External{Endpoints: []string{"http://127.0.0.1:1"}}, Dir: tb.TempDir(), Node: "one"}, zap.NewNop())
	if err != nil {
		tb.Fatal(err)
	}
	endpoints := upstream.NewRegistry(upstream.Options{})
	tb.Cleanup(func() { endpoints.Close(); _ = s.Close() })
	var tables atomic.Pointer[route.Table]
	c := New(Options{Node: "one", Boot: "boot", Now: func() int64 { return 1 }, Tables: &tables, Endpoints: endpoints, Recorders: stats.NewRegistry(), Store: s, Log: zap.NewNop()})
	u := store.Update{Full: true, Revision: 9}
	for i := range n {
		name := fmt.Sprintf("s%04d", i)
		doc := shop()
		doc.Name, doc.Routes = name, []configs.Route{{Host: name + ".example.com", Path: "/"}}
		u.Puts = append(u.Puts, kv(store.ServiceKey(name), doc, 1), kv(store.StateKey(name), rollout.NewService(doc, shopTime()), 1))
	}
	for i := range 5000 {
		u.Puts = append(u.Puts, kv(store.AuditKey(fmt.Sprintf("%016x", i)), AuditView{Actor: "ana"}, 1))
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
	f("retain", c.retain)
	f("show", func() { c.show(time.Now()) })
}
