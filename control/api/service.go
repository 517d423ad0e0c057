package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
)

// Service is a service as this node sees it.
type Service struct {
	Name      string                    `json:"name"`
	Stable    string                    `json:"stable" doc:"The version users are on"`
	Weights   map[string]configs.Weight `json:"weights" doc:"Share of each version, in force"`
	Rollout   string                    `json:"rollout" doc:"Id of the rollout in force; empty: none"`
	Previous  string                    `json:"previous,omitempty" doc:"Was stable before, and is kept for an undo"`
	KeepUntil *time.Time                `json:"keep_until,omitempty" doc:"Until when previous is kept"`
	Refused   string                    `json:"refused,omitempty" doc:"Why the present document is not in use on this node; its last good form is"`
	Versions  []Version                 `json:"versions"`
	Document  configs.Service           `json:"document" doc:"As it was applied"`

	Revision      int64 `json:"revision" doc:"Of the document: its ETag"`
	StateRevision int64 `json:"state_revision" doc:"Of the weights: their ETag"`
}

// Version is one version of a service with what this node measured.
type Version struct {
	Name      string         `json:"name"`
	Revision  string         `json:"revision,omitempty" doc:"Of the build, as the document gives it"`
	Role      string         `json:"role" enum:"stable,candidate,kept,idle"`
	Weight    configs.Weight `json:"weight" doc:"In force on this node, cuts included"`
	Endpoints []Endpoint     `json:"endpoints"`

	Requests  uint64  `json:"requests" doc:"Since the process began"`
	Errors    uint64  `json:"errors" doc:"Since the process began"`
	RPS       float64 `json:"rps" doc:"Requests a second, over the last 5 s"`
	ErrorRate float64 `json:"error_rate" doc:"0 to 1, over the last 5 s"`
	P50       float64 `json:"p50_ms" doc:"Milliseconds, over the last 5 s; 0: no requests"`
	P99       float64 `json:"p99_ms" doc:"Milliseconds, over the last 5 s; 0: no requests"`
}

// Endpoint is one address of a version.
type Endpoint struct {
	Address  string     `json:"address"`
	Name     string     `json:"name,omitempty" doc:"What the document calls it, if that is a name that was resolved"`
	Up       bool       `json:"up" doc:"It is well as far as probes and requests show"`
	State    string     `json:"state" enum:"up,down,ejected,starting" doc:"down: probes fail; ejected: it failed its requests; starting: it came up lately and gets less than others"`
	Until    *time.Time `json:"until,omitempty" doc:"When an ejected endpoint comes back"`
	InFlight int64      `json:"in_flight"`
}

func serviceOf(v *control.ServiceView) Service {
	s := Service{
		Name: v.Document.Name, Stable: v.State.Stable, Weights: inForce(v),
		Rollout: v.State.Rollout, Previous: v.State.Previous, Refused: v.Refused,
		Versions: make([]Version, 0, len(v.Versions)), Document: v.Document,
		Revision: v.ModRevision, StateRevision: v.StateRevision,
	}
	if !v.State.KeepUntil.IsZero() {
		s.KeepUntil = &v.State.KeepUntil
	}
	for _, ver := range v.Versions {
		s.Versions = append(s.Versions, versionOf(ver))
	}
	return s
}

// inForce are the weights of a service with no version left out that the state
// names; never nil.
func inForce(v *control.ServiceView) map[string]configs.Weight {
	weights := make(map[string]configs.Weight, len(v.State.Weights))
	for name, w := range v.State.Weights {
		weights[name] = w
	}
	if len(weights) == 0 && v.State.Stable != "" {
		weights[v.State.Stable] = configs.Whole
	}
	return weights
}

