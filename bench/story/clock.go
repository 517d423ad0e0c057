package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// delivery is what the API says of how an application is delivered.
type delivery struct {
	Deployments int     `json:"deployments"`
	PerWeek     float64 `json:"deployments_per_week"`
	LeadTime    float64 `json:"lead_time_seconds"`
	Failures    int     `json:"failures"`
	FailureRate float64 `json:"change_failure_rate"`
	Restore     float64 `json:"time_to_restore_seconds"`
}

// clock is what the story itself noted of times: a twin, as dumb as can be, of the
// figures of delivery.
type clock struct {
	commits   map[string][]time.Time // by the version that they came with
	versions  []string               // in the order in which they were cut
	shipments []shipment
}

// shipment is a deployment by the story's own watch.
type shipment struct {
	environment, version string
	bad                  bool // users met it, and it was put back
	met, ended           span // when its first users met it, and when it was over
}

// span is a time that was bracketed: it was later than from and not later than to.
type span struct{ from, to time.Time }

// lag is how much later than its moment something may be seen on a busy machine: it is
// written down before it is shown.
const lag = 3 * time.Second

// ships watches the deployment that do makes, to its end.
func (s *story) ships(environment, version string, bad bool, do func()) {
	if s.err != nil {
		return
	}
	watched := shipment{environment: environment, version: version, bad: bad, met: span{from: time.Now()}}
	done, failed := make(chan error, 1), make(chan struct{})
	go func() { done <- s.watch(&watched, failed) }()
	do()
	if s.err != nil {
		close(failed)
	}
	s.check(<-done)
	s.clock.shipments = append(s.clock.shipments, watched)
}

// watch fills in the times of a shipment.
func (s *story) watch(w *shipment, failed <-chan struct{}) error {
	began := w.met.from
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case <-failed:
			return nil
		default:
		}
		asked := time.Now()
		var all []struct {
			Environment string    `json:"environment"`
			Version     string    `json:"version"`
			Weight      string    `json:"weight"`
			EndedAt     time.Time `json:"ended_at"`
		}
		if err := s.nodes[0].API.Get("/v1/deployments?application=shop", &all); err != nil {
			return err
		}
		answered := time.Now()
		for _, d := range all {
			if d.Environment != w.environment || d.Version != w.version {
				continue
			}
			ended := !d.EndedAt.IsZero()
			if w.met.to.IsZero() && (ended || d.Weight != "") {
				w.met.from, w.met.to = later(w.met.from.Add(-lag), began), answered
			}
			if ended {
				w.ended.from, w.ended.to = later(w.ended.from.Add(-lag), began), answered
				return nil
			}
			if w.ended.from = asked; w.met.to.IsZero() {
				w.met.from = asked
			}
		}
	}
	return fmt.Errorf("the deployment of %s in %s has no end", w.version, w.environment)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// delivers holds the figures of delivery against the story's own, and says them.
func (s *story) delivers() {
	for _, environment := range []string{"staging", "production"} {
		if s.err != nil {
			return
		}
		want := s.clock.figures(environment)
		var got delivery
		s.awaits("the figures of "+environment, func() (bool, error) {
			app, err := shopOf(s.nodes[0].API, environment)
			if err == nil {
				got, err = app.Metrics, want.holds(app.Metrics)
			}
			return err == nil, err
		})
		s.say("delivered to %-11s %s", environment+":", got)
	}
}

// figures are those that the clock makes, each with the bounds of what was noted.
type figures struct {
	live, bad     int
	lead, restore [2]time.Duration
}

func (c *clock) figures(environment string) figures {
	var f figures
	var leads, restores [2][]time.Duration
	shipped := 0 // versions that were live already
	for _, d := range c.shipments {
		if d.environment != environment {
			continue
		}
		if d.bad {
			f.bad++
			restores[0] = append(restores[0], d.ended.from.Sub(d.met.to))
			restores[1] = append(restores[1], d.ended.to.Sub(d.met.from))
			continue
		}
		f.live++
		upTo := slices.Index(c.versions, d.version) + 1
		if f.live == 1 {
			shipped = upTo - 1 // nobody remembers what was there before
		}
		for _, version := range c.versions[shipped:upTo] {
			for _, at := range c.commits[version] {
				leads[0] = append(leads[0], d.ended.from.Sub(at))
				leads[1] = append(leads[1], d.ended.to.Sub(at))
			}
		}
		shipped = upTo
	}
	for i := range 2 {
		f.lead[i], f.restore[i] = median(leads[i]), median(restores[i])
	}
	return f
}

func median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}

// holds compares what the API says with the clock.
func (f figures) holds(d delivery) error {
	share := 0.
	if f.live+f.bad > 0 {
		share = float64(f.bad) / float64(f.live+f.bad)
	}
	within := func(seconds float64, bounds [2]time.Duration) bool {
		const rounding = time.Millisecond
		at := time.Duration(seconds * float64(time.Second))
		return at >= bounds[0]-rounding && at <= bounds[1]+rounding
	}
	switch {
	case d.Deployments != f.live, d.Failures != f.bad, math.Abs(d.FailureRate-share) > 1e-9,
		math.Abs(d.PerWeek-float64(f.live)*7/30) > 1e-9, !within(d.LeadTime, f.lead), !within(d.Restore, f.restore):
		return fmt.Errorf("the API says %+v, the clock %s, failure rate %.3f", d, f, share)
	}
	return nil
}

func (f figures) String() string {
	return fmt.Sprintf("live %d, lead time %s, failed %d, restored in %s", f.live, bounds(f.lead), f.bad, bounds(f.restore))
}

func (d delivery) String() string {
	return fmt.Sprintf("live %d, %.2f a week, lead time %.1f s, failed %d of %d, restored in %.1f s",
		d.Deployments, d.PerWeek, d.LeadTime, d.Failures, d.Deployments+d.Failures, d.Restore)
}

func bounds(b [2]time.Duration) string {
	if b[1] == 0 {
		return "-"
	}
	return fmt.Sprintf("%s to %s", b[0].Round(10*time.Millisecond), b[1].Round(10*time.Millisecond))
}
