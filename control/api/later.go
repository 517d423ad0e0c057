package api

import (
	"context"
	"net/http"
)

// registerLater answers for the documents that decode and are not used yet, so
// that a script learns it from a problem and not from a 404.
func (a *API) registerLater() {
	a.registerNotBuilt("freeze", "freezes")
}

func (a *API) registerNotBuilt(one, many string) {
	r := route{tag: many, summary: "Not built yet", description: "Answers 501."}
	refusal := problem(http.StatusNotImplemented, "", "not built yet: %s", many)

	r.method, r.path, r.role, r.id = http.MethodGet, "/v1/"+many, Viewer, "list-"+many
	register(a, r, func(context.Context, *none) (*none, error) { return nil, refusal })

	refuse := func(context.Context, *objectName) (*none, error) { return nil, refusal }
	r.path, r.id = "/v1/"+many+"/{name}", "get-"+one
	register(a, r, refuse)
	r.method, r.role, r.id = http.MethodPut, Admin, "put-"+one
	register(a, r, refuse)
	r.method, r.id = http.MethodDelete, "delete-"+one
	register(a, r, refuse)
}

type objectName struct {
	Name string `path:"name"`
}
