package control

import (
	"cmp"
	"maps"
	"slices"

	"github.com/weirproxy/weir/control/rollout"
)

// newestFirst returns the ids of all rollouts, the newest first. The slice must
// not be changed.
func (m *mirror) newestFirst() []string {
	if m.newest != nil {
		return m.newest
	}
	m.newest = slices.Collect(maps.Keys(m.rollouts))
	slices.SortFunc(m.newest, func(a, b string) int {
		x, y := m.rollouts[a].value, m.rollouts[b].value
		return cmp.Or(y.StartedAt.Compare(x.StartedAt), cmp.Compare(b, a))
	})
	return m.newest
}

// newestAudit returns what a View shows of the trail, the newest first. The
// slice must not be changed.
func (m *mirror) newestAudit() []AuditView {
	if m.trail != nil {
		return m.trail
	}
	keys := slices.Sorted(maps.Keys(m.audit))
	slices.Reverse(keys)
	m.trail = make([]AuditView, 0, maxShownAudit)
	for _, k := range keys[:min(len(keys), maxShownAudit)] {
		a := m.audit[k].value
		a.ID = k
		m.trail = append(m.trail, a)
	}
	return m.trail
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

// cutsOf returns the cuts of a rollout in etcd, in the order of their nodes.
func (m *mirror) cutsOf(id string) []rollout.Cut {
	var cuts []rollout.Cut
	for _, node := range slices.Sorted(maps.Keys(m.cuts[id])) {
		cuts = append(cuts, m.cuts[id][node].value)
	}
	return cuts
}
