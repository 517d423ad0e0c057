package control

import (
	"cmp"
	"maps"
	"slices"
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
