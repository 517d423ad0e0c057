package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// liar changes the headers of what the probes are told.
type liar struct {
	clientv3.KV
	lie atomic.Pointer[func(h *etcdserverpb.ResponseHeader)]
}

func (l *liar) Get(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	resp, err := l.KV.Get(ctx, key, opts...)
	lie := l.lie.Load()
	if err == nil && lie != nil && clientv3.OpGet(key, opts...).IsCountOnly() {
		(*lie)(resp.Header)
	}
	return resp, err
}

// TestFollow_DoubtMeansLoadingAgain shows that a watch which says nothing is not believed.
func TestFollow_DoubtMeansLoadingAgain(t *testing.T) {
	t.Parallel()
	opts := embeddedOptions(t)
	opts.tuning.watchSilence = 200 * time.Millisecond
	n := openNode(t, opts)
	l := &liar{KV: n.raw().KV}
	n.raw().KV = l
	n.run().await("first load", func() bool { return n.last.Full })

	f := func(what string, lie func(h *etcdserverpb.ResponseHeader)) {
		t.Helper()
		n.put("state/shop", what)
		n.await("a quiet watch", func() bool { return !n.last.Full && n.view["state/shop"] == what })
		l.lie.Store(&lie)
		n.await("a full load after "+what, func() bool { return n.last.Full })
		l.lie.Store(nil)
		n.await("connected", func() bool { return n.Status().Connected })
	}

	f("a smaller revision", func(h *etcdserverpb.ResponseHeader) { h.Revision = 1 })
	f("another cluster", func(h *etcdserverpb.ResponseHeader) { h.ClusterId++ })
	f("a revision that the watch never brings", func(h *etcdserverpb.ResponseHeader) { h.Revision += 1000 })
}

// TestFollow_WritesOfOthersAreNoDoubt shows that a shared etcd, whose revision
// moves without us, is neither reloaded nor reported as stale.
func TestFollow_WritesOfOthersAreNoDoubt(t *testing.T) {
	t.Parallel()
	opts := embeddedOptions(t)
	opts.tuning.watchSilence = 300 * time.Millisecond
	n := openNode(t, opts).run()
	n.put("state/shop", "1")
	n.awaitKey("state/shop", "1")
	n.last.Full = false
	for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); {
		if _, err := n.raw().Put(t.Context(), "/others/key", "x"); err != nil {
			t.Fatal(err)
		}
		if n.take(5 * time.Millisecond) {
			t.Fatalf("an update out of nothing: %+v", n.last)
		}
	}
	n.await("proven fresh", func() bool { st := n.Status(); return st.Connected && st.Age < time.Second })
}

func TestWatched_IgnoresWhatItHasSeen(t *testing.T) {
	s := &Store{
		opts: Options{Prefix: DefaultPrefix}, log: zap.NewNop(), updates: make(chan Update, 16),
		mirror: newMirror(), session: newSession(), owed: newOwed(), disk: newDisk("", ""),
	}
	event := func(key string, rev int64) *clientv3.Event {
		return &clientv3.Event{Kv: &mvccpb.KeyValue{Key: []byte(s.key(key)), ModRevision: rev}}
	}
	send := func(events ...*clientv3.Event) {
		t.Helper()
		if err := s.watched(t.Context(), clientv3.WatchResponse{Header: &etcdserverpb.ResponseHeader{}, Events: events}, 0); err != nil {
			t.Fatal(err)
		}
	}
	send(event("a", 5), event("b", 5), event("a", 6))
	send(event("a", 5), event("b", 5), event("a", 6), event("a", 7))
	close(s.updates)
	var got []string
	for u := range s.updates {
		got = append(got, fmt.Sprint(u.Revision, "x", len(u.Puts)))
	}
	if want := "5x2 6x1 7x1"; strings.Join(got, " ") != want {
		t.Errorf("updates %v, want %s", got, want)
	}
	if err := s.watched(t.Context(), clientv3.WatchResponse{Header: &etcdserverpb.ResponseHeader{ClusterId: 1}}, 0); err == nil {
		t.Error("events of another cluster were taken")
	}
}

func TestEmbedded_FullQuotaRefusesWritesAndARestartRepairs(t *testing.T) {
	t.Parallel()
	opts := embeddedOptions(t)
	opts.tuning.quota = 2 << 20
	n := openNode(t, opts).run()
	big := Txn{Then: []Op{Put("audit/big", make([]byte, 200<<10))}}
	var err error
	// etcd notices with its next batch, some 100 ms later.
	for end := time.Now().Add(10 * time.Second); err == nil && time.Now().Before(end); {
		_, err = n.Commit(t.Context(), big)
		time.Sleep(20 * time.Millisecond)
	}
	if !errors.Is(err, ErrFull) {
		t.Fatalf("writes beyond the quota: %v, want ErrFull", err)
	}
	if err := n.Cut("r1", "", []byte("errors")); err != nil {
		t.Errorf("a cut needs no space in etcd: %v", err)
	}
	n.await("the size is known", func() bool { st := n.Status(); return st.Quota == 2<<20 && st.Size > st.Quota/2 })
	n.stop()

	opts.tuning.quota = 0
	n = openNode(t, opts).run()
	n.put("services/shop", "1")
	n.awaitKey("cuts/r1/edge-1", "errors")
}

func TestLeader_IsNoLongerThanItsLease(t *testing.T) {
	s := &Store{session: newSession(), mirror: newMirror()}
	f := func(fence int64, left time.Duration, want bool) {
		t.Helper()
		s.session.mu.fence, s.session.mu.until = fence, time.Now().Add(left)
		got, ok := s.Leader()
		if ok != want || got != Created(LeaderKey, fence) {
			t.Errorf("with the lease for another %s: %v, %v; want %v", left, got, ok, want)
		}
	}
	f(7, time.Minute, true)
	f(7, -time.Millisecond, false)
	s.mirror.disown(true) // it is the lead of another state
	f(7, time.Minute, false)
	s.mirror.disown(false)
	f(0, time.Minute, false)
}

func TestMirror_AlarmsOnceAtEightyPercent(t *testing.T) {
	m := newMirror()
	f := func(size, quota int64, want bool) {
		t.Helper()
		if got := m.measured(size, quota); got != want {
			t.Errorf("alarm at %d of %d: %v, want %v", size, quota, got, want)
		}
	}
	f(10, 0, false)
	f(80, 100, false)
	f(81, 100, true)
	f(99, 100, false)
	f(10, 100, false)
	f(90, 100, true)
}

func TestDeath_EndsTheGoroutineNotTheProcess(t *testing.T) {
	d := newDeath()
	log := d.watch(zap.NewNop())
	for range 2 {
		ended := make(chan bool)
		go func() {
			defer close(ended)
			log.Fatal("failed to save", zap.Error(errors.New("no space left")))
			ended <- true
		}()
		if went, open := <-ended; went || open {
			t.Error("the goroutine went on")
		}
	}
	if err := d.err(); err == nil || !strings.Contains(err.Error(), "failed to save: no space left") {
		t.Errorf("reason %v", err)
	}
}
