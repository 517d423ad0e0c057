package control

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

// newestFirst returns the ids of all rollouts, the newest first. The slice must
// not be changed.
func (m *mirror) newestFirst() []string {
	if m.newest != nil {
		return m.newest
	}
	type started struct {
		at time.Time
		id string
	}
	all := make([]started, 0, len(m.rollouts))
	for id := range m.rollouts {
		all = append(all, started{m.rollouts[id].value.StartedAt, id})
	}
	slices.SortFunc(all, func(a, b started) int { return cmp.Or(b.at.Compare(a.at), cmp.Compare(b.id, a.id)) })
	m.newest = make([]string, len(all))
	for i, s := range all {
		m.newest[i] = s.id
	}
	return m.newest
}

// serviceNames returns the names of all services in order, without those of flags. The slice must not be
// changed.
func (m *mirror) serviceNames() []string {
	if m.names == nil {
		m.names = slices.Sorted(maps.Keys(m.sources))
	}
	return m.names
}

// inForce returns the rollout in force of a service, if there is one.
func (m *mirror) inForce(service string) (rollout.State, bool) {
	s, ok := m.states[service]
	if !ok || s.value.Rollout == "" {
		return rollout.State{}, false
	}
	r, ok := m.rollouts[s.value.Rollout]
	return r.value, ok
}

// pair returns the rollout id with the state of its service.
func (m *mirror) pair(id string) (rollout.Pair, bool) {
	r, ok := m.rollouts[id]
	if !ok {
		return rollout.Pair{}, false
	}
	s, ok := m.states[r.value.Service]
	return rollout.Pair{Rollout: r.value, Service: s.value}, ok
}

// standing names the values that a rollout's pair is made of by their revisions.
type standing struct{ rollout, state int64 }

func (m *mirror) standing(id string) standing {
	r := m.rollouts[id]
	return standing{r.mod, m.states[r.value.Service].mod}
}

// cutsOf returns the cuts of a rollout in etcd, in the order of their nodes.
func (m *mirror) cutsOf(id string) []rollout.Cut {
	var cuts []rollout.Cut
	for _, node := range slices.Sorted(maps.Keys(m.cuts[id])) {
		cuts = append(cuts, m.cuts[id][node].value)
	}
	return cuts
}

// keysHeld are the keys of all values that are here, in order.
func (m *mirror) keysHeld() []string {
	var keys []string
	add := func(prefix string, names ...string) {
		for _, n := range names {
			keys = append(keys, prefix+n)
		}
	}
	for name := range m.services {
		if _, flag := configs.FlagOf(name); !flag {
			add(store.Services, name)
		}
	}
	add(store.Flags, slices.Collect(maps.Keys(m.flags))...)
	add(store.Releases, slices.Collect(maps.Keys(m.releases))...)
	add(store.Deploys, slices.Collect(maps.Keys(m.deploys))...)
	add(store.Migrates, slices.Collect(maps.Keys(m.migrations))...)
	add(store.Kills, slices.Collect(maps.Keys(m.kills))...)
	add(store.States, slices.Collect(maps.Keys(m.states))...)
	add(store.Rollouts, slices.Collect(maps.Keys(m.rollouts))...)
	add(store.Evidences, slices.Collect(maps.Keys(m.evidence))...)
	add(store.Tallies, slices.Collect(maps.Keys(m.tallies))...)
	add(store.Nodes, slices.Collect(maps.Keys(m.nodes))...)
	add(store.Audit, slices.Collect(maps.Keys(m.audit))...)
	add(store.Notifiers, slices.Collect(maps.Keys(m.notifiers))...)
	add(store.Freezes, slices.Collect(maps.Keys(m.freezes))...)
	add(store.Outbox, slices.Collect(maps.Keys(m.outbox))...)
	for id, byNode := range m.cuts {
		add(store.CutsOf(id), slices.Collect(maps.Keys(byNode))...)
	}
	if m.leader != "" {
		keys = append(keys, store.LeaderKey)
	}
	slices.Sort(keys)
	return keys
}
