//go:build e2e && chromium

package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// Tokens of the dashboard's tests.
const (
	operatorToken = "operator-0123456789abcdef"
	viewerToken   = "viewer-0123456789abcdef"
	adminToken    = "admin-0123456789abcdef"
	tokensFile    = "tokens:\n" +
		"  - {name: vera, role: viewer, token: " + viewerToken + "}\n" +
		"  - {name: olaf, role: operator, token: " + operatorToken + "}\n" +
		"  - {name: ada, role: admin, token: " + adminToken + "}\n"
)

func dashboardWorld(t *testing.T) (*world, *browser) {
	t.Helper()
	w := newWorld(t, options{tokens: tokensFile, token: adminToken})
	return w, newBrowser(t, w.node.Control)
}

func (b *browser) logIn(token string) {
	b.t.Helper()
	b.write("#token", token+"\r")
}

// began starts a canary that stays at 25 %.
func (w *world) began() string {
	w.t.Helper()
	// Errors alone: a machine that is busy with a browser may be slow for one
	// version only.
	id := w.begin(`kind: Rollout
service: shop
to: green
strategy: canary
stages:
  - {weight: 25%, duration: 10m}
  - {weight: 100%, duration: 10m}
rollback:
  triggers:
    - {condition: error_rate > 1%, duration: 10s}
`)
	w.awaitStage(id, 0, 20*time.Second)
	return id
}

// A rollout goes bad under real traffic while somebody watches, and nobody
// touches the page.
func TestDashboard_ShowsARolloutGoBadAndBePutBack(t *testing.T) {
	w, b := dashboardWorld(t)
	traffic := w.load().Open(200)
	defer traffic.Stop()

	b.open("/rollouts?q=shop")
	b.shot("login")
	b.readable()
	b.logIn("a-token-that-is-unknown")
	b.awaitText("#problem", "The token is unknown.")
	b.logIn(operatorToken)
	b.await("the page that was asked for", "location.pathname + location.search === '/rollouts?q=shop'")
	if cookie := eval[string](b, "document.cookie"); cookie != "" {
		t.Errorf("scripts can read %q", cookie)
	}
	b.open("/")
	b.awaitText("#s-shop", "blue")
	b.await("requests", "parseFloat(document.querySelector('#s-shop td.version ~ td.n ~ td.n').innerText) > 50")
	b.mark()

	id := w.began()
	b.awaitText("#s-shop", "progressing")
	b.awaitText("#s-shop", "25%")
	b.marked()
	b.click("#s-shop a.now")
	b.await("the rollout", fmt.Sprintf("location.pathname === '/rollouts/%s'", id))
	b.mark()
	b.await("both charts", "document.querySelectorAll('.plot').length === 2 && document.querySelectorAll('.plot polyline').length >= 3")
	b.shot("rollout-progressing")

	w.fail(w.green, "errors=0.5")
	b.awaitText("#story", "weir put all traffic of shop back on blue: green was proven worse.")
	b.marked()
	if r, err := w.api.Rollout(id); err != nil || r.Phase != "rolled_back" {
		t.Errorf("the API says %s, %v", r.Phase, err)
	}
	b.await("the rule that decided", "document.querySelector('tr.decided .v-fail')")
	b.await("no way to abort what is over", "!document.querySelector('#verb-abort') && document.querySelector('#verb-retry')")
	b.awaitText("#log", "weir")
	b.await("the evidence at its threshold", "[...document.querySelectorAll('.plot polyline')].some(l => l.getAttribute('points').includes(',0 ') || l.getAttribute('points').endsWith(',0'))")
	b.shot("rollout-rolled-back")
	b.looks(id)
	b.quiet("401 (Unauthorized)")
}

// looks takes pictures of every page, by day and night and on a phone.
func (b *browser) looks(id string) {
	b.t.Helper()
	for name, path := range map[string]string{
		"services": "/", "service": "/services/shop", "rollouts": "/rollouts", "rollout": "/rollouts/" + id,
		"nodes": "/nodes", "events": "/events", "audit": "/audit", "notifiers": "/notifiers",
	} {
		b.look(name, path)
	}
	b.dress(1280, 900, "light")
}

