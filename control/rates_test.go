package control

import (
	"testing"
	"time"

	"github.com/weirproxy/weir/proxy/stats"
)

func TestRates_AreOfTheLastSecondsAndOfEveryVersionInTurn(t *testing.T) {
	const services = 60 // 180 versions, of which 60 have traffic
	c := crowded(t, services)
	rounds := (3*services + measuredPerRound - 1) / measuredPerRound
	around := func() {
		for range rounds {
			c.pass(measureEvery)
		}
	}
	around()
	if len(c.rates) != services {
		t.Fatalf("%d versions have rates, want the %d with traffic", len(c.rates), services)
	}
	recorder := c.opts.Recorders.Recorder("s0007", "blue")
	for i := range 1000 {
		token := recorder.Begin(0, stats.Split, int64(i), -1)
		outcome := stats.Outcome{Status: 200}
		if i%4 == 0 {
			outcome = stats.Outcome{Status: 500, Reason: stats.Status}
		}
		recorder.End(&token, int64(i)+int64(10*time.Millisecond), outcome)
	}
	blue := func() VersionView {
		v, _ := c.View().Service("s0007")
		return v.Versions[0]
	}
	f := func(what string, ok func(v VersionView) bool) {
		t.Helper()
		around()
		c.pass(showIdle)
		if v := blue(); !ok(v) {
			t.Errorf("%s: %+v", what, v)
		}
	}
	f("at once", func(v VersionView) bool {
		return v.Requests == 1016 && v.Errors == 250 && v.RPS > 100 && v.ErrorRate == .25 && v.P99 > 9*time.Millisecond
	})
	c.clock = c.clock.Add(window)
	around()
	c.clock = c.clock.Add(window)
	around()
	f("long after", func(v VersionView) bool { return v.Requests == 1016 && v.RPS == 0 && v.ErrorRate == 0 && v.P99 == 0 })
}
