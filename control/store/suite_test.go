package store

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// TestStore runs everything that does not end etcd, in both modes.
func TestStore(t *testing.T) {
	cases := []struct {
		name string
		run  func(t *testing.T, opts Options)
	}{
		{"LoadsThenFollowsInOrder", testLoadsThenFollows},
		{"KeepsATransactionInOneUpdate", testOneUpdatePerRevision},
		{"RefusesByEachCondition", testConditions},
		{"ReportsWhatIsThere", testExisting},
		{"CommitsProvenWhenAnswersAreLost", testLostAnswers},
		{"CountsEveryLostCommitOnce", testLostAnswersHistory},
		{"ListsAtARevision", testList},
		{"ReloadsAfterCompaction", testCompaction},
		{"AnnouncesUnderTheLease", testAnnounce},
		{"KeepsKeysThatWereDeleted", testKeepDeleted},
		{"LeadsAndGivesUp", testLead},
		{"PutsCutsAndForgets", testCuts},
		{"WritesTheDiskCopy", testDiskCopy},
		{"KeepsFuses", testFuses},
		{"DumpsAndRestores", testDump},
		{"RefusesASecondProcess", testLock},
	}
	external := startEtcd(t)
	for _, c := range cases {
		t.Run("Embedded/"+c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, embeddedOptions(t))
		})
		t.Run("External/"+c.name, func(t *testing.T) {
			t.Parallel()
			e := *external
			if c.name == "ReloadsAfterCompaction" {
				e = *startEtcd(t) // what it compacts the others may be about to watch
			}
			e.t = t
			c.run(t, e.options("edge-1"))
		})
	}
}

func testLoadsThenFollows(t *testing.T, opts Options) {
	n := openNode(t, opts)
	n.put("services/shop", "1")
	n.put("services/blog", "1")
	n.run().take(5 * time.Second)
	if !n.last.Full || n.last.Source != SourceEtcd || len(n.view) != 2 {
		t.Fatalf("first update %+v, want a full one with both services", n.last)
	}
	for i := range 50 {
		n.put("state/shop", fmt.Sprint(i))
	}
	seen := []string{}
	n.await("all changes", func() bool {
		if v, ok := n.view["state/shop"]; ok && (len(seen) == 0 || seen[len(seen)-1] != v) {
			seen = append(seen, v)
		}
		return n.view["state/shop"] == "49"
	})
	if len(seen) != 50 {
		t.Errorf("the consumer saw %d of 50 changes: %v", len(seen), seen)
	}
	if st := n.Status(); !st.Connected || st.Revision != n.last.Revision || st.Err != nil {
		t.Errorf("status %+v at revision %d", st, n.last.Revision)
	}
}

func testOneUpdatePerRevision(t *testing.T, opts Options) {
	n := openNode(t, opts).run()
	n.await("first load", func() bool { return n.last.Full })
	n.put("cuts/r1/a", "x")
	res := n.commit(Txn{Then: []Op{
		Put("rollouts/r1", []byte("rolled_back")),
		Put("state/shop", []byte("stable")),
		DeleteRange(CutsOf("r1")),
	}})
	n.awaitKey("rollouts/r1", "rolled_back")
	want := Update{Revision: res.Revision, Puts: n.last.Puts, Deletes: []string{"cuts/r1/a"}}
	if !reflect.DeepEqual(n.last, want) || len(n.last.Puts) != 2 {
		t.Errorf("update %+v, want the whole transaction at revision %d", n.last, res.Revision)
	}
}

func testConditions(t *testing.T, opts Options) {
	n := openNode(t, opts)
	made := n.put("services/shop", "1").Revision
	n.put("services/shop", "2")
	rev := n.put("services/shop", "3").Revision

	f := func(c Compare, want bool) {
		t.Helper()
		res := n.commit(Txn{If: []Compare{c}, Then: []Op{Put("audit/x", []byte("x"))}})
		if res.Committed != want {
			t.Errorf("transaction if %s: committed %v, want %v", c, res.Committed, want)
		}
	}

	f(ModRevision("services/shop", rev), true)
	f(ModRevision("services/shop", rev-1), false)
	f(ModRevision("services/blog", 0), true)
	f(Absent("services/blog"), true)
	f(Absent("services/shop"), false)
	f(Created("services/shop", made), true)
	f(Created("services/shop", rev), false)
	f(Empty(CutsOf("r1")), true)
	n.put("cuts/r10/a", "x")
	f(Empty(CutsOf("r1")), true)
	f(NoneSince(CutsOf("r1"), 0), true)
	n.put("cuts/r1/a", "x")
	known := n.put("cuts/r1/b", "x").Revision
	f(Empty(CutsOf("r1")), false)
	f(NoneSince(CutsOf("r1"), known), true)
	f(NoneSince(CutsOf("r1"), known-1), false)
	f(UnchangedSince("state/none/", 0), true)
	was := n.put("migrations/shop/production/a", "x").Revision
	f(UnchangedSince("migrations/shop/production/", was), true)
	n.put("migrations/shop/staging/a", "x")
	f(UnchangedSince("migrations/shop/production/", was), true)
	n.put("migrations/shop/production/a", "y")
	f(UnchangedSince("migrations/shop/production/", was), false)
	n.commit(Txn{Then: []Op{Delete("cuts/r1/a")}})
	f(Empty(CutsOf("r1")), false)
	n.commit(Txn{Then: []Op{Delete("cuts/r1/b")}})
	f(Empty(CutsOf("r1")), true)
}

