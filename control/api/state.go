package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/store"
)

// maxState is the largest exported state: a thousand services with a thousand
// rollouts and the whole trail are a tenth of it.
const maxState = 256 << 20

func (a *API) registerState() {
	file := map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: huma.TypeObject, Description: "As exported"}}}
	register(a, route{
		method: http.MethodGet, path: "/v1/state", role: Admin, id: "export-state", tag: "state",
		summary: "Export the whole state",
		description: "All documents, splits, rollouts, evidence, cuts and the audit trail at one revision, and the keys of the sticky cookie: " +
			"whoever has the file can forge cookies.",
		responses: map[string]*huma.Response{"200": {Description: "The state", Content: file}},
	}, a.exportState)
	register(a, route{
		method: http.MethodPut, path: "/v1/state", role: Admin, id: "import-state", tag: "state", maxBody: maxState,
		summary: "Import an exported state",
		description: "Refused with 409 where services, rollouts, notifiers or freezes exist, unless `replace` is true. It takes several transactions, " +
			"a service with its state after all that it refers to; cut short, it is to be repeated.",
		body: &huma.RequestBody{Required: true, Content: file},
	}, a.importState)
}

func (a *API) exportState(ctx context.Context, _ *none) (*huma.StreamResponse, error) {
	d, err := a.Control.ExportState(ctx)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		_, w := humago.Unwrap(ctx)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Disposition", `attachment; filename="weir-state.json"`)
		_ = json.NewEncoder(w).Encode(d) // the client went away if this fails
	}}, nil
}

type stateInput struct {
	Replace bool `query:"replace" doc:"Replace what is there"`
	DryRun  bool `query:"dry_run" doc:"Only say what would be imported"`
	RawBody []byte
}

func (a *API) importState(ctx context.Context, in *stateInput) (*changed, error) {
	var d store.Dump
	if err := json.Unmarshal(in.RawBody, &d); err != nil {
		return nil, problem(http.StatusUnprocessableEntity, "send what GET /v1/state answered", "this is not an exported state: %v", err)
	}
	reply, err := a.Control.Import(ctx, control.ImportState{Dump: d, Replace: in.Replace, DryRun: in.DryRun, Actor: actorOf(ctx)})
	if err != nil {
		return nil, err
	}
	return changedOf(reply, ""), nil
}
