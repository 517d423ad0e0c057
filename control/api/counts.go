package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

func (a *API) registerCounts() {
	register(a, route{
		method: http.MethodGet, path: "/v1/rollouts/{id}/counts", role: Viewer, id: "counts-rollout", tag: "rollouts",
		summary: "Export the counts of a rollout",
		description: "What this node counted of both versions, in the form that `weir replay` reads: the last two minutes by tick of 100 ms, " +
			"the last six hours by second, the last week by minute. A node keeps the counts of rollouts in force and of the last 50 that ended, " +
			"in memory: 404 for others.",
		responses: map[string]*huma.Response{"200": {
			Description: "One row a tick and version",
			Content:     map[string]*huma.MediaType{"text/csv": {Schema: &huma.Schema{Type: huma.TypeString}}},
		}},
	}, a.rolloutCounts)
}

func (a *API) rolloutCounts(ctx context.Context, in *RolloutID) (*huma.StreamResponse, error) {
	v, err := a.rollout(in.ID)
	if err != nil {
		return nil, err
	}
	recording, err := a.Control.Recording(ctx, v.State.ID)
	if err != nil {
		return nil, err
	}
	if recording == nil {
		return nil, problem(http.StatusNotFound, "a node keeps the counts of rollouts in force and of the last 50 that ended, as long as it runs; another node may have its own",
			"this node keeps no counts of rollout %q", in.ID)
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		_, w := humago.Unwrap(ctx)
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		w.Header().Set("Content-Disposition", `attachment; filename="counts.csv"`)
		_ = recording.WriteCSV(w) // the client went away if this fails
	}}, nil
}
