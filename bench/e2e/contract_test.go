//go:build e2e

package e2e

import (
	"os"
	"testing"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// contractOf is a document that must be taken as it stands.
func contractOf(t *testing.T, name string) lab.Document {
	t.Helper()
	data, err := os.ReadFile("../../configs/testdata/contract/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return lab.Document(data)
}

func TestContract_BlueGreenIsSeenCheckedApprovedAndSwitched(t *testing.T) {
	w := newWorld(t, options{})
	traffic := w.load().Open(200)
	id := w.begin(contractOf(t, "blue-green.yaml"))
	r, err := w.api.AwaitRollout(id, "waiting for approval", 20*time.Second, func(r *lab.Rollout) bool { return r.WaitingFor == "approval" })
	w.check(err)
	if r.Phase != "pending" || r.Weights["blue"] != "100%" {
		t.Errorf("it waits %s with %v", r.Phase, r.Weights)
	}
	if v := w.shown(); v != "green" {
		t.Errorf("the preview shows %q", v)
	}
	w.check(w.api.Act(id, "approve"))
	w.await(id, "baking", 20*time.Second)
	time.Sleep(time.Second)
	w.check(w.api.Act(id, "promote")) // nobody waits for ten minutes here
	w.await(id, "succeeded", 20*time.Second)
	ended := time.Now()
	time.Sleep(time.Second)
	shots := traffic.Stop()
	w.unharmed(shots)
	w.only("green", shots.After(ended))
}

func TestContract_BlueGreenFailsItsSmokeChecksBeforeAnyUser(t *testing.T) {
	w := newWorld(t, options{})
	w.fail(w.green, "errors=1")
	traffic := w.load().Open(200)
	id := w.begin(contractOf(t, "blue-green.yaml"))
	r := w.await(id, "failed", 30*time.Second)
	w.holds(r.Reason, "smoke checks failed once")
	shots := traffic.Stop()
	w.unharmed(shots)
	w.only("blue", shots)
}
