package dashboard

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api"
)

// historyShown is how many rollouts the page of a service lists.
const historyShown = 20

// servicePage shows one service.
type servicePage struct {
	api.Service
	Now     time.Time
	Bar     bar
	Rows    []versionRow
	Trouble []string
	Current *api.Rollout
	History []api.Rollout
	More    bool // there are more rollouts than History has
	Advice  []adviceRow

	Application, Environment string
	Source                   string
}

func (d *Dashboard) service(r *request) (content, error) {
	name := r.PathValue("name")
	s, ok := r.view.Service(name)
	if !ok {
		return content{title: name}, notFound(fmt.Sprintf("There is no service %q.", name))
	}
	rows, shares := versionsOf(s)
	p := &servicePage{
		Service: api.ServiceOf(s), Now: r.view.At, Bar: barOf(shares, s.State.Stable), Rows: rows, Trouble: troubleOf(s),
	}
	p.Advice = adviceFor(api.AdviceOf(r.view), name)
	doc := s.Document
	doc.SetDefaults()
	p.Application, p.Environment = doc.Application, doc.Environment
	p.Current, p.History, p.More = rolloutsOf(r.view, name)
	source, err := json.MarshalIndent(s.Document, "", "  ")
	if err != nil {
		return content{}, fmt.Errorf("cannot show the document of service %q: %w", name, err)
	}
	p.Source = string(source)
	return content{title: name, events: "?service=" + name, data: p}, nil
}

// rolloutsOf are the rollouts of a service, newest first, the one in force apart.
func rolloutsOf(v *control.View, service string) (current *api.Rollout, history []api.Rollout, more bool) {
	for i := range v.Rollouts {
		r := v.Rollouts[i]
		if r.State.Service != service {
			continue
		}
		if len(history) == historyShown {
			return current, history, true
		}
		summary := api.SummaryOf(r)
		if r.InForce {
			current = &summary
		}
		history = append(history, summary)
	}
	return current, history, false
}
