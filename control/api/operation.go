package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/zap"
)

// route is one operation of the API.
type route struct {
	method, path string
	role         Role
	id           string // operationId
	summary      string
	description  string
	tag          string
	maxBody      int64                     // bytes; 0: maxBody
	anyQuery     bool                      // load balancers and scrapers add queries of their own
	status       int                       // of success; 0: 200
	body         *huma.RequestBody         // nil: what the input type says
	responses    map[string]*huma.Response // nil: what the output type says
}

// register adds an operation. The handler's errors become problems here, and
// faults are logged here, once.
func register[I, O any](a *API, r route, handle func(context.Context, *I) (*O, error)) {
	op := huma.Operation{
		Method:        r.method,
		Path:          r.path,
		OperationID:   r.id,
		Summary:       r.summary,
		Description:   r.description,
		Tags:          []string{r.tag},
		DefaultStatus: r.status,
		MaxBodyBytes:  cmp.Or(r.maxBody, maxBody),
		Metadata:      map[string]any{metaRole: r.role},
		Responses:     r.responses,

		SkipValidateParams: r.anyQuery,
	}
	if op.Responses == nil {
		op.Responses = make(map[string]*huma.Response)
	}
	op.Responses["default"] = &huma.Response{
		Description: "Refused or failed",
		Content: map[string]*huma.MediaType{
			problemType: {Schema: a.schema(Problem{}, "Problem")},
		},
	}
	if r.role > Nobody {
		op.Security = []map[string][]string{{"token": {}}}
		op.Description += fmt.Sprintf(" Role: %s.", r.role)
	}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err == nil {
			return out, nil
		}
		p := problemOf(err)
		if p.Status == http.StatusInternalServerError {
			a.Log.Error("request failed", zap.String("operation", r.id), zap.Error(err))
		}
		return nil, p
	})
	if r.body != nil {
		// Only now: huma would decode and check the body by it, and knows no YAML.
		described(a.huma.OpenAPI().Paths[r.path], r.method).RequestBody = r.body
	}
}

// described is the description of one operation that takes a body.
func described(path *huma.PathItem, method string) *huma.Operation {
	if method == http.MethodPost {
		return path.Post
	}
	return path.Put
}

// schema adds the schema of v's type to the description and returns a
// reference to it.
func (a *API) schema(v any, name string) *huma.Schema {
	return a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeOf(v), true, name)
}
