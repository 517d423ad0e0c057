package control

import (
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/proxy/stats"
)

// versionID names one version of one service.
type versionID struct{ service, version string }

func (v versionID) compare(w versionID) int {
	if c := strings.Compare(v.service, w.service); c != 0 {
		return c
	}
	return strings.Compare(v.version, w.version)
}

// window is how much of the past the rates of a View cover, at least.
const window = 5 * time.Second

// measuredPerRound bounds how many versions are measured in one round of
// measureEvery. Summing the counts of thousands at once would hold up a cut.
const (
	measuredPerRound = 32
	measureEvery     = 100 * time.Millisecond
)

// rate holds the counts of a version at two moments, so that what a View shows
// covers between one and two windows.
type rate struct {
	old, older   stats.Totals
	oldAt, midAt time.Time

	shown   lately
	changes uint64 // of shown
}

// lately is what a VersionView says of a version's requests.
type lately struct {
	Requests, Errors uint64
	RPS, ErrorRate   float64
	P50, P99         time.Duration
}

// measure brings the rates of some versions up to date, and of all in turn: once for
// each View that shows them.
func (c *Controller) measure(now time.Time) {
	if now.Sub(c.measured) < measureEvery || len(c.toMeasure) == 0 && now.Sub(c.roundAt) < c.showsEvery(now) {
		return
	}
	c.measured = now
	if len(c.toMeasure) == 0 {
		c.toMeasure, c.roundAt = c.versions(), now
	}
	n := min(len(c.toMeasure), measuredPerRound)
	for _, id := range c.toMeasure[:n] {
		c.measureOne(id, now)
	}
	c.toMeasure = c.toMeasure[n:]
}

// versions are all versions that the table routes to, and the variants of flags.
func (c *Controller) versions() []versionID {
	table := c.opts.Tables.Load()
	if table == nil {
		return nil
	}
	var ids []versionID
	for _, s := range table.Services {
		for _, v := range s.Versions {
			ids = append(ids, versionID{s.Name, v.Name})
		}
	}
	for _, f := range table.Flags {
		for i := range f.Variants {
			ids = append(ids, versionID{configs.FlagService(f.Name), f.Variants[i].Name})
		}
	}
	slices.SortFunc(ids, versionID.compare)
	return ids
}

func (c *Controller) measureOne(id versionID, now time.Time) {
	recorder := c.recorderOf(id)
	if recorder == nil {
		return // removed since
	}
	recorder.Totals(&c.totals)
	r := c.rates[id]
	if r == nil {
		if c.totals.Begun() == 0 {
			return // most versions of most services: not worth the memory
		}
		r = &rate{old: c.totals, older: c.totals, oldAt: now, midAt: now}
		c.rates[id] = r
	}
	r.take(&c.totals, now)
}

// recorderOf is the recorder of a version, or of a flag's variant, in the table;
// nil: it is not there.
func (c *Controller) recorderOf(id versionID) *stats.Recorder {
	name, is := configs.FlagOf(id.service)
	if !is {
		if v := c.compiled(id.service, id.version); v != nil {
			return v.Recorder
		}
		return nil
	}
	if f := c.opts.Tables.Load().Flag(name); f != nil {
		for i := range f.Variants {
			if f.Variants[i].Name == id.version {
				return f.Variants[i].Recorder
			}
		}
	}
	return nil
}

// take brings the rates up to date.
func (r *rate) take(totals *stats.Totals, now time.Time) {
	v, was := &r.shown, r.shown
	v.Requests, v.Errors = totals.Begun(), totals.Errors()
	if over := now.Sub(r.oldAt).Seconds(); over >= .5 {
		v.RPS = float64(totals.Begun()-r.old.Begun()) / over
		v.ErrorRate, v.P50, v.P99 = 0, 0, 0
		if ended := totals.Ended() - r.old.Ended(); ended > 0 {
			v.ErrorRate = float64(totals.Errors()-r.old.Errors()) / float64(ended)
			latency := totals.Latency
			latency.Sub(&r.old.Latency)
			v.P50, v.P99 = latency.Quantile(.5), latency.Quantile(.99)
		}
	}
	if now.Sub(r.midAt) >= window {
		r.old, r.oldAt = r.older, r.midAt
		r.older, r.midAt = *totals, now
	}
	if *v != was { // else the View shows what it showed
		r.changes++
	}
}

// show fills in what a person wants to see of a version's traffic.
func (r *rate) show(v *VersionView) {
	v.Requests, v.Errors, v.RPS = r.shown.Requests, r.shown.Errors, r.shown.RPS
	v.ErrorRate, v.P50, v.P99 = r.shown.ErrorRate, r.shown.P50, r.shown.P99
}
