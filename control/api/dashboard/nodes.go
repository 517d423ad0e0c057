package dashboard

import (
	"time"

	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api"
)

// nodesPage shows the fleet.
type nodesPage struct {
	Now   time.Time
	Store control.StoreView
	Nodes []nodeRow
}

// nodeRow is a node and how far it is behind.
type nodeRow struct {
	api.Node
	Behind int64 // revisions of the state that it has not applied; those of other things count too
}

func (d *Dashboard) nodes(r *request) (content, error) {
	p := &nodesPage{Now: r.view.At, Store: r.view.Store}
	newest := int64(0)
	for _, n := range r.view.Nodes {
		newest = max(newest, n.Revision)
	}
	for _, n := range api.NodesOf(r.view) {
		p.Nodes = append(p.Nodes, nodeRow{n, newest - n.Revision})
	}
	return content{title: "Nodes", data: p}, nil
}
