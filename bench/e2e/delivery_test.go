//go:build e2e && chromium

package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// tell sends a document or a body that must be taken.
func (w *world) tell(method, path string, body any) {
	w.t.Helper()
	answer, err := w.api.Call(method, path, body)
	w.check(err)
	if answer.Status >= 300 {
		w.t.Fatalf("%s %s: %d %s", method, path, answer.Status, answer.Body)
	}
}

// deliver tells of two releases of the shop, of staging, and of two flags.
func (w *world) deliver() {
	w.t.Helper()
	now := time.Now().UTC()
	cut := func(version, previous string, ago time.Duration, rest string) {
		at := now.Add(-ago).Format(time.RFC3339)
		w.tell(http.MethodPut, "/v1/releases/shop/"+version, lab.Document(fmt.Sprintf(
			"kind: Release\napplication: shop\nversion: %s\nprevious: %q\nat: %s\nauthor: Ana Silva\ncommit: 4be1c0ffee12\nlink: https://ci.example.com/builds/7\n%s", version, previous, at, rest)))
	}
	commit := func(ago time.Duration) string { return now.Add(-ago).Format(time.RFC3339) }
	cut("v1.4.2", "", 9*24*time.Hour, fmt.Sprintf(`tasks: [{id: SHOP-8, title: Search answers at once, link: "https://tasks.example.com/SHOP-8"}]
changes: [{type: perf, scope: search, text: ask the index once, at: %q, author: Bo, tasks: [SHOP-8]}]
`, commit(10*24*time.Hour)))
	cut("v1.5.0", "v1.4.2", 20*time.Hour, fmt.Sprintf(`tasks:
  - {id: SHOP-12, title: Coupons at the checkout, link: "https://tasks.example.com/SHOP-12"}
  - {id: SHOP-13, title: A price is rounded half up and no longer to the nearest even number}
changes:
  - {type: feat, scope: cart, text: take coupons, commit: 0123456789abcdef, at: %[1]q, author: Ana Silva, tasks: [SHOP-12]}
  - {type: fix, scope: price, text: round half up, commit: 89abcdef01234567, at: %[1]q, author: Bo, tasks: [SHOP-13]}
  - {type: feat, text: "/v1/prices is gone, ask /v2/prices", breaking: true, at: %[1]q, author: Bo}
  - {type: chore, text: tidy up, at: %[1]q}
`, commit(26*time.Hour)))
	report := func(environment, version, state string, began, took time.Duration) {
		w.tell(http.MethodPost, "/v1/deployments", map[string]any{
			"application": "shop", "environment": environment, "version": version, "state": state, "via": "pipeline", "link": "https://ci.example.com/runs/9",
			"started_at": now.Add(-began), "ended_at": now.Add(-began + took), "reason": map[string]string{"rolled_back": "error_rate > 1% was broken", "live": ""}[state],
		})
	}
	report("staging", "v1.5.0", "live", 19*time.Hour, 4*time.Minute)
	report("production", "v1.4.2", "live", 8*24*time.Hour, 50*time.Minute)
	report("production", "v1.5.0", "rolled_back", 18*time.Hour, 70*time.Second)
	w.tell(http.MethodPut, "/v1/flags/new-checkout", lab.Document(`kind: Flag
name: new-checkout
services: [shop]
record: true
split: {off: 80%, on: 20%}
rules:
  - {name: staff, variant: "on", when: [{header: X-Staff}]}
  - {variant: "off", until: "2030-01-01T00:00:00Z", when: [{attribute: country, values: [CH, AT]}]}
`))
	migrated := func(environment, name, phase, state string, done int, breaks ...string) {
		body := map[string]any{"phase": phase, "state": state, "steps": 3, "steps_done": done}
		if len(breaks) > 0 {
			body["breaks"] = breaks
		}
		w.tell(http.MethodPut, "/v1/migrations/shop/"+environment+"/"+name, body)
	}
	migrated("staging", "users-email", "expand", "done", 3)
	migrated("production", "users-email", "expand", "done", 3)
	migrated("staging", "users-email-fill", "migrate", "running", 1)
	migrated("staging", "users-email-drop", "contract", "pending", 0, "v1.4.2")
	w.tell(http.MethodPut, "/v1/flags/theme", lab.Document("kind: Flag\nname: theme\ntype: string\ndefault: plain\nvariants: {plain: plain, snow: snow and bells}\n"))
}

// What was released is followed to its users, flags are switched off, and each
// page looks well.
func TestDashboard_ShowsReleasesFlagsAndAdvice(t *testing.T) {
	w, b := dashboardWorld(t)
	w.deliver()
	traffic := w.load().Open(100)
	defer traffic.Stop()
	b.open("/applications")
	b.logIn(operatorToken)
	b.awaitText("#app-shop", "2 pending for production")
	b.awaitText("#app-shop", "1 of 2")
	b.mark()
	id := w.begin(`kind: Rollout
service: shop
to: green
release: v1.5.0
strategy: canary
stages:
  - {weight: 25%, duration: 10m}
  - {weight: 100%, duration: 10m}
rollback:
  triggers:
    - {condition: error_rate > 50%, duration: 10s}
`)
	b.awaitText("#app-shop", "25% of the users")
	b.marked()
	for name, path := range map[string]string{
		"applications": "/applications", "application": "/applications/shop", "release": "/applications/shop/releases/v1.5.0",
		"flags": "/flags", "flag": "/flags/new-checkout", "advice": "/advice", "service-advised": "/services/shop",
	} {
		b.look(name, path)
	}
	b.dress(1280, 900, "light")

	b.open("/applications/shop")
	b.awaitText("#tasks", "canary at 25%")
	b.mark()
	w.check(w.api.Act(id, "abort"))
	b.awaitText("#tasks", "rolled back")
	b.awaitText("#deployments", "aborted")
	b.marked()

	b.open("/flags/new-checkout")
	b.await("requests by variant", "parseFloat(document.querySelector('#v-on td.n ~ td.n')?.innerText) > 0")
	b.mark()
	b.write("#carries", "X-Staff=1")
	b.awaitText("#tried", "rule staff decides")
	b.shot("flag-tried")
	b.click("#verb-kill")
	b.awaitText("#confirm-effect", "Everybody gets off at once")
	b.press("checkout is slow\r")
	b.awaitText("#story", "Switched off: everybody gets off.")
	b.awaitText("#state", "checkout is slow")
	b.shot("flag-killed")
	b.click("#verb-restore")
	b.awaitText("#confirm-effect", "Rules and shares count again")
	b.click("#confirm-yes")
	b.await("the way to switch it off again", "document.querySelector('#verb-kill')")
	b.marked()
	b.quiet()
}
