package dashboard

import (
	"slices"
	"time"

	"github.com/weirproxy/weir/control/api"
)

// eventsShown is how many transitions the page begins with.
const eventsShown = 100

// eventsPage shows what happened: what rollouts remember, which every node
// knows, and live what this node sees.
type eventsPage struct {
	Now time.Time
	Log []logged
}

// logged is one transition of a rollout.
type logged struct {
	api.Transition
	Rollout, Service string
}

func (d *Dashboard) events(r *request) (content, error) {
	p := &eventsPage{Now: r.view.At}
	for i := range r.view.Rollouts {
		one := api.RolloutOf(r.view.Rollouts[i])
		if len(p.Log) >= eventsShown && one.UpdatedAt.Before(p.Log[eventsShown-1].At) {
			continue
		}
		for _, t := range one.History {
			p.Log = append(p.Log, logged{t, one.ID, one.Service})
		}
		if len(p.Log) > eventsShown {
			newestFirst(p.Log)
			p.Log = p.Log[:eventsShown]
		}
	}
	newestFirst(p.Log)
	return content{title: "Events", data: p}, nil
}

func newestFirst(log []logged) {
	slices.SortStableFunc(log, func(a, b logged) int { return b.At.Compare(a.At) })
}
