package control

import (
	"maps"
	"slices"
	"time"

	"github.com/weirproxy/weir/control/store"
	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/upstream"
)

// Bounds of a View: what a person looks at, not the whole history.
const (
	maxShownRollouts = 1000
	maxShownAudit    = 500
)

// readFor is how long Views are made often after somebody has read one.
const readFor = 5 * time.Second

// keepShowing publishes a new View when it is time for one.
func (c *Controller) keepShowing(now time.Time) {
	if c.read.Swap(false) {
		c.readAt = now
	}
	if since := now.Sub(c.lastView); since >= c.showsEvery(now) || c.unshown && since >= sayEvery {
		c.show(now)
	}
}

// showsEvery is how often there is a new View when nothing else changes.
func (c *Controller) showsEvery(now time.Time) time.Duration {
	if now.Sub(c.readAt) > readFor {
		return showIdle
	}
	return showEvery
}

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
	c.showServices(v, now)
	c.showRollouts(v)
	for _, name := range slices.Sorted(maps.Keys(c.mirror.nodes)) {
		n := c.mirror.nodes[name].value
		v.Nodes = append(v.Nodes, NodeView{
			Name: name, Boot: n.Boot, Version: n.Version, Revision: n.Revision, Refused: n.Refused,
			Leader: name == c.mirror.leader, Self: name == c.opts.Node, Silent: c.silent[name], SeenAt: n.At,
		})
	}
	v.Flags = c.showFlags(now)
	v.Keys = c.showKeys()
	s := c.mirror.listShipped()
	v.Releases, v.Deployments, v.DeploymentsSince = s.releases, s.deployments, s.since
	v.Migrations = c.mirror.listMigrations()
	v.Audit = c.mirror.newestAudit()
	v.Notifiers = c.mirror.listNotifiers()
	v.Freezes = c.showFreezes(now)
	v.Outbox, v.OutboxSize = c.mirror.shownOutbox(), len(c.mirror.outbox)
	v.DeadLetters = c.mirror.shownDead()
	v.OutboxDead = len(c.mirror.outbox) - c.mirror.waiting()
	c.view.Store(v)
}

// pictures are the parts of the last View, with what each was made of: a part
// that would look the same is shown again.
type pictures struct {
	services map[string]picture[serviceSeen, ServiceView]
	rollouts map[string]picture[rolloutSeen, RolloutView]
}

type picture[K comparable, V any] struct {
	seen K
	view *V
}

// forgetBut drops pictures when there are more than names of what is shown.
func forgetBut[K comparable, V any](pictures map[string]picture[K, V], names []string) {
	if len(pictures) <= len(names) {
		return
	}
	shown := make(map[string]bool, len(names))
	for _, name := range names {
		shown[name] = true
	}
	maps.DeleteFunc(pictures, func(name string, _ picture[K, V]) bool { return !shown[name] })
}

func newPictures() pictures {
	return pictures{map[string]picture[serviceSeen, ServiceView]{}, map[string]picture[rolloutSeen, RolloutView]{}}
}

// serviceSeen is all that a ServiceView is made of.
type serviceSeen struct {
	document, state, rollout int64 // their revisions
	refused                  string
	compiled                 *route.Service
	kept                     bool
	live                     uint64 // a sum of what changes by itself
}

// rolloutSeen is all that the RolloutView of one that nobody measures is made of.
type rolloutSeen struct {
	revision         int64
	inForce, reports bool
}

func (c *Controller) showServices(v *View, now time.Time) {
	names := c.mirror.serviceNames()
	was := c.pictures.services
	forgetBut(was, names)
	v.Services = make([]*ServiceView, len(names))
	for i, name := range names {
		p := was[name]
		if seen := c.seenOf(name, now); p.view == nil || p.seen != seen {
			p = picture[serviceSeen, ServiceView]{seen, c.showService(name, now)}
			was[name] = p
		}
		v.Services[i] = p.view
	}
}

func (c *Controller) seenOf(name string, now time.Time) serviceSeen {
	seen := serviceSeen{
		document: c.mirror.services[name].mod, state: c.mirror.states[name].mod, refused: c.refused[name],
		kept: now.Before(c.mirror.splits[name].Service.KeepUntil),
	}
	if id := c.mirror.splits[name].Service.Rollout; id != "" {
		seen.rollout = c.mirror.rollouts[id].mod
	}
	table := c.opts.Tables.Load()
	if table == nil {
		return seen
	}
	if seen.compiled = table.Service(name); seen.compiled == nil {
		return seen
	}
	for _, v := range seen.compiled.Versions {
		for _, endpoints := range [][]*upstream.Endpoint{v.Pool.Endpoints(), v.Waiting} {
			for _, e := range endpoints {
				seen.live = c.liveOf(e, seen.live)
			}
		}
		if r := c.rates[versionID{name, v.Name}]; r != nil {
			seen.live = mix(seen.live, r.changes)
		}
	}
	return seen
}

// liveOf adds what showEndpoint shows of an endpoint to a sum.
func (c *Controller) liveOf(e *upstream.Endpoint, sum uint64) uint64 {
	state := uint64(e.InFlight())<<16 | uint64(e.Share())
	if !e.Probed() {
		state |= 1 << 62
	}
	if e.Ejected() {
		state = mix(state, uint64(c.outliers.of[e].Until.UnixNano()))
	}
	return mix(sum, state)
}

// mix adds a number to a sum in which the order counts (FNV-1a by words).
func mix(sum, n uint64) uint64 { return (sum ^ n ^ n>>32) * 0x100000001b3 }

func (c *Controller) showRollouts(v *View) {
	ids := c.mirror.newestFirst()
	ids = ids[:min(len(ids), maxShownRollouts)]
	was := c.pictures.rollouts
	forgetBut(was, ids)
	v.Rollouts = make([]*RolloutView, len(ids))
	for i, id := range ids {
		if c.trials[id] != nil || len(c.cuts[id]) > 0 || len(c.mirror.cuts[id]) > 0 {
			v.Rollouts[i] = c.showRollout(id)
			continue
		}
		p := was[id]
		_, reports := c.reports[id]
		if seen := (rolloutSeen{c.mirror.rollouts[id].mod, c.holds(id), reports}); p.view == nil || p.seen != seen {
			p = picture[rolloutSeen, RolloutView]{seen, c.showRollout(id)}
			was[id] = p
		}
		v.Rollouts[i] = p.view
	}
}

// holds reports whether the rollout is the one in force of its service.
func (c *Controller) holds(id string) bool {
	if c.mirror.rollouts[id].value.Phase.Final() {
		return false
	}
	return c.mirror.states[c.mirror.rollouts[id].value.Service].value.Rollout == id
}

func (c *Controller) showService(name string, now time.Time) *ServiceView {
	doc, state := c.mirror.services[name], c.mirror.states[name]
	sv := &ServiceView{
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

func (c *Controller) showRollout(id string) *RolloutView {
	r := c.mirror.rollouts[id]
	rv := &RolloutView{InForce: c.holds(id), State: r.value, ModRevision: r.mod, Cuts: c.cutsOf(id)}
	if r.value.Verdict != nil {
		rv.Verdict = *r.value.Verdict
	}
	for _, m := range r.value.Missing {
		rv.Missing = append(rv.Missing, m.At(c.clock()))
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
