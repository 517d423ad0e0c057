package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/diagnose"
	"github.com/weirproxy/weir/control/store"
)

// Controller is what the API needs of the control plane. All methods are safe
// for concurrent use.
type Controller interface {
	// View is the present state; immutable, never nil.
	View() *control.View
	// Do carries out a command. A *control.Error means that nothing changed and
	// a person can mend it.
	Do(ctx context.Context, cmd control.Command) (control.Reply, error)
	// Recording is what the node counted of a rollout; nil: it keeps nothing of it.
	Recording(ctx context.Context, id string) (*control.Recording, error)
	// Overview is the same in few rows, for those who look at it all the time.
	Overview(ctx context.Context, id string) (*control.Recording, error)
	// Audit is what a query chooses of the audit trail, the newest first.
	Audit(ctx context.Context, q control.AuditQuery) ([]control.AuditView, error)
	// ExportState is the whole state; Import writes one.
	ExportState(ctx context.Context) (store.Dump, error)
	Import(ctx context.Context, cmd control.ImportState) (control.Reply, error)
	// Subscribe delivers events until cancel is called.
	Subscribe(buffer int) (events <-chan control.Event, cancel func())
	// CheckNotifier says what on this node stands in the way of a notifier.
	CheckNotifier(n *configs.Notifier) []string

	// CheckPlan says what on this node stands in the way of a plan.
	CheckPlan(p *configs.Rollout) []string
	// TestNotifier sends a message to a notifier from this node.
	TestNotifier(ctx context.Context, name, actor string) (control.Reply, error)
	// TryFlag evaluates a flag for a user that is made up. False: there is none.
	TryFlag(name string, who control.Tryout) (control.Tried, bool)
	// Applied waits until every live node has applied a revision.
	Applied(ctx context.Context, revision int64) error
	CatchUp(ctx context.Context) error
}

// Options are the parts of an API.
type Options struct {
	Control Controller
	Metrics func(io.Writer) // writes Prometheus text; nil: none
	Ready   func() error    // why the node should get no traffic; nil: it is ready
	Tokens  *Tokens         // nil: none are asked for; the address must then be loopback
	Version string          // of weir
	HTTPS   bool            // browsers reach the address by TLS, whoever ends it
	Log     *zap.Logger     // nil: no log

	// Clusters may forward their deployments. Secrets is the folder of their keys.
	Clusters []configs.Cluster
	Secrets  string

	Level *diagnose.Level // of the log; nil: it cannot be read or changed
	Node  *diagnose.Node  // what bundles tell of; nil: none are made
}

// API answers the control API's requests.
type API struct {
	Options
	mux      *http.ServeMux
	handler  http.Handler // mux with what stands before it
	huma     huma.API
	openapi  []byte
	attempts *attempts
	sessions *sessions
	scrapes  *scrapes
	costly   *costly
	pages    Pages
}

// New returns the handler of the control address. It starts nothing.
func New(o Options) *API {
	a := &API{Options: o, mux: http.NewServeMux(), attempts: newAttempts(), sessions: newSessions(), scrapes: newScrapes(o.Metrics), costly: newCostly()}
	if a.Log == nil {
		a.Log = zap.NewNop()
	}
	a.huma = humago.New(a.mux, a.config())
	a.huma.UseMiddleware(a.authorize)

	a.registerServices()
	a.registerWeights()
	a.registerRollouts()
	a.registerCounts()
	a.registerFleet()
	a.registerState()
	a.registerKeys()
	a.registerNotifiers()
	a.registerFreezes()
	a.registerAdvice()
	a.registerFlags()
	a.registerTryouts()
	a.registerReleases()
	a.registerMigrations()
	a.registerDeployments()
	a.registerForwarded()
	a.registerOutbox()
	a.registerEvents()
	a.registerProcess()
	a.registerLog()
	a.registerDebug()

	a.openapi = a.document()
	a.mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(a.openapi) // the client went away if this fails
	})
	a.handler = a.guard(a.home(withProblems(a.mux)))
	return a
}

// ServeHTTP answers a request to the control address.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

func (a *API) config() huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			Info: &huma.Info{
				Title:   "weir control API",
				Version: a.Version,
				Description: "Reads and changes services, weights and rollouts. Errors are RFC 9457 problems; " +
					"an ETag is the revision of what was read, and If-Match refuses a change of anything newer. " +
					"A read shows what the node that answers knows, with consistent=true at least everything that was acknowledged anywhere before.",
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

// document renders the OpenAPI description once.
func (a *API) document() []byte {
	spec := a.huma.OpenAPI()
	// The mux needs another spelling of what ends in a slash than a reader does.
	for path, item := range spec.Paths {
		if plain, ok := strings.CutSuffix(path, "{$}"); ok {
			spec.Paths[plain] = item
			delete(spec.Paths, path)
		}
	}
	// huma adds its own form of an error, which no answer here has.
	delete(spec.Components.Schemas.Map(), "ErrorModel")
	delete(spec.Components.Schemas.Map(), "ErrorDetail")
	data, err := json.Marshal(spec)
	if err != nil {
		panic(fmt.Sprintf("BUG: the OpenAPI description does not encode: %v", err))
	}
	return data
}
