package api

import (
	"context"
	"net/http"
	"time"
)

// Node is one weir process of the fleet.
type Node struct {
	Name     string            `json:"name"`
	Boot     string            `json:"boot" doc:"Differs after each start of the process"`
	Version  string            `json:"version" doc:"Of weir"`
	Revision int64             `json:"revision" doc:"Of the state that it applied last"`
	Refused  map[string]string `json:"refused" doc:"Services whose document it could not use, with the reason"`
	Leader   bool              `json:"leader"`
	Self     bool              `json:"self" doc:"The node that answers"`
	SeenAt   time.Time         `json:"seen_at"`
}

// Audit is one change with who made it.
type Audit struct {
	At     time.Time `json:"at"`
	Actor  string    `json:"actor" doc:"A person, or weir"`
	Action string    `json:"action"`
	Object string    `json:"object"`
	Text   string    `json:"text"`
}

func (a *API) registerFleet() {
	register(a, route{
		method: http.MethodGet, path: "/v1/nodes", role: Viewer, id: "list-nodes", tag: "fleet",
		summary: "List the nodes", description: "All live nodes by name, with the revision that each has applied.",
	}, a.listNodes)
	register(a, route{
		method: http.MethodGet, path: "/v1/audit", role: Viewer, id: "list-audit", tag: "fleet",
		summary: "Read the audit trail", description: "What was changed, by whom, newest first.",
	}, a.listAudit)
}

type nodes struct {
	Body []Node
}

func (a *API) listNodes(context.Context, *none) (*nodes, error) {
	v := a.Control.View()
	out := &nodes{Body: make([]Node, 0, len(v.Nodes))}
	for _, n := range v.Nodes {
		node := Node{
			Name: n.Name, Boot: n.Boot, Version: n.Version, Revision: n.Revision,
			Refused: n.Refused, Leader: n.Leader, Self: n.Self, SeenAt: n.SeenAt,
		}
		if node.Refused == nil {
			node.Refused = map[string]string{}
		}
		out.Body = append(out.Body, node)
	}
	return out, nil
}

type auditFilter struct {
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most"`
}

type audit struct {
	Body []Audit
}

func (a *API) listAudit(_ context.Context, in *auditFilter) (*audit, error) {
	v := a.Control.View()
	out := &audit{Body: make([]Audit, 0, min(len(v.Audit), in.Limit))}
	for _, e := range v.Audit[:min(len(v.Audit), in.Limit)] {
		out.Body = append(out.Body, Audit{At: e.At, Actor: orWeir(e.Actor), Action: e.Action, Object: e.Object, Text: e.Text})
	}
	return out, nil
}
