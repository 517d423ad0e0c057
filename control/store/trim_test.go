package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTrim_DatabaseIsShortAndWhole(t *testing.T) {
	t.Parallel()
	opts := embeddedOptions(t)
	opts.tuning.noFsync = false // else the file grows by what is written
	dir := filepath.Join(opts.Embedded.Dir, "etcd")
	if err := trim(dir); err != nil {
		t.Fatalf("of a database that is not there yet: %v", err)
	}
	value := strings.Repeat("v", 100_000)
	n := openNode(t, opts)
	n.put("services/shop", value)
	n.stop()
	n.stop = func() {}
	size := func() int64 {
		t.Helper()
		info, err := os.Stat(filepath.Join(dir, "member", "snap", "db"))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	if size() < 16<<20 {
		t.Fatalf("%d bytes: etcd takes no room ahead any more, and trim is of no use", size())
	}
	for range 2 { // the second finds nothing to do
		if err := trim(dir); err != nil {
			t.Fatal(err)
		}
		if size() > 2<<20 {
			t.Errorf("%d bytes for one value of 100 000", size())
		}
	}
	n = openNode(t, opts).run()
	n.awaitKey("services/shop", value)
	n.put("services/blog", value)
	n.awaitKey("services/blog", value)
}
