package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
)

func TestExternal_KilledAndBack(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	n := openNode(t, e.options("edge-1")).run()
	n.Announce([]byte("boot 1"))
	n.Lead()
	n.put("services/shop", "1")
	n.awaitKey("services/shop", "1")

	e.kill()
	n.await("the loss is noticed", func() bool { return !n.Status().Connected })
	if st := n.Status(); st.Err == nil || st.Source != SourceEtcd {
		t.Errorf("status without etcd: %+v", st)
	}
	if n.view["services/shop"] != "1" {
		t.Errorf("the state went away with etcd: %v", n.view)
	}
	began := time.Now()
	_, err := n.Commit(t.Context(), Txn{Then: []Op{Put("services/shop", []byte("2"))}})
	if !errors.Is(err, ErrUnavailable) || time.Since(began) > 5*time.Second {
		t.Errorf("commit without etcd: %v after %s, want a prompt ErrUnavailable", err, time.Since(began))
	}
	if err := n.Cut("r1", "", []byte("latency")); err != nil {
		t.Fatalf("a cut needs no etcd: %v", err)
	}
	n.await("leadership ends with the lease", func() bool { _, ok := n.Leader(); return !ok })
	if age := n.Status().Age; age < time.Second {
		t.Errorf("age %s after the lease ran out, want more", age)
	}

	e.start()
	n.awaitKey("cuts/r1/edge-1", "latency")
	n.put("services/shop", "3")
	n.awaitKey("services/shop", "3")
	n.awaitKey("nodes/edge-1", "boot 1")
	n.await("leadership again", func() bool { _, ok := n.Leader(); return ok })
	n.await("connected, fresh", func() bool { st := n.Status(); return st.Connected && st.Age < time.Second && st.Err == nil })
}

func TestExternal_RestartWithEtcdGoneServesTheCopy(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	opts := e.options("edge-1")
	n := openNode(t, opts).run()
	n.put("services/shop", "1")
	n.put("keys/cookie", "secret")
	n.await("all", func() bool { return len(n.view) == 2 })
	if err := n.Cut("r1", "", []byte("errors")); err != nil {
		t.Fatal(err)
	}
	n.stop()
	e.kill()

	n = openNode(t, opts).run()
	n.await("the copy", func() bool { return n.view["services/shop"] == "1" && n.view["keys/cookie"] == "secret" })
	if st := n.Status(); n.last.Source != SourceDisk || st.Connected || st.Err == nil || st.Source != SourceDisk {
		t.Errorf("source %s, status %+v", n.last.Source, st)
	}
	if len(n.Cuts()) != 1 {
		t.Errorf("cuts after the restart: %v", n.Cuts())
	}
	e.start()
	n.await("etcd's state", func() bool { return n.last.Source == SourceEtcd && n.view["services/shop"] == "1" })
	n.awaitKey("cuts/r1/edge-1", "errors")
}

