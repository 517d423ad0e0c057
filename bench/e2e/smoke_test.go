//go:build e2e

package e2e

import (
	"testing"
	"time"
)

// smoked is a blue-green release that looks at green before any user does, and
// goes on looking.
const smoked = `smoke:
  - {get: /healthz, expect: {status: 200, within: 5s}}
  - {get: /, expect: {status: 200, within: 5s}}
bake: 1m
`

func TestSmoke_ABuildThatFailsItsChecksMeetsNoUser(t *testing.T) {
	w := newWorld(t, options{})
	w.fail(w.green, "errors=1")
	traffic := w.load().Open(300)
	id := w.begin(plan("blue-green", smoked) + "    - {condition: smoke_test == failing, count: 1}\n")
	r := w.await(id, "failed", 30*time.Second)
	w.holds(r.Reason, "smoke checks failed", "GET / of "+w.green.Address+" answered 500, not 200")
	shots := traffic.Stop()
	w.unharmed(shots)
	w.only("blue", shots)
}

func TestSmoke_ABuildThatFailsItsChecksLaterIsPutBack(t *testing.T) {
	w := newWorld(t, options{})
	traffic := w.load().Open(300)
	id := w.begin(plan("blue-green", smoked) + "    - {condition: smoke_test == failing, count: 1}\n")
	w.await(id, "baking", 30*time.Second)
	// Users are not hurt: only the page that smoke checks ask for is broken.
	w.fail(w.green, "unhealthy=1")
	r := w.await(id, "rolled_back", 40*time.Second)
	back := time.Now()
	time.Sleep(time.Second)
	shots := traffic.Stop()
	w.unharmed(shots)
	w.only("blue", shots.After(back))
	t.Logf("%s", r.Reason)
}
