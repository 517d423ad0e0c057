package control

import (
	"time"

	"github.com/weirproxy/weir/control/exposition"
)

// writeState writes how fresh the state is, and who has it.
func (c *Controller) writeState(p *exposition.Page, v *View, now time.Time) {
	status := c.opts.Store.Status()
	one := func(name, help string, value float64) { p.Gauge(name, help).Add(value) }
	one("weir_state_connected", "1 if etcd answers.", exposition.Flag(status.Connected))
	one("weir_state_blind", "1 if the node is cut off for so long that candidates get nothing from it.", exposition.Flag(v.Store.Blind))
	one("weir_state_revision", "Revision of the state that this node has.", float64(v.Store.Revision))
	one("weir_state_age_seconds", "Time since the state was last proven fresh.", status.Age.Seconds())
	one("weir_state_unreadable_values", "Stored values that this node cannot read; it keeps the last good ones.", float64(v.Store.Unreadable))
	p.Counter("weir_state_fenced_writes_total", "Writes as the leader that etcd refused because the node had been relieved.").Add(float64(status.Fenced))
	// What etcd's database takes is asked once a minute.
	size, quota := p.Gauge("weir_state_bytes", "Size of etcd's database."), p.Gauge("weir_state_quota_bytes", "Size at which etcd refuses writes.")
	if status.Quota > 0 {
		size.Add(float64(status.Size))
		quota.Add(float64(status.Quota))
	}
	one("weir_node_leader", "1 if this node leads: it moves plans on and sends notifications.", exposition.Flag(v.Leader))
	age := p.Gauge("weir_controller_age_seconds", "Time since the Controller last told how things stand: more than a second says that it stands still.")
	if !v.At.IsZero() {
		age.Add(max(now.Sub(v.At).Seconds(), 0))
	}
	one("weir_fleet_nodes", "Nodes that hold a lease, this one included.", float64(len(v.Nodes)))
	silent := p.Gauge("weir_fleet_node_silent", "1 for a node that does not apply changes and is not waited for; told by the leader alone.")
	if v.Leader {
		for i := range v.Nodes {
			silent.Add(exposition.Flag(v.Nodes[i].Silent), "node", v.Nodes[i].Name)
		}
	}
}
