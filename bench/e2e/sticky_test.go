//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

const byCookie = "sticky: {by: cookie}"

func (w *world) visitor(n int) *lab.Visitor {
	return &lab.Visitor{Target: w.node.Clients, From: fmt.Sprintf("10.9.%d.%d", n/250, n%250+1), Cookie: "weir_id"}
}

// visit asks once and returns the version that answered.
func (w *world) visit(v *lab.Visitor) string {
	w.t.Helper()
	shot, _, err := v.Visit()
	w.check(err)
	if shot.Failed() || shot.Version == "" {
		w.t.Fatalf("visitor %s: %+v", v.From, shot)
	}
	return shot.Version
}

func (w *world) weigh(green int) {
	w.t.Helper()
	w.check(w.api.Weigh("shop", map[string]string{"blue": fmt.Sprintf("%d%%", 100-green), "green": fmt.Sprintf("%d%%", green)}))
}

func TestSticky_AJarNeverFlipsBackOnTheWayUpAndFollowsAnAbortAtOnce(t *testing.T) {
	w := newWorld(t, options{sticky: byCookie})
	var jars []*lab.Visitor
	for n := range 300 {
		jars = append(jars, w.visitor(n))
	}
	was := make([]string, len(jars))
	for _, green := range []int{5, 25, 100} {
		w.weigh(green)
		moved := 0
		for n, jar := range jars {
			for range 3 {
				now := w.visit(jar)
				if was[n] == "green" && now == "blue" {
					t.Errorf("visitor %d was sent back to blue at %d%%", n, green)
				}
				if was[n] != now {
					moved++
				}
				was[n] = now
			}
		}
		on := 0
		for _, version := range was {
			if version == "green" {
				on++
			}
		}
		t.Logf("at %d%%: %d of %d jars on green", green, on, len(jars))
		if moved > len(jars) {
			t.Errorf("at %d%% there were %d moves of %d jars: some moved twice", green, moved, len(jars))
		}
		if want := len(jars) * green / 100; on < want-40 || on > want+40 {
			t.Errorf("%d of %d jars are on green at %d%%", on, len(jars), green)
		}
	}

	w.weigh(50)
	for _, jar := range jars {
		w.visit(jar)
	}
	w.check(w.api.Act(w.newest().ID, "abort"))
	for n, jar := range jars {
		if now := w.visit(jar); now != "blue" {
			t.Errorf("visitor %d is on %s after the abort", n, now)
		}
	}
}

func TestSticky_ParallelFirstRequestsOfOneClientAgree(t *testing.T) {
	w := newWorld(t, options{sticky: byCookie})
	w.weigh(50)
	met := map[string]int{}
	for n := range 20 {
		awaitMinute()
		var first sync.WaitGroup
		versions, given, errs := make([]string, 8), make([]string, 8), make([]error, 8)
		for i := range versions {
			first.Go(func() {
				var shot lab.Shot
				shot, given[i], errs[i] = w.visitor(1000 + n).Visit() // without a cookie
				versions[i] = shot.Version
			})
		}
		first.Wait()
		for i := range versions {
			w.check(errs[i])
			if versions[i] != versions[0] {
				t.Errorf("client %d met both versions at once: %v", n, versions)
			}
		}
		met[versions[0]]++
		// Whichever of the cookies the browser keeps, it stays where it is.
		for i := range given {
			jar := w.visitor(1000 + n)
			jar.Set(given[i])
			if now := w.visit(jar); given[i] == "" || now != versions[0] {
				t.Errorf("client %d met %s and goes to %s with cookie %q", n, versions[0], now, given[i])
			}
		}
	}
	if len(met) != 2 {
		t.Errorf("20 clients at 50%% all met the same version: %v", met)
	}
}

// awaitMinute keeps requests that must agree out of the change of a minute,
// which is part of the hash of clients without a cookie.
func awaitMinute() {
	if left := time.Minute - time.Duration(time.Now().UnixNano())%time.Minute; left < time.Second {
		time.Sleep(left + 10*time.Millisecond)
	}
}

func TestSticky_AForgedCookieIsANewVisitor(t *testing.T) {
	w := newWorld(t, options{sticky: byCookie})
	w.weigh(50)
	// Someone on blue wants to be on green.
	jar, green := w.visitor(0), w.visitor(1)
	for n := 2; w.visit(jar) != "blue"; n++ {
		jar = w.visitor(n)
	}
	for n := 500; w.visit(green) != "green"; n++ {
		green = w.visitor(n)
	}
	good := jar.Value()
	parts, others := strings.Split(good, "."), strings.Split(green.Value(), ".")
	if len(parts) < 5 || len(others) != len(parts) {
		t.Fatalf("the cookie %q is not of the form v1.key.bucket.issued.tag", good)
	}
	stolen := append([]string{}, parts...)
	stolen[2] = others[2] // the bucket of the one on green, under the own tag
	forgeries := []string{
		strings.Join(stolen, "."), "v1.x.1.1.0000000000000000", "green", good + "0", good[:len(good)-1], "v2" + good[2:],
	}
	for _, forged := range forgeries {
		awaitMinute()
		fresh, liar := w.visitor(0), w.visitor(0)
		fresh.From, liar.From = jar.From, jar.From
		as := w.visit(fresh) // what a new visitor from there gets in this minute
		liar.Set(forged)
		shot, given, err := liar.Visit()
		w.check(err)
		if shot.Version != as || given == "" || given == forged {
			t.Errorf("forged %q: went to %s, a new visitor to %s; given %q", forged, shot.Version, as, given)
		}
	}
	jar.Set(good)
	if shot, given, err := jar.Visit(); err != nil || shot.Version != "blue" || given != "" {
		t.Errorf("the true cookie went to %s, given %q, %v", shot.Version, given, err)
	}
}
