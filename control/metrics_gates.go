package control

import (
	"time"

	"github.com/weirproxy/weir/control/exposition"
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

// writeTold writes what others were told and asked, and what is still to be told.
func (c *Controller) writeTold(p *exposition.Page, v *View, now time.Time) {
	c.notifications.write(p.Counter("weir_notifications_total", "Deliveries of events that this node tried, by what became of them: delivered, failed or dead."), "notifier", "result")
	waiting := p.Gauge("weir_notifier_waiting_seconds", "Age of the oldest event that a notifier is still to be told; 0: there is none.")
	for i := range v.Notifiers {
		n := &v.Notifiers[i]
		age := 0.0
		if !n.Since.IsZero() {
			age = max(now.Sub(n.Since).Seconds(), 0)
		}
		waiting.Add(age, "notifier", n.Document.Name)
	}
	outbox := p.Gauge("weir_outbox_entries", "Events that are still to be told, and dead letters.")
	outbox.Add(float64(v.OutboxSize-v.OutboxDead), "state", "waiting")
	outbox.Add(float64(v.OutboxDead), "state", "dead")
	c.hookCalls.write(p.Counter("weir_hook_calls_total", "Calls of gates and checks by this node, by their answer: go, wait, refuse or none."), "hook", "answer")
	active := p.Gauge("weir_freeze_active", "1 if the freeze is in force.")
	for _, f := range v.Freezes {
		active.Add(exposition.Flag(f.Active), "freeze", f.Document.Name)
	}
}