// look takes pictures of one page.
func (b *browser) look(name, path string) {
	b.t.Helper()
	b.open(path)
	b.dress(1280, 900, "light")
	b.await("the page", "document.querySelector('main h1')")
	b.readable()
	b.sound()
	b.shot(name)
	b.dress(1280, 900, "dark")
	b.readable()
	b.shot(name + "-dark")
	b.dress(360, 780, "light")
	b.fits()
	b.shot(name + "-360")
}
func TestDashboard_APersonActsByKeyboardAndMouse(t *testing.T) {
	w, b := dashboardWorld(t)
	traffic := w.load().Open(100)
	defer traffic.Stop()
	id := w.began()
	b.open("/rollouts/" + id)
	b.logIn(operatorToken)
	b.awaitText("#story", "green has 25% of shop.")
	b.mark()

	// Somebody who is quick opens the dialog again before its end is told.
	eval[int](b, "(() => { const b = document.querySelector('#verb-pause'); b.click(); document.querySelector('dialog').close(); b.click(); return 1; })()")
	b.awaitText("#confirm-effect", "The weights stay as they are (green has 25%)")
	b.click("#confirm-yes")
	b.awaitText("#story", "shop is paused with green at 25%.")
	b.awaitText("#told", "paused")

	// Somebody else resumes it while this dialog is open.
	b.click("#verb-promote")
	b.awaitText("#confirm-effect", "Stage 2 of 2 begins now")
	b.awaitText("dialog", "To 100% at once")
	w.check(w.api.Act(id, "resume"))
	b.awaitText("#story", "green has 25% of shop.")
	b.click("#confirm-yes")
	b.await("the API's own words", "document.querySelector('#confirm-problem p')")
	if text := b.text("#confirm-problem"); !strings.Contains(text, "revision") {
		t.Errorf("the dialog says %q", text)
	}
	b.shot("dialog-problem")
	b.press("\x1b")
	b.await("no dialog", "!document.querySelector('dialog[open]')")

	b.open("/rollouts/" + id)
	b.awaitText("#story", "green has 25% of shop.")
	b.mark()
	b.tabTo("verb-abort")
	b.press("\r")
	b.awaitText("#confirm-effect", "All traffic of shop goes back to blue at once; green has 25% of it now.")
	b.press("\x1b")
	b.await("no dialog", "!document.querySelector('dialog[open]') && document.activeElement.id === 'verb-abort'")
	if r, err := w.api.Rollout(id); err != nil || r.Phase != "progressing" {
		t.Fatalf("Escape did something: %s, %v", r.Phase, err)
	}
	b.press("\r")
	b.await("the dialog", "document.querySelector('dialog[open]') && document.activeElement.id === 'confirm-reason'")
	b.press("checkout is slow")
	if text := b.text("dialog"); strings.Contains(text, "100%") {
		t.Errorf("the dialog of an abort says %q", text)
	}
	b.shot("dialog-abort")
	b.dress(360, 780, "dark")
	b.fits()
	b.shot("dialog-abort-360")
	b.dress(1280, 900, "light")
	b.readable()
	b.press("\r")
	b.awaitText("#story", "A person put all traffic of shop back on blue.")
	b.marked()
	r, err := w.api.Rollout(id)
	w.check(err)
	if r.Phase != "aborted" || !strings.Contains(r.Reason, "olaf") || !strings.Contains(r.Reason, "checkout is slow") {
		t.Errorf("the API says %s: %s", r.Phase, r.Reason)
	}
	b.await("nothing left to abort", "!document.querySelector('#verb-abort')")

	b.click(".who button")
	b.await("the login", "location.pathname === '/login'")
	b.open("/audit")
	b.logIn(viewerToken)
	b.awaitText("#audit", "olaf")
	b.open("/rollouts/" + id)
	b.awaitText("#verbs", "Your token has the role viewer")
	b.quiet("412 (Precondition Failed)")
}

// applyMany creates services svc-0000 and so on.
func (w *world) applyMany(n int) {
	w.t.Helper()
	var workers sync.WaitGroup
	failed := make(chan error, n)
	for first := range 8 {
		workers.Go(func() {
			for i := first; i < n; i += 8 {
				name := fmt.Sprintf("svc-%04d", i)
				if err := w.api.Apply(name, lab.Document(fmt.Sprintf(
					"kind: Service\nname: %s\nroutes: [{host: %s.example.com}]\nversions:\n  blue: {endpoints: [%q], revision: v1}\n  green: {endpoints: [%q], revision: v2}\nstable: blue\n",
					name, name, w.blue.Address, w.green.Address))); err != nil {
					failed <- err
				}
			}
		})
	}
	workers.Wait()
	close(failed)
	w.check(<-failed)
}

// With a thousand services the page stays live, and asks no more often.
func TestDashboard_IsLiveWithAThousandServices(t *testing.T) {
	w, b := dashboardWorld(t)
	w.applyMany(1000)
	load := w.load()
	load.Host = "svc-0777.example.com"
	traffic := load.Open(100)
	defer traffic.Stop()
	b.open("/")
	b.logIn(viewerToken)
	b.awaitText("#facts", "1\u202f001 services")
	b.mark()
	b.write("#q", "0777")
	b.await("one service", "document.querySelectorAll('#services tbody').length === 1 && document.querySelector('#s-svc-0777')")
	b.await("its requests", "parseFloat(document.querySelector('#s-svc-0777 td.version ~ td.n ~ td.n').innerText) > 20")
	if at := eval[string](b, "document.activeElement.id + document.activeElement.value"); at != "q0777" {
		t.Errorf("the focus is on %q: bringing the page up to date took it away", at)
	}
	b.open("/?page=3")
	b.awaitText(".pager", "101–150 of 1\u202f001")
	b.mark()
	before, began := eval[int](b, "performance.getEntriesByType('resource').length"), time.Now()
	b.await("ten more looks", fmt.Sprintf("performance.getEntriesByType('resource').length >= %d", before+10))
	if took := time.Since(began); took < 3*time.Second {
		t.Errorf("the page asked ten times in %s", took)
	}
	b.marked()
	b.shot("services-1000")
	size := eval[int](b, "performance.getEntriesByType('navigation')[0].transferSize + performance.getEntriesByType('resource').filter(r => r.name.includes('/assets/')).reduce((sum, r) => sum + r.decodedBodySize, 0)")
	t.Logf("the first paint is %d bytes", size)
	if size > 200_000 {
		t.Errorf("the first paint is %d bytes", size)
	}
	b.quiet()
}