func testExisting(t *testing.T, opts Options) {
	n := openNode(t, opts)
	first := n.put("state/shop", "mine").Revision
	second := n.put("state/shop", "theirs").Revision
	n.put("cuts/r1/a", "cut")
	res := n.commit(Txn{
		If:   []Compare{ModRevision("state/shop", first), Empty(CutsOf("r1")), Absent("rollouts/r1")},
		Then: []Op{Put("state/shop", []byte("lost"))},
	})
	var got []string
	for _, kv := range res.Existing {
		got = append(got, kv.Key+"="+string(kv.Value))
	}
	if want := []string{"state/shop=theirs", "cuts/r1/a=cut"}; res.Committed || !slices.Equal(got, want) {
		t.Fatalf("committed %v, existing %v, want %v", res.Committed, got, want)
	}
	if kv := res.Existing[0]; kv.ModRevision != second || kv.CreateRevision != first {
		t.Errorf("existing %+v, want revisions %d and %d", kv, second, first)
	}
	if kv, ok, err := n.Get(t.Context(), "state/shop"); err != nil || !ok || string(kv.Value) != "theirs" {
		t.Errorf("the refused transaction left %q, %v, %v", kv.Value, ok, err)
	}
}

func testList(t *testing.T, opts Options) {
	n := openNode(t, opts)
	n.put("services/b", "2")
	n.put("services/a", "1")
	rev := n.put("state/a", "3").Revision
	f := func(prefix string, want ...string) {
		t.Helper()
		kvs, at, err := n.List(t.Context(), prefix)
		var got []string
		for _, kv := range kvs {
			got = append(got, kv.Key)
		}
		if err != nil || !slices.Equal(got, want) || at < rev {
			t.Errorf("list of %q: %v at %d, %v; want %v at %d", prefix, got, at, err, want, rev)
		}
	}
	f("services/", "services/a", "services/b")
	f("", "services/a", "services/b", "state/a")
	f("rollouts/")
}

