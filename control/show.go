package control

import (
	"maps"
	"slices"
	"time"

	"github.com/weirproxy/weir/control/store"
	"github.com/weirproxy/weir/proxy/stats"
)

// Bounds of a View: what a person looks at, not the whole history.
const (
	maxShownRollouts = 1000
	maxShownAudit    = 500
)

// show publishes a new View.
func (c *Controller) show(now time.Time) {
	c.lastView = now
	status := c.opts.Store.Status()
	v := &View{
		At: now, Node: c.opts.Node, Leader: c.leading, LeaderNode: c.mirror.leader,
		Store: StoreView{Connected: status.Connected, Revision: c.mirror.revision, Age: status.Age},
	}
	if c.loaded && (c.mirror.keys != nil || c.mirror.source == store.SourceDisk) {
		v.Store.Source = c.mirror.source.String()
	}
	if status.Err != nil {
		v.Store.Err = status.Err.Error()
	}
	for _, name := range slices.Sorted(maps.Keys(c.mirror.services)) {
		v.Services = append(v.Services, c.showService(name, now))
	}
	ids := c.mirror.newestFirst()
	for _, id := range ids[:min(len(ids), maxShownRollouts)] {
		v.Rollouts = append(v.Rollouts, c.showRollout(id))
	}
	for _, name := range slices.Sorted(maps.Keys(c.mirror.nodes)) {
		n := c.mirror.nodes[name].value
		v.Nodes = append(v.Nodes, NodeView{
			Name: name, Boot: n.Boot, Version: n.Version, Revision: n.Revision, Refused: n.Refused,
			Leader: name == c.mirror.leader, Self: name == c.opts.Node, SeenAt: n.At,
		})
	}
	keys := slices.Sorted(maps.Keys(c.mirror.audit))
	slices.Reverse(keys)
	for _, k := range keys[:min(len(keys), maxShownAudit)] {
		v.Audit = append(v.Audit, c.mirror.audit[k].value)
	}
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
		for _, address := range versions[version].Endpoints {
			e := c.opts.Endpoints.Endpoint(name, version, address)
			vv.Endpoints = append(vv.Endpoints, EndpointView{Address: address, Up: e.Up(), InFlight: e.InFlight()})
		}
		c.rateOf(versionID{name, version}, now).show(&vv)
		sv.Versions = append(sv.Versions, vv)
	}
	return sv
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
	rv.StageElapsed, rv.Elapsed = t.stageElapsed, t.elapsed
	if t.ended.IsZero() && len(t.sides) > 0 {
		rv.Verdict = t.sides[0].judge.Verdict()
	}
	rv.Rules = t.report()
	return rv
}

// versionID names one version of one service.
type versionID struct{ service, version string }

// window is how much of the past the rates of a View cover, at least.
const window = 5 * time.Second

// rate holds the counts of a version at two moments, so that what a View shows
// covers between one and two windows.
type rate struct {
	now, old     stats.Totals
	older        stats.Totals
	oldAt, midAt time.Time
}

// rateOf brings the counts of a version up to date.
func (c *Controller) rateOf(id versionID, now time.Time) *rate {
	recorder := c.opts.Recorders.Recorder(id.service, id.version)
	r := c.rates[id]
	if r == nil {
		r = &rate{oldAt: now, midAt: now}
		recorder.Totals(&r.old)
		r.older = r.old
		c.rates[id] = r
	}
	recorder.Totals(&r.now)
	if now.Sub(r.midAt) >= window {
		r.old, r.oldAt = r.older, r.midAt
		r.older, r.midAt = r.now, now
	}
	return r
}

// show fills in what a person wants to see of a version's traffic.
func (r *rate) show(v *VersionView) {
	v.Requests, v.Errors = r.now.Lanes[stats.Split], r.now.Errors()
	over := time.Since(r.oldAt).Seconds()
	if over < .5 {
		return
	}
	ended := r.now.Ended() - r.old.Ended()
	v.RPS = float64(r.now.Lanes[stats.Split]-r.old.Lanes[stats.Split]) / over
	if ended == 0 {
		return
	}
	v.ErrorRate = float64(r.now.Errors()-r.old.Errors()) / float64(ended)
	latency := r.now.Latency
	latency.Sub(&r.old.Latency)
	v.P50, v.P99 = latency.Quantile(.5), latency.Quantile(.99)
}
