package control

import (
	"maps"
	"slices"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/store"
	"github.com/weirproxy/weir/proxy/upstream"
)

// Bounds of a View: what a person looks at, not the whole history.
const (
	maxShownRollouts = 1000
	maxShownAudit    = 500
)

// show publishes a new View.
func (c *Controller) show(now time.Time) {
	c.lastView, c.unshown = now, false
	status := c.opts.Store.Status()
	v := &View{
		At: now, Node: c.opts.Node, Leader: c.leading, LeaderNode: c.mirror.leader,
		Store: StoreView{Connected: status.Connected, Revision: c.mirror.revision, Age: status.Age, Blind: c.sight.blind, Unreadable: len(c.mirror.bad)},
	}
	if c.loaded && (c.mirror.keys != nil || c.mirror.source == store.SourceDisk) {
		v.Store.Source = c.mirror.source.String()
	}
	if status.Err != nil {
		v.Store.Err = status.Err.Error()
	}
	for _, name := range slices.Sorted(maps.Keys(c.mirror.services)) {
		if _, flag := configs.FlagOf(name); !flag {
			v.Services = append(v.Services, c.showService(name, now))
		}
	}
	ids := c.mirror.newestFirst()
	for _, id := range ids[:min(len(ids), maxShownRollouts)] {
		v.Rollouts = append(v.Rollouts, c.showRollout(id))
	}
	for _, name := range slices.Sorted(maps.Keys(c.mirror.nodes)) {
		n := c.mirror.nodes[name].value
		v.Nodes = append(v.Nodes, NodeView{
			Name: name, Boot: n.Boot, Version: n.Version, Revision: n.Revision, Refused: n.Refused,
			Leader: name == c.mirror.leader, Self: name == c.opts.Node, Silent: c.silent[name], SeenAt: n.At,
		})
	}
	v.Flags = c.showFlags(now)
	v.Audit = c.mirror.newestAudit()
	v.Notifiers = c.mirror.listNotifiers()
	v.Freezes = c.showFreezes(now)
	v.Outbox, v.OutboxSize = c.mirror.shownOutbox(), len(c.mirror.outbox)
	v.OutboxDead = len(c.mirror.outbox) - c.mirror.waiting()
	c.view.Store(v)
}

func (c *Controller) showService(name string, now time.Time) ServiceView {
	doc, state := c.mirror.services[name], c.mirror.states[name]
	sv := ServiceView{
		Document: doc.value, ModRevision: doc.mod, State: state.value, StateRevision: state.mod, Refused: c.refused[name],
	}
	weights := c.built.Effective(name)
	r, inForce := c.mirror.inForce(name)
	versions := state.value.Merge(doc.value)
	for _, version := range slices.Sorted(maps.Keys(versions)) {
		vv := VersionView{Name: version, Revision: versions[version].Revision, Weight: weights[version], Role: "idle"}
		switch {
		case version == state.value.Stable:
			vv.Role = "stable"
		case inForce && slices.Contains(r.Candidates, version):
			vv.Role = "candidate"
		case version == state.value.Previous && now.Before(state.value.KeepUntil):
			vv.Role = "kept"
		}
		if v := c.compiled(name, version); v != nil {
			for _, e := range v.Endpoints() {
				vv.Endpoints = append(vv.Endpoints, c.showEndpoint(e))
			}
		}
		if r := c.rates[versionID{name, version}]; r != nil {
			r.show(&vv)
		}
		sv.Versions = append(sv.Versions, vv)
	}
	return sv
}

func (c *Controller) showEndpoint(e *upstream.Endpoint) EndpointView {
	view := EndpointView{Address: e.Address, Up: e.Up(), State: EndpointUp, InFlight: e.InFlight()}
	if e.Name != e.Address {
		view.Name = e.Name
	}
	switch {
	case !e.Probed():
		view.State = EndpointDown
	case e.Ejected():
		view.State, view.Until = EndpointEjected, c.outliers.of[e].Until
	case e.Share() < upstream.FullShare:
		view.State = EndpointStarting
	}
	return view
}

func (c *Controller) showRollout(id string) RolloutView {
	r := c.mirror.rollouts[id]
	rv := RolloutView{State: r.value, ModRevision: r.mod, Cuts: c.cutsOf(id)}
	rv.InForce = !r.value.Phase.Final() && c.mirror.states[r.value.Service].value.Rollout == id
	if r.value.Verdict != nil {
		rv.Verdict = *r.value.Verdict
	}
	t := c.trials[id]
	if t == nil {
		last := c.reports[id]
		rv.Rules, rv.Elapsed = last.rules, last.elapsed
		return rv
	}
	rv.StageElapsed, rv.Elapsed, rv.WarmUp = t.stageElapsed, t.elapsed, t.warmUp.WarmUp
	if t.ended.IsZero() && len(t.sides) > 0 {
		rv.Verdict = t.verdicts()[t.sides[0].version]
	}
	rv.Rules = t.report()
	return rv
}
