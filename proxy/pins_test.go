package proxy

import (
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
)

func TestPins_ClientStaysOnTheVersionThatItMet(t *testing.T) {
	sticky := &route.Sticky{By: route.Cookie, Name: "id"}
	w := newWorld(t, func(s *route.Service, o *Options) {
		mixed(t, sticky)(s, o)
		s.Rollout = "r1"
		s.Pins = &route.Pins{Epoch: 7, Versions: []*route.Version{s.Versions[0], s.Versions[1]}}
	}, named(t, "")...)
	c := w.dial()
	// as a bucket of the cookie says a, but its pin says b
	cookieOf := func(pin route.Pin, issued time.Time) string {
		set := string(sticky.AppendPinned(nil, 0, pin, issued.Unix(), false))
		cookie, _, _ := strings.Cut(set, ";")
		return "Cookie: " + cookie + "\r\n"
	}
	f := func(name, fields, want string, issued bool) {
		t.Helper()
		got, resp := c.ask("/", fields)
		set := resp.Header.Get("Set-Cookie")
		if got != want || (set != "") != issued {
			t.Errorf("%s: went to %s with cookie %q, want %s", name, got, set, want)
		}
	}
	now := time.Now()
	f("pinned", cookieOf(route.Pin{Version: 1, Epoch: 7}, now), "b", false)
	f("pinned to the split's", cookieOf(route.Pin{Version: 0, Epoch: 7}, now), "a", false)
	f("pinned in another epoch", cookieOf(route.Pin{Version: 1, Epoch: 6}, now), "a", true)
	f("not pinned", cookieOf(route.Pin{}, now), "a", true)
	f("pinned to nothing", cookieOf(route.Pin{Version: 9, Epoch: 7}, now), "a", true)

	// An aged cookie is renewed, with the pin as it was.
	long := now.Add(-route.DefaultMaxAge * 3 / 4)
	f("pinned long ago", cookieOf(route.Pin{Version: 1, Epoch: 7}, long), "b", true)
	_, resp := c.ask("/", cookieOf(route.Pin{Version: 1, Epoch: 7}, long))
	renewed, _, _ := strings.Cut(strings.TrimPrefix(resp.Header.Get("Set-Cookie"), "id="), ";")
	if v, ok := sticky.ReadCookie([]byte(renewed), now.Unix()); !ok || v.Aged || v.Pin != (route.Pin{Version: 1, Epoch: 7, Issued: long.Unix()}) {
		t.Errorf("it was renewed as %q: %+v, %v", renewed, v, ok)
	}

	got, resp := c.ask("/", "") // a new visitor is pinned to what it met
	cookie, _, _ := strings.Cut(strings.TrimPrefix(resp.Header.Get("Set-Cookie"), "id="), ";")
	seen, ok := sticky.ReadCookie([]byte(cookie), now.Unix())
	pin := seen.Pin
	if want := map[string]int64{"a": 0, "b": 1}[got]; !ok || pin.Epoch != 7 || pin.Version != want {
		t.Errorf("a visitor of %s was given %q", got, cookie)
	}

	// Who was pinned before the stage began is no evidence of it.
	w.service.Pins.Since = now.Unix() + 60
	before := w.totals(1).Lanes
	f("pinned before", cookieOf(route.Pin{Version: 1, Epoch: 7}, now), "b", false)
	if after := w.totals(1).Lanes; after[stats.Forced] != before[stats.Forced]+1 || after[stats.Split] != before[stats.Split] {
		t.Errorf("lanes before %v and after %v", before, after)
	}

	// A version that is down is helped out, and stays what the client is pinned to.
	w.service.Versions[1].Pool.Endpoints()[0].SetUp(false)
	f("pinned to a version that is down", cookieOf(route.Pin{Version: 1, Epoch: 7}, now), "a", false)
	w.service.Versions[1].Pool.Endpoints()[0].SetUp(true)
	f("pinned to one that is up again", cookieOf(route.Pin{Version: 1, Epoch: 7}, now), "b", false)
}
