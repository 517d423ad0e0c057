package release

import (
	"slices"
	"time"
)

// Metrics are the four figures by which DORA's research tells how well software is
// delivered (dora.dev), of one environment over a period.
type Metrics struct {
	From time.Time `json:"from" doc:"Later than was asked for if older deployments are not kept any more"`
	To   time.Time `json:"to"`

	Deployments int     `json:"deployments" doc:"That went live in the period"`
	PerWeek     float64 `json:"deployments_per_week"`

	// LeadTime is the median time from a change's commit to when all users had it.
	LeadTime Seconds `json:"lead_time_seconds" doc:"Median time from a change's commit until all users had it; 0: no times of commits are known"`

	// Failures are deployments that users met and that were put back, by weir or by
	// a person, during the rollout or later: by an undo, or by going back to a release
	// that they hold.
	Failures    int     `json:"failures" doc:"Deployments that users met and that were put back, by weir or a person, during the rollout or later"`
	FailureRate float64 `json:"change_failure_rate" doc:"Failures over all deployments that users met, 0 to 1"`

	// Restore is the median time from when users met such a deployment until they
	// were back: it bounds how long any of them had what was bad.
	Restore Seconds `json:"time_to_restore_seconds" doc:"Median time from when users met a failed deployment until they were back; 0: none failed"`
}

// Seconds is a time span in JSON as a number of seconds.
type Seconds float64

// Metrics counts the deployments of an application in an environment that ended
// within a period. One that is followed by a release which it holds was put back:
// that one is no deployment of its own.
func (b *Board) Metrics(application, environment string, from, to time.Time) Metrics {
	if b.Complete.After(from) {
		from = b.Complete
	}
	m, l := Metrics{From: from, To: to}, b.lines[application]
	var leads, restores []time.Duration
	var live *Deployment // that users were on
	var shipped set      // with all that were live
	within := func(d *Deployment) bool {
		return !d.EndedAt.IsZero() && !d.EndedAt.Before(from) && d.EndedAt.Before(to)
	}
	met := 0
	for _, d := range b.deployments(application, environment) {
		switch {
		case d.State == RolledBack || d.State == Aborted:
			if within(&d) {
				m.Failures, met = m.Failures+1, met+1
				restores = append(restores, d.users(d.EndedAt))
			}
		case d.State != Live:
		case live != nil && l.before(d.Version, live.Version):
			if within(&d) {
				m.Failures++
				restores = append(restores, live.users(d.EndedAt))
				if !within(live) {
					met++
				}
			}
			live = &d
		default:
			if within(&d) {
				m.Deployments, met = m.Deployments+1, met+1
				leads = append(leads, l.leads(d.Version, shipped, live == nil, d.EndedAt)...)
			}
			live, shipped = &d, shipped.with(l.holds(d.Version))
		}
	}
	if weeks := to.Sub(from).Hours() / (24 * 7); weeks > 0 {
		m.PerWeek = float64(m.Deployments) / weeks
	}
	if met > 0 {
		m.FailureRate = float64(m.Failures) / float64(met)
	}
	m.LeadTime, m.Restore = median(leads), median(restores)
	return m
}

// before reports whether a version is a release that another one holds.
func (l line) before(version, other string) bool {
	held, whole := l.holds(version), l.holds(other)
	return held != nil && whole.all(held) && !held.all(whole)
}

// leads are the lead times of the changes that a version, live since at, brought:
// those of the releases that it holds and that were not shipped before. Of the
// first that is known they are its own alone: nobody remembers what was there.
func (l line) leads(version string, shipped set, first bool, at time.Time) []time.Duration {
	var all []time.Duration
	for i, held := range l.holds(version) {
		r := &l.releases[i]
		if !held || shipped.has(i) || first && r.Version != version {
			continue
		}
		for _, c := range r.Changes {
			if made := c.MadeAt(); !made.IsZero() && made.Before(at) {
				all = append(all, at.Sub(made))
			}
		}
	}
	return all
}

func median(all []time.Duration) Seconds {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	middle := all[len(all)/2]
	if len(all)%2 == 0 {
		middle = (middle + all[len(all)/2-1]) / 2
	}
	return Seconds(middle.Seconds())
}
