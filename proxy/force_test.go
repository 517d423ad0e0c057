package proxy

import (
	"testing"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
)

// forcing makes a all of the split and leads what meets any to b.
func forcing(any ...route.Condition) func(*route.Service, *Options) {
	return func(s *route.Service, _ *Options) {
		s.Force = &route.Force{Version: s.Versions[1], Any: any}
		s.Rollout = "r1"
	}
}

func TestForce_ChosenUsersMeetTheirVersion(t *testing.T) {
	w := newWorld(t, forcing(
		route.NewCondition(route.Header, "X-Beta", []string{"yes", "1"}, 0, nil, ""),
		route.NewCondition(route.Cookie, "group", []string{"staff"}, 0, nil, ""),
		route.NewCondition(route.Query, "try", nil, 0, nil, ""),
	), named(t, "")...)
	c := w.dial()
	f := func(target, fields, want string) {
		t.Helper()
		if got, _ := c.ask(target, fields); got != want {
			t.Errorf("%s with %q went to %s, want %s", target, fields, got, want)
		}
	}
	f("/", "", "a")
	f("/", "X-Beta: 1\r\n", "b")
	f("/", "x-beta: yes\r\n", "b")
	f("/", "X-Beta: no\r\n", "a")
	f("/", "X-Beta:\r\n", "a")
	f("/", "Cookie: a=b; group=staff\r\n", "b")
	f("/", "Cookie: group=guests\r\n", "a")
	f("/?try=it", "", "b")
	f("/?try=", "", "a")

	if got := w.totals(1).Lanes; got[stats.Forced] != 4 || got[stats.Split] != 0 {
		t.Errorf("lanes of b: %v", got)
	}
	if got := w.totals(0).Lanes; got[stats.Forced] != 0 || got[stats.Split] != 5 {
		t.Errorf("lanes of a: %v", got)
	}
}

// Users who are led to a version without endpoints are users still; who came by
// a preview wants to know how that version is.
func TestForce_OnlyUsersFailOver(t *testing.T) {
	w := newWorld(t, forcing(route.NewCondition(route.Header, "X-Beta", nil, 0, nil, "")), named(t, "")...)
	w.service.Versions[1].Pool.Endpoints()[0].SetUp(false)
	c := w.dial()
	if got, _ := c.ask("/", "X-Beta: 1\r\n"); got != "a" {
		t.Errorf("the user went to %q", got)
	}
	if got := w.totals(0).Lanes; got[stats.Failover] != 1 {
		t.Errorf("lanes of a: %v", got)
	}
	w.tables.Load().Match(&route.Request{Host: []byte("h"), Path: []byte("/"), Method: []byte("GET")}).Forced = w.service.Versions[1]
	if _, resp := c.ask("/", ""); resp.StatusCode != 503 {
		t.Errorf("the preview answered %d", resp.StatusCode)
	}
}

// Whoever tries a version is no evidence, not even beside the split.
func TestForce_APreviewIsNobodysEvidence(t *testing.T) {
	w := newWorld(t, forcing(route.NewCondition(route.Header, "X-Beta", nil, 0, nil, "")), named(t, "")...)
	trial := stats.NewTrial(nil, false, nil)
	w.service.Versions[1].Recorder.ArmBeside(trial)
	c := w.dial()
	started := func() (n uint64) {
		var o stats.Outcomes
		for tick := range stats.TickOf(w.handler.Now()) + 1 {
			trial.Outcomes(tick, &o)
			n += o.Started
		}
		return n
	}
	c.ask("/", "X-Beta: 1\r\n")
	if n := started(); n != 1 {
		t.Errorf("a chosen user counts %d times", n)
	}
	w.tables.Load().Match(&route.Request{Host: []byte("h"), Path: []byte("/"), Method: []byte("GET")}).Forced = w.service.Versions[1]
	c.ask("/", "")
	if n, lanes := started(), w.totals(1).Lanes; n != 1 || lanes[stats.Forced] != 2 {
		t.Errorf("with a preview %d count, lanes %v", n, lanes)
	}
}
