package store

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// served is a node with a state that etcd then loses.
func served(t *testing.T, e *etcdProcess) (n *node, opts Options) {
	t.Helper()
	opts = e.options("edge-1")
	n = openNode(t, opts).run()
	n.Announce([]byte(`"boot 1"`))
	n.Lead()
	n.put(CookieKey, `"secret"`)
	for range 20 {
		n.put("services/shop", `"1"`)
	}
	if err := n.Cut("r1", "", []byte(`"errors"`)); err != nil {
		t.Fatal(err)
	}
	n.awaitKey("cuts/r1/edge-1", `"errors"`)
	n.await("the copy", func() bool {
		c, err := readCopy(n.opts.Cache, n.opts.Prefix)
		return err == nil && len(c.KVs) == 3
	})
	return n, opts
}

func (e *etcdProcess) replace(with func()) {
	e.t.Helper()
	e.kill()
	e.wipe()
	with()
	e.start()
}

func TestStranger_AWipedEtcdTakesNothingAway(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	n, opts := served(t, e)
	before := n.last.Revision
	e.replace(func() {})
	n.await("the loss is noticed", func() bool { return errors.Is(n.Status().Err, errStranger) })

	disowned := func() {
		t.Helper()
		if n.view["services/shop"] != `"1"` || n.Status().Connected {
			t.Errorf("the state went with etcd: %v, %+v", n.view, n.Status())
		}
		if _, err := n.Commit(t.Context(), Txn{If: []Compare{Absent("services/new")}, Then: []Op{Put("services/new", []byte("1"))}}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("a write into an etcd that is not this node's: %v", err)
		}
		if _, leads := n.Leader(); leads {
			t.Error("it leads a fleet whose state it does not follow")
		}
	}
	disowned()
	n.await("the lead is free for others", func() bool {
		resp, err := n.raw().Get(t.Context(), n.key(LeaderKey))
		return err == nil && resp.Count == 0
	})

	// Somebody who knows no better begins a state of the same name.
	if _, err := n.raw().Put(t.Context(), n.key("services/shop"), `"other"`); err != nil {
		t.Fatal(err)
	}
	if _, err := n.raw().Put(t.Context(), n.key(CookieKey), `"another"`); err != nil {
		t.Fatal(err)
	}
	n.take(time.Second)
	disowned()

	// Nor does a process that begins now take it over.
	n.stop()
	n = openNode(t, opts).run()
	n.await("the copy", func() bool { return n.view["services/shop"] == `"1"` })
	n.await("the loss is noticed", func() bool { return errors.Is(n.Status().Err, errStranger) })
	disowned()

	d, err := n.Dump(t.Context())
	if err != nil || len(d.Keys) != 3 {
		t.Fatalf("export of what is served: %+v, %v", d, err)
	}
	if _, err := n.Restore(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	n.await("the state is etcd's again", func() bool { return n.Status().Connected && n.last.Source == SourceEtcd })
	if n.last.Revision >= before {
		t.Errorf("revision %d after the wipe, %d before: the test proves nothing", n.last.Revision, before)
	}
	n.awaitKey("cuts/r1/edge-1", `"errors"`)
	n.put("services/new", "1")
	n.awaitKey("services/new", "1")
}

func TestStranger_ARestoredBackupIsFollowed(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	opts := e.options("edge-1")
	n := openNode(t, opts).run()
	n.put(CookieKey, `"secret"`)
	n.put("services/shop", `"old"`)
	n.awaitKey("services/shop", `"old"`)
	e.kill()
	backup := filepath.Join(t.TempDir(), "backup")
	if err := os.CopyFS(backup, os.DirFS(filepath.Join(e.dir, "data"))); err != nil {
		t.Fatal(err)
	}
	e.start()
	n.await("etcd is back", func() bool { return n.Status().Connected })
	for range 30 {
		n.put("services/shop", `"new"`)
	}
	n.put("services/later", `"1"`)
	if err := n.Cut("r1", "", []byte(`"errors"`)); err != nil {
		t.Fatal(err)
	}
	n.awaitKey("cuts/r1/edge-1", `"errors"`)
	before := n.last.Revision

	e.replace(func() {
		if err := os.CopyFS(filepath.Join(e.dir, "data"), os.DirFS(backup)); err != nil {
			t.Fatal(err)
		}
	})
	n.await("the backup's state, with the cut that it lacks", func() bool {
		_, later := n.view["services/later"]
		return n.view["services/shop"] == `"old"` && !later && n.view["cuts/r1/edge-1"] == `"errors"`
	})
	if n.last.Revision >= before {
		t.Errorf("revision %d, %d before the restore: the test proves nothing", n.last.Revision, before)
	}
	n.await("the lost state is kept aside", func() bool {
		_, err := os.Stat(n.opts.Cache + ".previous")
		return err == nil
	})
}

func TestKin_Disowns(t *testing.T) {
	known := kin{cluster: 7, revision: 100, salt: []byte("secret"), services: true}
	cases := []struct {
		name  string
		known kin
		found kin
		want  bool
	}{
		{"its own, later", known, kin{cluster: 7, revision: 100}, false},
		{"its own, with new keys", known, kin{cluster: 7, revision: 130, salt: []byte("new"), services: true}, false},
		{"wiped", known, kin{cluster: 7, revision: 3}, true},
		{"another cluster", known, kin{cluster: 8, revision: 130, services: true}, true},
		{"begun anew by others", known, kin{cluster: 7, revision: 9, salt: []byte("new"), services: true}, true},
		{"restored", known, kin{cluster: 7, revision: 90, salt: []byte("secret"), services: true}, false},
		{"moved", known, kin{cluster: 8, revision: 9, salt: []byte("secret"), services: true}, false},
		{"a copy of a release that did not note the cluster", kin{revision: 100, salt: []byte("secret"), services: true}, kin{cluster: 8, revision: 130}, false},
		{"nothing to lose", kin{cluster: 7, revision: 100, salt: []byte("secret")}, kin{cluster: 8}, false},
		{"a node that begins", kin{}, kin{cluster: 7, revision: 3, services: true}, false},
	}
	for _, c := range cases {
		if got := c.known.disowns(c.found); got != c.want {
			t.Errorf("%s: disowned %v, want %v", c.name, got, c.want)
		}
	}
}

func TestKin_IsTheSameThroughARotationOfKeys(t *testing.T) {
	of := func(value string) []byte {
		return kinOf(7, 1, []KV{{Key: CookieKey, Value: []byte(value)}}).salt
	}
	f := func(a, b string, want bool) {
		t.Helper()
		if got := string(of(a)) == string(of(b)); got != want {
			t.Errorf("%s and %s are the same: %v", a, b, got)
		}
	}
	f(`{"signing":"a","keys":[1],"salt":"AAAAAAAAAAAAAAAAAAAAAQ=="}`, `{"signing":"b","keys":[1,2],"salt":"AAAAAAAAAAAAAAAAAAAAAQ=="}`, true)
	f(`{"signing":"a","salt":"AAAAAAAAAAAAAAAAAAAAAQ=="}`, `{"signing":"a","salt":"AAAAAAAAAAAAAAAAAAAAAg=="}`, false)
	f(`"secret"`, `"another"`, false)
	f(`{}`, `{"salt":""}`, false)
}
