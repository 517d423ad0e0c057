package control

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/health"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

// bare is a Controller that nothing runs: the test is its goroutine, says what
// the store delivers, and no etcd answers.
type bare struct {
	*Controller
	t        testing.TB
	dir      string // of the store
	tables   atomic.Pointer[route.Table]
	revision int64
	clock    time.Time
}

func newBare(t testing.TB) *bare {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(t.Context(), store.Options{External: &store.External{Endpoints: []string{"http://127.0.0.1:1"}}, Dir: dir, Node: "one"}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	endpoints := upstream.NewRegistry(upstream.Options{})
	b := &bare{t: t, dir: dir, revision: 10, clock: time.Now()}
	b.Controller = New(Options{
		Node: "one", Boot: "boot", Now: func() int64 { return int64(time.Second) }, Tables: &b.tables,
		Endpoints: endpoints, Recorders: stats.NewRegistry(), Store: s, Log: zap.NewNop(),
	})
	ctx, cancel := context.WithCancel(context.Background())
	b.workCtx = ctx
	b.creatingKeys = true                               // there is no etcd to create them in
	b.prober = health.NewProber(func(health.Report) {}) // the test says what probes found
	t.Cleanup(func() {
		cancel()
		close(b.stopped)
		b.prober.Close()
		b.workers.Wait()
		endpoints.Close()
		_ = s.Close()
	})
	return b
}

// deliver is an update of the values by key; nil deletes.
func (b *bare) deliver(full bool, values map[string]any) {
	b.t.Helper()
	b.revision++
	u := store.Update{Full: full, Revision: b.revision}
	for key, v := range values {
		if v == nil {
			u.Deletes = append(u.Deletes, key)
			continue
		}
		u.Puts = append(u.Puts, kv(key, v, b.revision))
	}
	b.update(u, b.clock)
	b.settle()
}

// settle runs what workers hand back until none is under way.
func (b *bare) settle() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.workers.Wait()
	}()
	for {
		select {
		case f := <-b.inbox:
			f()
		case <-done:
			return
		}
	}
}

// pass looks once, d later.
func (b *bare) pass(d time.Duration) {
	b.clock = b.clock.Add(d)
	b.look(b.clock)
	b.settle()
}

// trialOf delivers shop with a rollout to green at 10 %, and returns its trial.
func (b *bare) trialOf(change func(p *rollout.Pair)) *trial {
	b.t.Helper()
	b.deliver(true, shopWith(change))
	t := b.trials["r1"]
	if t == nil {
		b.t.Fatal("the rollout in force has no trial")
	}
	return t
}

// shopWith is the state of shop with a rollout r1 to green at 10 %.
func shopWith(change func(p *rollout.Pair)) map[string]any {
	p := running()
	if change != nil {
		change(&p)
	}
	return map[string]any{"services/shop": shop(), "state/shop": p.Service, "rollouts/r1": p.Rollout}
}

// running is a planned rollout in its first stage.
func running() rollout.Pair {
	doc := shop()
	p, err := rollout.New("r1", canary(stage(1000, time.Hour)), doc, rollout.NewService(doc, shopTime()), shopTime(), "ana")
	if err != nil {
		panic(err)
	}
	p.Rollout.Nodes = 1
	return must(p, rollout.Tick{At: shopTime(), CandidateUp: true, StableUp: true, Acked: true})
}

func must(p rollout.Pair, ev rollout.Event) rollout.Pair {
	next, _, err := rollout.Step(p, ev, 0)
	if err != nil {
		panic(err)
	}
	return next
}

func (b *bare) picked(version string) (n configs.Weight) {
	s := b.tables.Load().Service("shop")
	for bucket := range route.Buckets {
		if s.Versions[s.Split.Pick(bucket)].Name == version {
			n++
		}
	}
	return n
}

func cutOf(generation int) rollout.Cut {
	return rollout.Cut{Rollout: "r1", Service: "shop", Version: "green", Generation: generation, At: shopTime(), Reason: "broken"}
}
