package release

import (
	"slices"
	"time"
)

// Metrics are the four figures by which DORA's research tells how well software is
// delivered (dora.dev), of one environment over a period.
type Metrics struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`

	Deployments int     `json:"deployments" doc:"That went live in the period"`
	PerWeek     float64 `json:"deployments_per_week"`

	// LeadTime is the median time from a change's commit to when all users had it.
	LeadTime Seconds `json:"lead_time_seconds" doc:"Median time from a change's commit until all users had it; 0: no times of commits are known"`

	// Failures are deployments that users met and that were put back, by weir or by
	// a person.
	Failures    int     `json:"failures" doc:"Deployments that users met and that were put back, by weir or a person"`
	FailureRate float64 `json:"change_failure_rate" doc:"Failures over all deployments that users met, 0 to 1"`

	// Restore is the median time from the start of such a deployment until users
	// were back: it bounds how long any of them had what was bad.
	Restore Seconds `json:"time_to_restore_seconds" doc:"Median time from the start of a failed deployment until its users were back; 0: none failed"`
}

// Seconds is a time span in JSON as a number of seconds.
type Seconds float64

// Metrics counts the deployments of an application in an environment that ended
// within a period.
func (b *Board) Metrics(application, environment string, from, to time.Time) Metrics {
	m := Metrics{From: from, To: to}
	var leads, restores []time.Duration
	shipped := -1 // the newest release that was live before
	met := 0
	for _, d := range sorted(b.Deployments, application, environment) {
		at := b.index(application, d.Version)
		within := !d.EndedAt.Before(from) && d.EndedAt.Before(to) && !d.EndedAt.IsZero()
		switch d.State {
		case Live:
			if within {
				m.Deployments++
				met++
				leads = append(leads, b.leads(application, shipped, at, d.EndedAt)...)
			}
			shipped = max(shipped, at)
		case RolledBack, Aborted:
			if within {
				m.Failures++
				met++
				restores = append(restores, d.Took())
			}
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

// leads are the lead times of the changes that came with the releases after one
// that was live before, up to one that is live since at.
func (b *Board) leads(application string, after, upTo int, at time.Time) []time.Duration {
	var all []time.Duration
	for i := after + 1; i <= upTo; i++ {
		for _, c := range b.releases[application][i].Changes {
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
