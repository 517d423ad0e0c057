package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/control"
)

// Controller is what the API needs of the control plane. All methods are safe
// for concurrent use.
type Controller interface {
	// View is the present state; immutable, never nil.
	View() *control.View
	// Do carries out a command. A *control.Error means that nothing changed and
	// a person can mend it.
	Do(ctx context.Context, cmd control.Command) (control.Reply, error)
	// Subscribe delivers events until cancel is called.
	Subscribe(buffer int) (events <-chan control.Event, cancel func())
	// Applied waits until every live node has applied a revision.
	Applied(ctx context.Context, revision int64) error
}

// Options are the parts of an API.
type Options struct {
	Control Controller
	Metrics func(io.Writer) // writes Prometheus text; nil: none
	Ready   func() error    // why the node should get no traffic; nil: it is ready
	Tokens  *Tokens         // nil: none are asked for; the address must then be loopback
	Version string          // of weir
	Log     *zap.Logger     // nil: no log
}

// API answers the control API's requests.
type API struct {
	Options
	huma    huma.API
	openapi []byte
}

// New returns the handler of the control address. It starts nothing.
func New(o Options) http.Handler {
	a := &API{Options: o}
	if a.Log == nil {
		a.Log = zap.NewNop()
	}
	mux := http.NewServeMux()
	a.huma = humago.New(mux, a.config())
	a.huma.UseMiddleware(a.authorize)

	a.registerServices()
	a.registerWeights()
	a.registerRollouts()
	a.registerFleet()
	a.registerLater()
	a.registerEvents()
	a.registerProcess()

	a.openapi = a.document()
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(a.openapi) // the client went away if this fails
	})
	return a.guard(withProblems(mux))
}

func (a *API) config() huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			Info: &huma.Info{
				Title:   "weir control API",
				Version: a.Version,
				Description: "Reads and changes services, weights and rollouts. Errors are RFC 9457 problems; " +
					"an ETag is the revision of what was read, and If-Match refuses a change of anything newer.",
				License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"token": {Type: "http", Scheme: "bearer", Description: "A token of the node's tokens file. None is asked for without such a file."},
				},
			},
		},
		Formats:       map[string]huma.Format{"application/json": jsonFormat(), "json": jsonFormat()}, // the short name serves +json
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{problemTransformer},

		RejectUnknownQueryParameters: true,
	}
}

// jsonFormat writes HTML characters as they are: conditions hold < and >.
func jsonFormat() huma.Format {
	return huma.Format{
		Marshal: func(w io.Writer, v any) error {
			e := json.NewEncoder(w)
			e.SetEscapeHTML(false)
			return e.Encode(v)
		},
		Unmarshal: json.Unmarshal,
	}
}

// schemaName keeps the documents of package configs apart from the API's views
// of the same name.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if strings.HasSuffix(t.PkgPath(), "/configs") {
		return name + "Document"
	}
	return name
}

// schema adds the schema of v's type to the description and returns a
// reference to it.
func (a *API) schema(v any, name string) *huma.Schema {
	return a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeOf(v), true, name)
}

// document renders the OpenAPI description once.
func (a *API) document() []byte {
	spec := a.huma.OpenAPI()
	// The mux needs another spelling of the root than a reader does.
	spec.Paths["/"] = spec.Paths["/{$}"]
	delete(spec.Paths, "/{$}")
	// huma adds its own form of an error, which no answer here has.
	delete(spec.Components.Schemas.Map(), "ErrorModel")
	delete(spec.Components.Schemas.Map(), "ErrorDetail")
	data, err := json.Marshal(spec)
	if err != nil {
		panic(fmt.Sprintf("BUG: the OpenAPI description does not encode: %v", err))
	}
	return data
}

// route is one operation of the API.
type route struct {
	method, path string
	role         Role
	id           string // operationId
	summary      string
	description  string
	tag          string
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
		MaxBodyBytes:  maxBody,
		Metadata:      map[string]any{metaRole: r.role},
		Responses:     r.responses,
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

// do carries out a command and waits until this node's View has it, so that a
// client reads what it wrote.
func (a *API) do(ctx context.Context, cmd control.Command) (control.Reply, error) {
	reply, err := a.Control.Do(ctx, cmd)
	if err != nil || reply.Revision == 0 {
		return reply, err
	}
	ctx, cancel := context.WithTimeout(ctx, viewWait)
	defer cancel()
	tick := time.NewTicker(viewPoll)
	defer tick.Stop()
	for a.Control.View().Store.Revision < reply.Revision {
		select {
		case <-ctx.Done():
			// The change is made; that it is not in view yet is no failure of it.
			return reply, nil
		case <-tick.C:
		}
	}
	return reply, nil
}

const (
	viewWait = 2 * time.Second
	viewPoll = 5 * time.Millisecond
)

// Result is what became of a change.
type Result struct {
	Text     string   `json:"text" doc:"One sentence on what was done"`
	Service  string   `json:"service,omitempty" doc:"Name of the service"`
	ID       string   `json:"id,omitempty" doc:"Id of the rollout"`
	Revision int64    `json:"revision" doc:"Revision of the state after the change; 0: nothing changed"`
	Created  bool     `json:"created" doc:"The object is new"`
	Warnings []string `json:"warnings,omitempty" doc:"Worth reading, nothing refused"`
	Changes  []string `json:"changes,omitempty" doc:"With dry_run: what would change"`
}

func resultOf(r control.Reply) Result {
	return Result{
		Text: r.Text, Service: r.Name, ID: r.ID, Revision: r.Revision,
		Created: r.Created, Warnings: r.Warnings, Changes: r.Changes,
	}
}

// changed is the answer to a change.
type changed struct {
	Status   int
	ETag     string `header:"ETag" doc:"Revision after the change"`
	Location string `header:"Location" doc:"Where the new object is"`
	Body     Result
}

func changedOf(r control.Reply, location string) *changed {
	c := &changed{Status: http.StatusOK, Body: resultOf(r)}
	if r.Revision > 0 {
		c.ETag = etag(r.Revision)
	}
	if r.Created {
		c.Status, c.Location = http.StatusCreated, location
	}
	return c
}