func testCompaction(t *testing.T, opts Options) {
	opts.tuning.relistEvery = 300 * time.Millisecond
	n := openNode(t, opts).run()
	n.await("first load", func() bool { return n.last.Full })
	n.put("services/old", "1")
	rev := n.commit(Txn{Then: []Op{Delete("services/old")}}).Revision
	n.put("services/new", "1")
	if _, err := n.raw().Compact(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
	// A watch from before the compaction is what a node that was away would ask for.
	ctx := t.Context()
	resp, ok := <-n.raw().Watch(ctx, n.key("")+"services/", clientv3.WithRev(1))
	if !ok || resp.CompactRevision == 0 {
		t.Fatalf("the history is still there: %+v", resp)
	}
	if err := n.watched(ctx, resp, resp.Header.ClusterId); err == nil {
		t.Error("a compacted watch went unnoticed")
	}
	n.last.Full = false
	n.await("the periodic re-list", func() bool { return n.last.Full && n.view["services/new"] == "1" })
	if _, ok := n.view["services/old"]; ok {
		t.Error("a deleted key came back")
	}
}

func testAnnounce(t *testing.T, opts Options) {
	n := openNode(t, opts)
	n.Announce([]byte("boot 1"))
	n.Announce([]byte("boot 2"))
	n.run().awaitKey("nodes/edge-1", "boot 2")
	resp, err := n.raw().Get(t.Context(), n.key("nodes/edge-1"))
	if err != nil || len(resp.Kvs) != 1 || resp.Kvs[0].Lease == 0 {
		t.Fatalf("the announcement is not under a lease: %v, %v", resp, err)
	}
	n.Keep(TallyKey("edge-1"), []byte("counts"))
	n.awaitKey("tallies/edge-1", "counts")
	// The lease ends, as if the node had been stopped for too long.
	if _, err := n.raw().Revoke(t.Context(), n.session.leaseID()); err != nil {
		t.Fatal(err)
	}
	n.await("the keys vanish", func() bool { return n.view["nodes/edge-1"] == "" })
	n.awaitKey("nodes/edge-1", "boot 2")
	n.awaitKey("tallies/edge-1", "counts")
	n.Keep(TallyKey("edge-1"), nil)
	n.await("an ended keeping deletes", func() bool { _, ok := n.view["tallies/edge-1"]; return !ok })
}

func testKeepDeleted(t *testing.T, opts Options) {
	n := openNode(t, opts)
	n.Announce([]byte("boot 1"))
	n.run().awaitKey("nodes/edge-1", "boot 1")
	n.commit(Txn{Then: []Op{Delete("nodes/edge-1")}})
	n.await("the key vanishes", func() bool { return n.view["nodes/edge-1"] == "" })
	n.awaitKey("nodes/edge-1", "boot 1")
}

func testLead(t *testing.T, opts Options) {
	n := openNode(t, opts).run()
	if _, ok := n.Leader(); ok {
		t.Error("a node that never asked for it leads")
	}
	changed := n.Lead()
	leads := func() bool { _, ok := n.Leader(); return ok }
	n.await("leadership", leads)
	<-changed
	fence, _ := n.Leader()
	res := n.commit(Txn{If: []Compare{fence}, Then: []Op{PutLeased("evidence/r1", []byte("e"))}})
	if !res.Committed {
		t.Error("the leader's write was refused")
	}
	// Somebody deletes the key: leadership is a new one, and the old fence is void.
	n.commit(Txn{Then: []Op{Delete(LeaderKey)}})
	n.await("a new fence", func() bool { now, ok := n.Leader(); return ok && now != fence })
	if res := n.commit(Txn{If: []Compare{fence}, Then: []Op{Put("evidence/r1", []byte("f"))}}); res.Committed {
		t.Error("a write under the old fence was accepted")
	}
}

func testCuts(t *testing.T, opts Options) {
	// A cut must not wait for a full load to be missed.
	opts.tuning.cutGrace = time.Hour
	n := openNode(t, opts).run()
	n.await("first load", func() bool { return n.last.Full })
	if err := n.Cut("r1", "", []byte("50% errors")); err != nil {
		t.Fatal(err)
	}
	n.awaitKey("cuts/r1/edge-1", "50% errors")
	// The rollout ends: its cuts are deleted while etcd is up, and stay deleted.
	n.commit(Txn{Then: []Op{DeleteRange(CutsOf("r1")), Put("rollouts/r1", []byte("rolled_back"))}})
	n.awaitKey("rollouts/r1", "rolled_back")
	if len(n.Cuts()) != 1 {
		t.Errorf("cuts %v, want the one of r1 until it is forgotten", n.Cuts())
	}
	if err := n.Forget("r1"); err != nil {
		t.Fatal(err)
	}
	n.put("audit/1", "x")
	n.awaitKey("audit/1", "x")
	if _, ok := n.view["cuts/r1/edge-1"]; ok || len(n.Cuts()) != 0 {
		t.Errorf("a forgotten cut came back: %v, %v", n.view, n.Cuts())
	}
}

func testDiskCopy(t *testing.T, opts Options) {
	n := openNode(t, opts).run()
	n.put("services/shop", "1")
	n.put("keys/cookie", "secret")
	n.put("evidence/r1", "counts")
	n.await("all", func() bool { return n.view["evidence/r1"] != "" })
	n.stop()
	c, err := readCopy(n.opts.Cache, n.opts.Prefix)
	if err != nil || len(c.KVs) != 2 || c.KVs[0].Key != "keys/cookie" || string(c.KVs[1].Value) != "1" {
		t.Fatalf("copy %+v, %v", c, err)
	}
	if st, err := os.Stat(n.opts.Cache); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the copy holds keys and has mode %v, %v", st.Mode(), err)
	}
	if _, err := readCopy(n.opts.Cache, "/weir/other"); err == nil {
		t.Error("a copy of another cluster was accepted")
	}
}

func testFuses(t *testing.T, opts Options) {
	n := openNode(t, opts).run()
	f := func(rollout, want string) {
		t.Helper()
		got, ok, err := n.LoadFuse(rollout)
		if err != nil || ok != (want != "") || string(got) != want {
			t.Errorf("fuse of %q: %q, %v, %v; want %q", rollout, got, ok, err, want)
		}
	}
	f("r1", "")
	for i := range 100 {
		n.SaveFuse("r1", fmt.Append(nil, "state ", i))
	}
	n.SaveFuse("../r2", []byte("other"))
	f("r1", "state 99")
	n.stop()
	n = openNode(t, opts)
	f("r1", "state 99")
	f("../r2", "other")
	listed := func(want ...string) {
		t.Helper()
		got, err := n.Fuses()
		if err != nil || !slices.Equal(slices.Sorted(slices.Values(got)), want) {
			t.Errorf("fuses on disk: %q, %v; want %q", got, err, want)
		}
	}
	listed("../r2", "r1")
	if err := n.Forget("r1"); err != nil {
		t.Fatal(err)
	}
	f("r1", "")
	listed("../r2")
	path := n.disk.fusePath("../r2")
	if !strings.HasPrefix(path, n.disk.fuseDir) || strings.Contains(path, "/../") {
		t.Errorf("the fuse of a strange name is at %q", path)
	}
	if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := n.LoadFuse("../r2"); ok || err == nil {
		t.Error("a damaged fuse was accepted")
	}
}

func testLock(t *testing.T, opts Options) {
	n := openNode(t, opts)
	opts.Dir, opts.Cache = n.opts.Dir, ""
	_, err := Open(t.Context(), opts, n.log)
	if err == nil || !strings.Contains(err.Error(), n.opts.Dir) || !strings.Contains(err.Error(), "another process") {
		t.Errorf("second process in one directory: %v", err)
	}
}
