package api

import (
	"context"
	"net/http"
	"time"

	"github.com/weirproxy/weir/control"
)

// Node is one weir process of the fleet.
type Node struct {
	Name     string            `json:"name"`
	Boot     string            `json:"boot" doc:"Differs after each start of the process"`
	Version  string            `json:"version" doc:"Of weir"`
	Revision int64             `json:"revision" doc:"Of the state that it applied last"`
	Refused  map[string]string `json:"refused" doc:"Services whose document it could not use, with the reason"`
	Leader   bool              `json:"leader"`
	Silent   bool              `json:"silent" doc:"It did not apply a change in time: rollouts do not wait for it until it has"`
	Self     bool              `json:"self" doc:"The node that answers"`
	SeenAt   time.Time         `json:"seen_at"`
}

func (a *API) registerFleet() {
	register(a, route{
		method: http.MethodGet, path: "/v1/nodes", role: Viewer, id: "list-nodes", tag: "fleet",
		summary: "List the nodes", description: "All live nodes by name, with the revision that each has applied.",
	}, a.listNodes)
	a.registerAudit()
}

type nodes struct {
	Body []Node
}

func (a *API) listNodes(context.Context, *none) (*nodes, error) {
	return &nodes{Body: nodesOf(a.Control.View())}, nil
}

func nodesOf(v *control.View) []Node {
	out := make([]Node, 0, len(v.Nodes))
	for _, n := range v.Nodes {
		node := Node{
			Name: n.Name, Boot: n.Boot, Version: n.Version, Revision: n.Revision,
			Refused: n.Refused, Leader: n.Leader, Self: n.Self, Silent: n.Silent, SeenAt: n.SeenAt,
		}
		if node.Refused == nil {
			node.Refused = map[string]string{}
		}
		out = append(out, node)
	}
	return out
}
