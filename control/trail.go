package control

import (
	"maps"
	"slices"

	"github.com/weirproxy/weir/control/store"
)

// putAudit takes an entry of the trail in. Its key is nearly always the greatest, so
// that the keys stay in order without being sorted at each entry.
func (m *mirror) putAudit(key string, kv store.KV) error {
	if err := put(m.audit, key, kv); err != nil {
		return err
	}
	m.trail = nil
	if n := len(m.told); n > 0 && m.told[n-1] < key {
		m.told = append(m.told, key)
	} else {
		m.told = nil
	}
	return nil
}

// dropAudit forgets an entry: mostly the oldest, which has been kept for long enough.
func (m *mirror) dropAudit(key string) {
	delete(m.audit, key)
	m.trail = nil
	if len(m.told) > 0 && m.told[0] == key {
		m.told = m.told[1:]
	} else {
		m.told = nil
	}
}

// auditKeys returns the keys of the trail, the oldest first. The slice must not be
// changed.
func (m *mirror) auditKeys() []string {
	if m.told == nil {
		m.told = slices.Sorted(maps.Keys(m.audit))
	}
	return m.told
}

// newestAudit returns what a View shows of the trail, the newest first. The
// slice must not be changed.
func (m *mirror) newestAudit() []AuditView {
	if m.trail != nil {
		return m.trail
	}
	keys := m.auditKeys()
	m.trail = make([]AuditView, 0, maxShownAudit)
	for i := len(keys) - 1; i >= max(0, len(keys)-maxShownAudit); i-- {
		a := m.audit[keys[i]].value
		a.ID = keys[i]
		m.trail = append(m.trail, a)
	}
	return m.trail
}
