package control

import (
	"cmp"
	"iter"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/release"
	"github.com/weirproxy/weir/control/rollout"
)

// Board is what is where by this View.
func (v *View) Board() *release.Board {
	return boardOf(shipped{v.Releases, v.Deployments, v.DeploymentsSince},
		func(yield func(*configs.Service, *rollout.Service) bool) {
			for _, s := range v.Services {
				doc := s.Document
				doc.SetDefaults()
				if !yield(&doc, &s.State) {
					return
				}
			}
		},
		func(yield func(*rollout.State) bool) {
			for _, r := range v.Rollouts {
				if !yield(&r.State) {
					return
				}
			}
		})
}

// whereabouts is what is where by the state itself. It must not be changed.
func (m *mirror) whereabouts() *release.Board {
	if m.board != nil {
		return m.board
	}
	s := m.listShipped()
	m.board = boardOf(*s,
		func(yield func(*configs.Service, *rollout.Service) bool) {
			for _, name := range m.serviceNames() {
				doc, state := m.services[name], m.states[name]
				if state.mod != 0 && !yield(&doc.value, &state.value) {
					return
				}
			}
		},
		func(yield func(*rollout.State) bool) {
			for _, id := range m.newestFirst() {
				r := m.rollouts[id]
				if !yield(&r.value) {
					return
				}
			}
		})
	return m.board
}

// boardOf folds what is known. Services have their defaults; rollouts come the
// newest first.
func boardOf(s shipped, services iter.Seq2[*configs.Service, *rollout.Service], rollouts iter.Seq[*rollout.State]) *release.Board {
	in := release.Input{Complete: s.since}
	for i := range s.releases {
		in.Releases = append(in.Releases, s.releases[i].Document)
	}
	documents := map[string]*configs.Service{}
	for doc := range services {
		documents[doc.Name] = doc
	}
	type version struct{ service, name string }
	type made struct {
		release string    // what the version was released as in the end
		stable  time.Time // when it last became so
	}
	known, kept := map[version]made{}, map[string]bool{}
	for r := range rollouts {
		kept[r.ID] = true
		doc, ok := documents[r.Service]
		if !ok {
			continue
		}
		if d, counts := release.FromRollout(r, doc); counts {
			in.Deployments = append(in.Deployments, d)
		}
		if r.Phase == rollout.Succeeded {
			id := version{r.Service, r.To}
			was := known[id] // of a newer one
			known[id] = made{cmp.Or(was.release, r.Plan.Release), cmp.Or(was.stable, r.EndedAt)}
		}
	}
	for _, d := range s.deployments {
		if !kept[d.Rollout] { // what is left of a rollout that is still there is on its way
			in.Deployments = append(in.Deployments, d)
		}
	}
	for doc, state := range services {
		it := known[version{doc.Name, state.Stable}]
		in.Running = append(in.Running, release.Running{
			Application: doc.Application, Environment: doc.Environment, Service: doc.Name,
			Version: cmp.Or(it.release, state.Stable), Since: it.stable,
		})
	}
	return release.NewBoard(in)
}
