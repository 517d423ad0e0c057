package dashboard

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/weirproxy/weir/control/release"
)

// dora is one of the four figures by which DORA's research tells how well software
// is delivered.
type dora struct {
	Name  string
	Value string // empty: it is not known
	Note  string // what it was counted from, or why it is not known
	Means string // its definition
}

// doraOf writes the figures of a period. ever says whether any deployment to the
// environment is known: without one, none a week would be a claim about what
// nobody reported.
func doraOf(m *release.Metrics, ever bool) []dora {
	days := int(math.Round(m.To.Sub(m.From).Hours() / 24)) // fewer than were asked for, if older ones are forgotten
	frequency := dora{Name: "Deployment frequency", Means: "How often a version reached all users."}
	if ever {
		frequency.Value, frequency.Note = often(m.PerWeek), fmt.Sprintf("%s in %s", number(m.Deployments), count(days, "day", "days"))
	} else {
		frequency.Note = "no deployment is known"
	}
	lead := dora{Name: "Lead time", Means: "From the commit of a change until all users had it; the median of all changes."}
	if m.LeadTime > 0 {
		lead.Value, lead.Note = span(seconds(float64(m.LeadTime))), "median"
	} else {
		lead.Note = "no commit times of what was deployed are known"
	}
	met := m.Deployments + m.Failures // no more than: one that was live may have been put back
	if m.FailureRate > 0 {
		met = int(math.Round(float64(m.Failures) / m.FailureRate))
	}
	failed := dora{Name: "Change failure rate", Means: "Of the deployments that users met, those that were put back, by weir or by a person, during the rollout or later."}
	if met > 0 {
		failed.Value, failed.Note = percent(m.FailureRate), fmt.Sprintf("%s of %s", number(m.Failures), number(met))
	} else {
		failed.Note = "no user met a deployment"
	}
	restore := dora{Name: "Time to restore", Means: "From the start of a deployment that was put back until its users were back; the median. It bounds how long any of them had what was bad."}
	switch {
	case m.Failures > 0:
		restore.Value, restore.Note = span(seconds(float64(m.Restore))), "median"
	case met > 0:
		restore.Note = "nothing had to be put back"
	default:
		restore.Note = "no user met a deployment"
	}
	return []dora{frequency, lead, failed, restore}
}

// often writes how often something is by the unit that people would take.
func often(perWeek float64) string {
	if perWeek >= 10 {
		return strconv.FormatFloat(perWeek/7, 'f', 1, 64) + " a day"
	}
	return strconv.FormatFloat(perWeek, 'f', 1, 64) + " a week"
}

// bars are the deployments of each day of a period.
type bars struct {
	Top         int // that the highest bar may stand for
	Left, Right string
	Live, Back  int // in all
	Days        []barDay
}

// barDay is one day: rectangles from the ground up, in units of the plot.
type barDay struct {
	Name            string
	Live, Back      int
	X, Width        int
	LiveY, LiveHigh int
	BackY, BackHigh int
}

// barsOf counts what went live and what was put back on each day, in UTC, of a
// period of so many days that ends with today. Nil: nothing ended in it.
func barsOf(deployments []release.Deployment, days int, now time.Time) *bars {
	const day = 24 * time.Hour
	first := now.UTC().Truncate(day).Add(-time.Duration(days-1) * day)
	b := &bars{Left: date(first), Right: "today", Days: make([]barDay, days)}
	for i := range deployments {
		d := &deployments[i]
		at := int(d.EndedAt.UTC().Truncate(day).Sub(first) / day)
		if d.EndedAt.Before(first) || at >= days {
			continue
		}
		switch d.State {
		case release.Live:
			b.Days[at].Live++
			b.Live++
		case release.RolledBack, release.Aborted:
			b.Days[at].Back++
			b.Back++
		}
		b.Top = max(b.Top, b.Days[at].Live+b.Days[at].Back)
	}
	if b.Top == 0 {
		return nil
	}
	for i := range b.Days {
		d := &b.Days[i]
		d.Name = date(first.Add(time.Duration(i) * day))
		d.X, d.Width = plotWidth*i/days, max(plotWidth/days-3, 3)
		d.LiveHigh, d.BackHigh = plotHeight*d.Live/b.Top, plotHeight*d.Back/b.Top
		d.LiveY = plotHeight - d.LiveHigh
		d.BackY = d.LiveY - d.BackHigh
	}
	return b
}

func date(t time.Time) string { return t.UTC().Format("2 Jan") }
