package control

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/weirproxy/weir/control/rollout"
)

// What a crash left behind is dropped once etcd says that its rollout is over,
// and never what a rollout in force goes on from.
func TestSweep_DropsTheFusesOfRolloutsThatAreOver(t *testing.T) {
	b := newBare(t)
	fuses := filepath.Join(b.dir, "fuses")
	leave := func(id string) {
		t.Helper()
		if err := os.MkdirAll(fuses, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(fuses, id+".fuse"), []byte("of a former life"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	left := func(want ...string) {
		t.Helper()
		got, err := b.opts.Store.Fuses()
		if err != nil || !slices.Equal(slices.Sorted(slices.Values(got)), want) {
			t.Fatalf("fuses of %q are left, %v; want %q", got, err, want)
		}
	}
	leave("r0")
	leave("r1")
	leave("unknown")
	over := running()
	over.Rollout.ID, over.Rollout.Phase = "r0", rollout.Succeeded
	values := shopWith(nil)
	values["rollouts/r0"] = over.Rollout
	b.deliver(true, values)
	left("r1")

	b.pass(0)
	b.deliver(false, shopWith(func(p *rollout.Pair) { *p = must(*p, rollout.Command{At: shopTime(), Verb: "abort"}) }))
	b.deliver(true, shopWith(func(p *rollout.Pair) { *p = must(*p, rollout.Command{At: shopTime(), Verb: "abort"}) }))
	left("r1") // its aftermath is not over
	b.pass(2 * aftermath)
	left()
}