func TestExternal_DamagedCopyIsSetAside(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	opts := e.options("edge-1")
	e.kill()
	n := openNode(t, opts)
	if err := os.WriteFile(n.opts.Cache, []byte("{\"kind\":\"weir-state\"}\n{"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.run()
	n.await("the file is set aside", func() bool {
		_, err := os.Stat(n.opts.Cache + ".damaged")
		return err == nil
	})
	e.start()
	n.await("the state", func() bool { return n.last.Full && n.last.Source == SourceEtcd })
}

func TestExternal_FrozenEtcdLeavesNoDoubt(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	n := openNode(t, e.options("edge-1")).run()
	rev := n.put("state/shop", "1").Revision
	n.awaitKey("state/shop", "1")
	e.freeze()
	thaw := time.AfterFunc(1300*time.Millisecond, e.thaw)
	defer thaw.Stop()
	res := n.commit(Txn{
		If:   []Compare{ModRevision("state/shop", rev)},
		Then: []Op{Put("state/shop", []byte("2"))},
	})
	kv, _, err := n.Get(t.Context(), "state/shop")
	if err != nil || !res.Committed || string(kv.Value) != "2" || kv.ModRevision != res.Revision {
		t.Errorf("%+v, %v; etcd has %q at %d", res, err, kv.Value, kv.ModRevision)
	}
}

func TestExternal_FrozenEtcdEndsLeadershipByTheClock(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	n := openNode(t, e.options("edge-1")).run()
	changed := n.Lead()
	n.await("leadership", func() bool { _, ok := n.Leader(); return ok })
	<-changed
	e.freeze()
	began := time.Now()
	n.await("leadership ends", func() bool { _, ok := n.Leader(); return !ok })
	if took := time.Since(began); took > n.opts.tuning.leaseTTL+2*time.Second {
		t.Errorf("leadership outlived the lease: it ended after %s", took)
	}
	select {
	case <-changed:
	case <-time.After(3 * time.Second):
		t.Error("nobody was told")
	}
	e.thaw()
	n.await("leadership again", func() bool { _, ok := n.Leader(); return ok })
}

func TestExternal_LeaderTakesItsOwnPlaceBackAfterAnOutage(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	opts := e.options("edge-1")
	opts.tuning.leaseTTL = 4 * time.Second
	n := openNode(t, opts).run()
	n.Lead()
	n.await("leadership", func() bool { _, ok := n.Leader(); return ok })
	before, _ := n.Leader()
	e.kill()
	n.await("leadership ends with the lease", func() bool { _, ok := n.Leader(); return !ok })
	n.await("the lease is given up", func() bool { return n.Store.session.leaseID() == 0 })
	e.start()
	n.await("etcd is back", func() bool { return n.Status().Connected })
	began := time.Now()
	n.await("leadership again", func() bool { _, ok := n.Leader(); return ok })
	// etcd gives the old lease its whole time anew when it starts.
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it waited %s for its own old lease", took)
	}
	if after, _ := n.Leader(); after != before {
		t.Errorf("the fence went from %s to %s", before, after)
	}
}

func TestExternal_LeadershipPassesAndTheOldLeaderIsFencedOff(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	var stopped atomic.Bool
	opts := e.options("edge-1")
	opts.tuning.stopped = stopped.Load
	a := openNode(t, opts).run()
	b := openNode(t, e.options("edge-2")).run()
	leads := func(n *node) func() bool { return func() bool { _, ok := n.Leader(); return ok } }
	a.Announce([]byte("a"))
	a.Lead()
	a.await("the first leads", leads(a))
	b.Lead()
	b.awaitKey("nodes/edge-1", "a")
	if leads(b)() {
		t.Fatal("two leaders")
	}
	stale, _ := a.Leader()

	// The old leader stops renewing, as a stopped process would.
	stopped.Store(true)
	b.await("its announcement runs out", func() bool { _, ok := b.view["nodes/edge-1"]; return !ok })
	b.await("the second leads", leads(b))
	fence, _ := b.Leader()
	write := func(n *node, fence Compare) bool {
		return n.commit(Txn{If: []Compare{fence}, Then: []Op{Put("rollouts/r1", []byte(n.opts.Node))}}).Committed
	}
	if write(a, stale) {
		t.Error("the old leader's write landed")
	}
	if n := a.Status().Fenced; n != 1 {
		t.Errorf("%d refused writes were counted, want 1", n)
	}
	if !write(b, fence) {
		t.Error("the new leader's write was refused")
	}
	if n := b.Status().Fenced; n != 0 {
		t.Errorf("%d writes of the leader were counted as refused", n)
	}
	stopped.Store(false)

	// A leader that ends gives its place up at once.
	began := time.Now()
	b.stop()
	a.await("the first leads again", leads(a))
	if took := time.Since(began); took > b.opts.tuning.leaseTTL {
		t.Errorf("the handover took %s", took)
	}
}

func TestExternal_OpensWithNothingThere(t *testing.T) {
	t.Parallel()
	e := &etcdProcess{t: t, dir: filepath.Join(t.TempDir(), "nowhere")}
	n := openNode(t, e.options("edge-1")).run()
	if err := n.Cut("r1", "", []byte("errors")); err != nil {
		t.Fatal(err)
	}
	if n.take(time.Second) {
		t.Errorf("an update out of nothing: %+v", n.last)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, _, err := n.Get(ctx, "services/shop"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("read: %v, want ErrUnavailable", err)
	}
}

func TestEmbedded_RestartKeepsTheStateAndDropsTheOldLeader(t *testing.T) {
	t.Parallel()
	opts := embeddedOptions(t)
	n := openNode(t, opts)
	n.put("services/shop", "1")
	// A crash leaves the leader key behind, under a lease with seconds to go.
	n.put(LeaderKey, "edge-1")
	if st, err := os.Stat(filepath.Join(opts.Embedded.Dir, "etcd")); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("data directory: %v, %v", st, err)
	}
	n.stop()
	n.stop = func() {}
	n = openNode(t, opts).run()
	n.Lead()
	n.awaitKey("services/shop", "1")
	n.await("leadership", func() bool { _, ok := n.Leader(); return ok })
}

func TestEmbedded_DamagedDirectoryIsServedReadOnlyOrRefused(t *testing.T) {
	t.Parallel()
	opts := embeddedOptions(t)
	n := openNode(t, opts).run()
	n.put("services/shop", "1")
	n.awaitKey("services/shop", "1")
	if err := n.Cut("r1", "", []byte("errors")); err != nil {
		t.Fatal(err)
	}
	n.awaitKey("cuts/r1/edge-1", "errors")
	n.stop()
	damage(t, opts.Embedded.Dir)

	f := func(want ...string) {
		t.Helper()
		// An etcd that died at its start leaves goroutines and locks behind: it gets a process of its own.
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childOpen+"="+opts.Embedded.Dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("the process died of its etcd: %v\n%s", err, out)
		}
		for _, w := range want {
			if !strings.Contains(string(out), w) {
				t.Errorf("no %q in\n%s", w, out)
			}
		}
	}
	f("update full from disk: services/shop=1", "status read-only true, connected false, error true",
		"commit: read-only", "cuts 2")
	if err := os.Remove(n.opts.Cache); err != nil {
		t.Fatal(err)
	}
	f("open: cannot open the embedded etcd in", opts.Embedded.Dir, "backup")
}

// openAndTell is the child of the test above.
func openAndTell(dir string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s, err := Open(ctx, Options{Embedded: &Embedded{Dir: dir}, Node: "edge-1", tuning: testTuning()}, zap.NewNop())
	if err != nil {
		fmt.Println("open:", err)
		return
	}
	go s.Run(ctx)
	u := <-s.Updates()
	for _, kv := range u.Puts {
		fmt.Printf("update full from %s: %s=%s\n", u.Source, kv.Key, kv.Value)
	}
	st := s.Status()
	fmt.Printf("status read-only %v, connected %v, error %v\n", st.ReadOnly, st.Connected, st.Err != nil)
	if _, err := s.Commit(ctx, Txn{Then: []Op{Delete("services/shop")}}); errors.Is(err, ErrReadOnly) {
		fmt.Println("commit: read-only")
	}
	if err := s.Cut("r2", "", []byte("errors")); err == nil {
		fmt.Println("cuts", len(s.Cuts()))
	}
}

// damage overwrites what etcd wrote.
func damage(t *testing.T, dir string) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "etcd", "member", "wal", "0*.wal"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("no log to damage: %v", err)
	}
	for _, path := range logs {
		if err := os.WriteFile(path, []byte(strings.Repeat("garbage!", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
