//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// TestShield_UsersNeverSeeABadCandidate breaks a version under trial in every way
// that shows before the first byte: the judge puts the traffic back as fast as
// ever, and no user sees a failure.
func TestShield_UsersNeverSeeABadCandidate(t *testing.T) {
	for name, fault := range map[string]string{"errors": "errors=1", "half": "errors=0.5", "resets": "reset=1", "cut": "truncated=0.5"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, options{sticky: "shield: true"})
			traffic := w.load().Open(200)
			id := w.begin(canary("{weight: 10%, duration: 60s}"))
			w.awaitStage(id, 0, 10*time.Second)
			time.Sleep(3 * time.Second)

			broke := w.fail(w.green, fault)
			r := w.await(id, "rolled_back", 30*time.Second)
			t.Logf("rolled_back known %s after the fault: %s", time.Since(broke).Round(time.Millisecond), r.Reason)
			time.Sleep(time.Second)
			shots := traffic.Stop()
			w.unharmed(shots)
			w.holds(r.Reason, "error_rate > 1%")
			if s := w.stats(w.green); s.Errors == 0 {
				t.Error("green never failed: nothing was shielded")
			}
		})
	}
}

// TestRetry_NoRequestIsLostWhileOneEndpointLives gives the version two endpoints,
// of which one ends in the middle of it.
func TestRetry_NoRequestIsLostWhileOneEndpointLives(t *testing.T) {
	w := newWorld(t, options{})
	w.check(w.api.Apply("shop", w.bothBlue()))
	traffic := w.load().Open(200)
	time.Sleep(2 * time.Second)
	w.green.Kill()
	time.Sleep(3 * time.Second)
	w.unharmed(traffic.Stop())
}

// bothBlue is the service with both origins as endpoints of one version, without
// probes: nothing but the retry keeps requests from the one that is gone.
func (w *world) bothBlue() lab.Document {
	return lab.Document(fmt.Sprintf(`kind: Service
name: shop
routes: [{path: /}]
versions:
  blue: {endpoints: [%q, %q], revision: v1}
stable: blue
retry: {on: [reset]}
ejection: {failures: -1}
`, w.blue.Address, w.green.Address))
}
