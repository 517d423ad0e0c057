package control

import (
	"cmp"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/release"
	"github.com/weirproxy/weir/control/rollout"
)

// situation is what a Board of one application is made of, to be changed as a
// transaction will change the state.
type situation struct {
	shipped
	rollouts []*rollout.State // the newest first
	services []served
}

// served is a service with its state.
type served struct {
	document *configs.Service
	state    rollout.Service
}

// situation is that of one application. It shares no list with the state.
func (c *Controller) situation(application string) *situation {
	all := c.mirror.listShipped()
	s := &situation{shipped: shipped{since: all.since}}
	for _, r := range all.releases {
		if r.Document.Application == application {
			s.releases = append(s.releases, r)
		}
	}
	for _, d := range all.deployments {
		if d.Application == application {
			s.deployments = append(s.deployments, d)
		}
	}
	own := map[string]bool{}
	for _, name := range c.mirror.serviceNames() {
		doc, state := c.mirror.services[name].value, c.mirror.states[name]
		if own[name] = cmp.Or(doc.Application, name) == application && state.mod != 0; own[name] {
			s.services = append(s.services, served{&doc, state.value})
		}
	}
	for _, id := range c.mirror.newestFirst() {
		if r := c.mirror.rollouts[id].value; own[r.Service] {
			s.rollouts = append(s.rollouts, &r)
		}
	}
	return s
}

// board tells what is where.
func (s *situation) board() *release.Board {
	return boardOf(s.shipped,
		func(yield func(*configs.Service, *rollout.Service) bool) {
			for i := range s.services {
				if !yield(s.services[i].document, &s.services[i].state) {
					return
				}
			}
		},
		func(yield func(*rollout.State) bool) {
			for _, r := range s.rollouts {
				if !yield(r) {
					return
				}
			}
		})
}
