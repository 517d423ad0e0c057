package dashboard

import (
	"strings"
	"time"

	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api"
)

// rolloutsShown is how many rollouts one page has.
const rolloutsShown = 50

// rolloutsPage shows the rollouts, those in force first.
type rolloutsPage struct {
	Now      time.Time
	InForce  []rolloutRow // the newest, at most rolloutsShown
	Moving   int          // rollouts in force in all
	Rest     []api.Rollout
	Query    string
	Pager    pager
	Freezes  []api.Freeze
	Rollouts int
}

// rolloutRow is a rollout in force.
type rolloutRow struct {
	api.Rollout
	Bar bar
}

func (d *Dashboard) rollouts(r *request) (content, error) {
	p := &rolloutsPage{Now: r.view.At, Query: strings.TrimSpace(r.URL.Query().Get("q")), Rollouts: len(r.view.Rollouts)}
	var rest []*control.RolloutView
	for i := range r.view.Rollouts {
		one := r.view.Rollouts[i]
		s := &one.State
		if p.Query != "" && !strings.Contains(strings.ToLower(s.ID+" "+s.Service+" "+s.To+" "+string(s.Phase)), strings.ToLower(p.Query)) {
			continue
		}
		if one.InForce || !s.Phase.Final() {
			if p.Moving++; p.Moving > rolloutsShown {
				continue
			}
			summary := api.SummaryOf(one)
			p.InForce = append(p.InForce, rolloutRow{summary, barOf(summary.Weights, summary.From)})
			continue
		}
		rest = append(rest, one)
	}
	var from int
	p.Pager, from = pageOf(r, len(rest), rolloutsShown)
	for _, one := range rest[from:min(from+rolloutsShown, len(rest))] {
		p.Rest = append(p.Rest, api.SummaryOf(one))
	}
	for i := range r.view.Freezes {
		p.Freezes = append(p.Freezes, api.FreezeOf(&r.view.Freezes[i]))
	}
	return content{title: "Rollouts", data: p}, nil
}
