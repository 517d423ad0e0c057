package api

import (
	"context"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Index is what runs here.
type Index struct {
	Name      string            `json:"name"`
	Version   string            `json:"version"`
	Node      string            `json:"node"`
	Leader    string            `json:"leader" doc:"The node that leads; empty: unknown"`
	Connected bool              `json:"connected" doc:"The shared state can be reached"`
	Source    string            `json:"source" doc:"Where the state in use comes from: etcd or disk"`
	Revision  int64             `json:"revision"`
	Age       float64           `json:"age_seconds" doc:"Since the last proof that the state is the newest"`
	Blind     bool              `json:"blind" doc:"Cut off for so long that candidates under trial get nothing from this node"`
	Error     string            `json:"error,omitempty" doc:"Why the state cannot be reached"`
	Services  int               `json:"services"`
	InForce   []string          `json:"rollouts_in_force"`
	Links     map[string]string `json:"links"`
}

func (a *API) registerProcess() {
	register(a, route{
		method: http.MethodGet, path: "/{$}", role: Viewer, id: "index", tag: "process",
		summary: "What runs here", description: "The node, the state's freshness, and where to go on.",
	}, a.index)
	for path, r := range map[string]route{
		"/metrics": {role: Viewer, id: "metrics", summary: "Metrics", description: "Prometheus text."},
		"/healthz": {role: Nobody, id: "healthz", summary: "The process lives", description: "Always 200."},
		"/readyz":  {role: Nobody, id: "readyz", summary: "The node takes traffic", description: "200, or 503 with the reason: no state yet, or draining."},
	} {
		r.method, r.path, r.tag, r.anyQuery = http.MethodGet, path, "process", true
		r.responses = map[string]*huma.Response{"200": {
			Description: "Text",
			Content:     map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: huma.TypeString}}},
		}}
		handler := a.plain(path)
		register(a, r, func(context.Context, *none) (*huma.StreamResponse, error) {
			return &huma.StreamResponse{Body: func(ctx huma.Context) {
				r, w := humago.Unwrap(ctx)
				handler(w, r)
			}}, nil
		})
	}
}

// NewStatus returns the handler of the status address: /metrics, /healthz and
// /readyz alone, without a token.
func NewStatus(o Options) http.Handler {
	a := &API{Options: o, scrapes: newScrapes(o.Metrics)}
	mux := http.NewServeMux()
	for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
		mux.HandleFunc("GET "+path, a.plain(path))
	}
	return withProblems(mux)
}

func (a *API) plain(path string) http.HandlerFunc {
	switch path {
	case "/metrics":
		return a.scrapes.serve
	case "/healthz":
		return healthz
	default:
		return a.readyz
	}
}

func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok\n")
}

func (a *API) readyz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if a.Ready != nil {
		if err := a.Ready(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, err.Error()+"\n")
			return
		}
	}
	_, _ = io.WriteString(w, "ready\n")
}

type index struct {
	Body Index
}

func (a *API) index(context.Context, *none) (*index, error) {
	v := a.Control.View()
	out := Index{
		Name: "weir", Version: a.Version, Node: v.Node, Leader: v.LeaderNode,
		Connected: v.Store.Connected, Source: v.Store.Source, Revision: v.Store.Revision,
		Age: v.Store.Age.Seconds(), Error: v.Store.Err, Blind: v.Store.Blind, Services: len(v.Services), InForce: []string{},
		Links: map[string]string{
			"services": "/v1/services", "rollouts": "/v1/rollouts", "nodes": "/v1/nodes",
			"audit": "/v1/audit", "events": "/v1/events", "metrics": "/metrics", "openapi": "/openapi.json",
		},
	}
	for _, r := range v.Rollouts {
		if r.InForce {
			out.InForce = append(out.InForce, r.State.ID)
		}
	}
	return &index{Body: out}, nil
}
