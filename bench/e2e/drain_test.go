//go:build e2e

package e2e

import (
	"testing"

	"github.com/weirproxy/weir/bench/lab"
)

func TestDrain_BusyClientsLoseNoRequest(t *testing.T) {
	for range 3 {
		run, err := labOf.Drain(lab.DrainOptions{Clients: 64})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s", run)
		if run.Lost > 0 {
			t.Errorf("%d of %d requests were lost: %s", run.Lost, len(run.Shots), run.Shots)
		}
	}
}