func versionOf(v control.VersionView) Version {
	out := Version{
		Name: v.Name, Revision: v.Revision, Role: v.Role, Weight: v.Weight,
		Endpoints: make([]Endpoint, 0, len(v.Endpoints)),
		Requests:  v.Requests, Errors: v.Errors, RPS: v.RPS, ErrorRate: v.ErrorRate,
		P50: milliseconds(v.P50), P99: milliseconds(v.P99),
	}
	for _, e := range v.Endpoints {
		endpoint := Endpoint{Address: e.Address, Name: e.Name, Up: e.Up, State: string(e.State), InFlight: e.InFlight}
		if !e.Until.IsZero() {
			endpoint.Until = &e.Until
		}
		out.Endpoints = append(out.Endpoints, endpoint)
	}
	return out
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

func (a *API) registerServices() {
	register(a, route{
		method: http.MethodGet, path: "/v1/services", role: Viewer, id: "list-services", tag: "services",
		summary: "List services", description: "All services by name, with what this node measures of each version.",
	}, a.listServices)
	register(a, route{
		method: http.MethodGet, path: "/v1/services/{name}", role: Viewer, id: "get-service", tag: "services",
		summary: "Read a service", description: "The ETag is that of the document.",
	}, a.getService)
	register(a, route{
		method: http.MethodPut, path: "/v1/services/{name}", role: Admin, id: "put-service", tag: "services",
		summary: "Create or replace a service",
		description: "Takes a Service document as JSON or YAML. Stable and weights of an existing service stay as they are, " +
			"unless reset_weights is given. A version that is stable, candidate, weighted or kept is never removed (409).",
		body: a.documentBody("Service", configs.Service{}),
	}, a.putService)
	register(a, route{
		method: http.MethodDelete, path: "/v1/services/{name}", role: Admin, id: "delete-service", tag: "services",
		summary: "Delete a service", description: "Refused while a rollout of it is in force (409).",
	}, a.deleteService)
}

type none struct{}

// ServiceName is the path of a service.
type ServiceName struct {
	Name string `path:"name" doc:"Name of the service" example:"shop"`
}

type services struct {
	Body []Service
}

func (a *API) listServices(context.Context, *none) (*services, error) {
	v := a.Control.View()
	out := &services{Body: make([]Service, 0, len(v.Services))}
	for _, s := range v.Services {
		out.Body = append(out.Body, serviceOf(s))
	}
	return out, nil
}

type service struct {
	ETag string `header:"ETag"`
	Body Service
}

type getOne struct {
	ServiceName
	Freshness
}

func (a *API) getService(ctx context.Context, in *getOne) (*service, error) {
	if err := a.fresh(ctx, in.Freshness); err != nil {
		return nil, err
	}
	v, err := a.service(in.Name)
	if err != nil {
		return nil, err
	}
	return &service{ETag: etag(v.ModRevision), Body: serviceOf(v)}, nil
}

func (a *API) service(name string) (*control.ServiceView, error) {
	v, ok := a.Control.View().Service(name)
	if !ok {
		return nil, problem(http.StatusNotFound, "GET /v1/services lists what there is", "there is no service %q", name)
	}
	return v, nil
}

type putService struct {
	ServiceName
	Conditions
	DryRun       bool   `query:"dry_run" doc:"Only say what would change"`
	ResetWeights bool   `query:"reset_weights" doc:"Take stable and weights from the document"`
	ContentType  string `header:"Content-Type" hidden:"true"`
	RawBody      []byte
}

func (a *API) putService(ctx context.Context, in *putService) (*changed, error) {
	doc, err := decodeService(in.ContentType, in.RawBody, in.Name)
	if err != nil {
		return nil, err
	}
	match, err := in.revision(a.documentRevision(in.Name))
	if err != nil {
		return nil, err
	}
	reply, err := a.do(ctx, control.ApplyService{
		Document: *doc, IfMatch: match, ResetWeights: in.ResetWeights, DryRun: in.DryRun, Actor: actorOf(ctx),
	})
	if err != nil {
		return nil, err
	}
	return changedOf(reply, "/v1/services/"+in.Name), nil
}

func (a *API) documentRevision(name string) int64 {
	if v, ok := a.Control.View().Service(name); ok {
		return v.ModRevision
	}
	return 0
}

type deleteService struct {
	ServiceName
	Conditions
}

func (a *API) deleteService(ctx context.Context, in *deleteService) (*changed, error) {
	match, err := in.revision(a.documentRevision(in.Name))
	if err != nil {
		return nil, err
	}
	reply, err := a.do(ctx, control.DeleteService{Name: in.Name, IfMatch: match, Actor: actorOf(ctx)})
	if err != nil {
		return nil, err
	}
	return changedOf(reply, ""), nil
}

// documentBody describes a body that is a document in either of two notations.
func (a *API) documentBody(name string, document any) *huma.RequestBody {
	schema := a.schema(document, name)
	return &huma.RequestBody{
		Description: "A " + name + " document, strictly read: an unknown field is refused. `kind` may be left out.",
		Required:    true,
		Content: map[string]*huma.MediaType{
			"application/json": {Schema: schema},
			"application/yaml": {Schema: schema},
		},
	}
}
