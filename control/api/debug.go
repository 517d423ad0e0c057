package api

import (
	"context"
	"math"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/diagnose"
)

const (
	// bundlePause is the shortest time between two costly answers: a bundle reads
	// the whole state and stops the process for its list of goroutines.
	bundlePause = 10 * time.Second

	// bundleWrite is how long a bundle may take beside its profile.
	bundleWrite = 2 * time.Minute

	// maxProfile is the longest profile that pprof may ask for, in seconds.
	maxProfile = 60
)

func (a *API) registerDebug() {
	if a.Node == nil {
		return
	}
	register(a, route{
		method: http.MethodPost, path: "/v1/debug", role: Admin, id: "debug-bundle", tag: "diagnosis",
		summary: "Make a bundle for diagnosis",
		description: "A tar archive, compressed by gzip: state, routing, events, log, metrics, profiles and limits of the node that answers, " +
			"without secrets. `cpu` adds a profile of the CPU over that time, 60s at most. One at a time, and one in ten seconds (429).",
		responses: map[string]*huma.Response{"200": {
			Description: "The archive",
			Content:     map[string]*huma.MediaType{"application/gzip": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
		}},
	}, a.bundle)
	for path, r := range map[string]route{
		"/debug/pprof/{$}":       {id: "pprof-index", summary: "List the profiles"},
		"/debug/pprof/profile":   {id: "pprof-cpu", summary: "Profile the CPU", description: "`seconds`, 60 at most."},
		"/debug/pprof/trace":     {id: "pprof-trace", summary: "Trace the process", description: "`seconds`, 60 at most."},
		"/debug/pprof/goroutine": {id: "pprof-goroutine", summary: "List the goroutines"},
		"/debug/pprof/heap":      {id: "pprof-heap", summary: "Profile the memory in use"},
		"/debug/pprof/allocs":    {id: "pprof-allocs", summary: "Profile all allocations"},
	} {
		r.method, r.path, r.role, r.tag, r.anyQuery = http.MethodGet, path, Admin, "diagnosis", true
		r.description = "For `go tool pprof`, of the node that answers. " + r.description
		r.responses = map[string]*huma.Response{"200": {
			Description: "A profile",
			Content:     map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
		}}
		handler := a.profile(path)
		register(a, r, func(context.Context, *none) (*huma.StreamResponse, error) {
			return &huma.StreamResponse{Body: func(ctx huma.Context) {
				r, w := humago.Unwrap(ctx)
				handler(w, r)
			}}, nil
		})
	}
}

// bundleInput is what a bundle is asked for.
type bundleInput struct {
	CPU string `query:"cpu" doc:"How long the CPU is profiled, such as 10s; left out: not at all"`
}

func (a *API) bundle(ctx context.Context, in *bundleInput) (*huma.StreamResponse, error) {
	var cpu configs.Duration
	if in.CPU != "" {
		if err := cpu.UnmarshalText([]byte(in.CPU)); err != nil || cpu < 0 || cpu.Std() > diagnose.MostCPU {
			return nil, problem(http.StatusUnprocessableEntity, "write up to 60s", "the CPU cannot be profiled for %q", in.CPU)
		}
	}
	if p := a.costly.begin(time.Now()); p != nil {
		return nil, p
	}
	a.note(ctx, "debug bundle", "a bundle for diagnosis was made")
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		defer func() { a.costly.end(time.Now()) }()
		r, w := humago.Unwrap(ctx)
		open, stop := untilClosed(r)
		defer stop()
		deadline := time.Now().Add(cpu.Std() + bundleWrite)
		if err := http.NewResponseController(w).SetWriteDeadline(deadline); err != nil {
			a.Log.Debug("no deadline for a bundle", zap.Error(err)) // not a connection: a test
		}
		w.Header().Set("Content-Type", "application/gzip")
		w.Header().Set("Content-Disposition", `attachment; filename="`+diagnose.BundleName(a.Node.Name, time.Now())+`.tar.gz"`)
		if err := a.Node.WriteBundle(open, w, cpu.Std()); err != nil {
			a.Log.Warn("bundle not finished", zap.Error(err))
			// What was sent must not look whole.
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

// profile answers like net/http/pprof, with bounds. Its list of arguments and its
// symbols are left out: arguments may hold a token.
func (a *API) profile(path string) http.HandlerFunc {
	answer := pprof.Index // goroutine, heap, allocs and the list itself
	switch path {
	case "/debug/pprof/profile":
		answer = pprof.Profile
	case "/debug/pprof/trace":
		answer = pprof.Trace
	case "/debug/pprof/{$}":
		answer = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = w.Write([]byte("profile?seconds=10\ntrace?seconds=1\ngoroutine?debug=1\nheap\nallocs\n")) // the client went away if this fails
		}
	}
	return func(w http.ResponseWriter, r *http.Request) {
		// Threat: a page elsewhere makes a browser on this machine ask for what costs
		// the node a processor. It could not read the answer.
		if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
			problem(http.StatusForbidden, "use go tool pprof", "a browser sent this from another site's page").write(w)
			return
		}
		if s := r.URL.Query().Get("seconds"); s != "" {
			if n, err := strconv.ParseFloat(s, 64); err != nil || n < 0 || n > maxProfile {
				problem(http.StatusUnprocessableEntity, "write up to 60", "a profile cannot take %q seconds", s).write(w)
				return
			}
		}
		if p := a.costly.begin(time.Time{}); p != nil {
			p.write(w)
			return
		}
		defer func() { a.costly.end(time.Time{}) }()
		answer(w, r)
	}
}

// costly lets one costly answer at a time be made. Safe for concurrent use.
type costly struct {
	busy  chan struct{} // holds one while an answer is made
	ended time.Time     // of the last bundle; whoever has busy may read and write it
}

func newCostly() *costly { return &costly{busy: make(chan struct{}, 1)} }

// begin takes the place of the one that may be made. now is zero for what may
// follow another at once.
func (c *costly) begin(now time.Time) *Problem {
	select {
	case c.busy <- struct{}{}:
	default:
		return tooMany(0, "another bundle or profile is being made")
	}
	if wait := bundlePause - now.Sub(c.ended); !now.IsZero() && !c.ended.IsZero() && wait > 0 {
		<-c.busy
		return tooMany(wait, "a bundle was made just now")
	}
	return nil
}

func (c *costly) end(now time.Time) {
	if !now.IsZero() {
		c.ended = now
	}
	<-c.busy
}

func tooMany(wait time.Duration, text string) *Problem {
	return problem(http.StatusTooManyRequests, "try again in "+strconv.Itoa(max(int(math.Ceil(wait.Seconds())), 1))+"s", "%s", text)
}
