package control

import (
	"maps"
	"slices"
)

// maxHookNames bounds the hooks that are counted by name: plans come and go.
const maxHookNames = 100

// countHook counts a call of a gate or check by its answer.
func (c *Controller) countHook(name, answer string) {
	if !c.hookNames[name] && len(c.hookNames) >= maxHookNames {
		name = "other"
	} else {
		c.hookNames[name] = true
	}
	c.hookCalls.add(versionID{name, answer})
}

func (c *Controller) writeGates(m *exposition, v *View) {
	counts := c.hookCalls.snapshot()
	m.family("weir_hook_calls_total", "counter", "calls of gates and checks by this node, by their answer: go, wait, refuse or none")
	for _, id := range slices.SortedFunc(maps.Keys(counts), versionID.compare) {
		m.value("weir_hook_calls_total", float64(counts[id]), "hook", id.service, "answer", id.version)
	}
	m.family("weir_freeze_active", "gauge", "1 if the freeze is in force")
	for _, f := range v.Freezes {
		m.value("weir_freeze_active", boolean(f.Active), "freeze", f.Document.Name)
	}
	m.family("weir_outbox_entries", "gauge", "events that are still to be told, and dead letters")
	m.value("weir_outbox_entries", float64(v.OutboxSize-v.OutboxDead), "state", "waiting")
	m.value("weir_outbox_entries", float64(v.OutboxDead), "state", "dead")
}
