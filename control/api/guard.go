package api

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"go.uber.org/zap"
)

const (
	// maxBody is the largest request body, and that of a document.
	maxBody = 1 << 20

	// metaRole is the key of an operation's Role.
	metaRole = "role"

	// ActorHeader names the person behind a request. It is believed only where
	// no tokens are in use; otherwise the token's name is the actor.
	ActorHeader = "X-Weir-Actor"

	// maxActor bounds what ActorHeader may put into the history.
	maxActor = 64
)

// guard refuses what no operation should see, before routing.
func (a *API) guard(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		if p := a.refuse(origin, r); p != nil {
			p.write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (a *API) refuse(origin *http.CrossOriginProtection, r *http.Request) *Problem {
	if a.Tokens == nil && !localHost(r.Host) {
		return problem(http.StatusForbidden, "ask for 127.0.0.1 or localhost, or give the node a tokens file",
			"the Host %q is not this machine's, and without tokens no other is answered", r.Host)
	}
	if err := origin.Check(r); err != nil {
		return problem(http.StatusForbidden, "use the CLI, or a page that this address serves",
			"a browser sent this from another site's page")
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return problem(http.StatusUnsupportedMediaType, "send the body as it is",
			"the body has Content-Encoding %q, and nothing is decompressed here", enc)
	}
	return nil
}

// localHost reports whether a Host names this machine or is an address: a
// foreign name that was rebound to loopback is neither.
func localHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

// withProblems gives the mux's own refusals, of unknown paths and methods, the
// form of every other error.
func withProblems(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		probe := &refusal{header: make(http.Header), status: http.StatusNotFound}
		handler.ServeHTTP(probe, r)
		if probe.status == http.StatusMethodNotAllowed {
			allow := probe.header.Get("Allow")
			w.Header().Set("Allow", allow)
			problem(probe.status, "it takes "+allow, "%s does not take %s", r.URL.Path, r.Method).write(w)
			return
		}
		problem(http.StatusNotFound, "GET /openapi.json lists what there is", "there is nothing at %s", r.URL.Path).write(w)
	})
}

// refusal records the status and header of an answer and drops its body.
type refusal struct {
	header http.Header
	status int
}

func (r *refusal) Header() http.Header         { return r.header }
func (r *refusal) WriteHeader(status int)      { r.status = status }
func (r *refusal) Write(p []byte) (int, error) { return len(p), nil }

type actorKey struct{}

// actorOf is who stands behind a request.
func actorOf(ctx context.Context) string {
	actor, _ := ctx.Value(actorKey{}).(string)
	return actor
}

// authorize refuses a request whose token may not do what the operation does.
func (a *API) authorize(ctx huma.Context, next func(huma.Context)) {
	need, _ := ctx.Operation().Metadata[metaRole].(Role)
	if need == Nobody {
		next(ctx)
		return
	}
	if a.Tokens == nil {
		next(huma.WithValue(ctx, actorKey{}, localActor(ctx.Header(ActorHeader))))
		return
	}
	_, w := humago.Unwrap(ctx)
	scheme, secret, _ := strings.Cut(ctx.Header("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || secret == "" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="weir"`)
		problem(http.StatusUnauthorized, "give one with --token or WEIR_TOKEN, or send `Authorization: Bearer …`",
			"this needs a token").write(w)
		return
	}
	name, role, stale := a.Tokens.find(strings.TrimSpace(secret))
	if stale != nil {
		a.Log.Warn("tokens file is not in use", zap.Error(stale))
	}
	if role == Nobody {
		w.Header().Set("WWW-Authenticate", `Bearer realm="weir", error="invalid_token"`)
		problem(http.StatusUnauthorized, "check --token or WEIR_TOKEN", "the token is unknown").write(w)
		return
	}
	if role < need {
		problem(http.StatusForbidden, "use a token with the role "+need.String(),
			"%s has the role %s, and this needs %s", name, role, need).write(w)
		return
	}
	next(huma.WithValue(ctx, actorKey{}, name))
}

// localActor is the actor of a request without a token: whom the client names,
// made safe for a terminal.
func localActor(named string) string {
	named = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, named)
	if len(named) > maxActor {
		named = named[:maxActor]
	}
	if named == "" {
		return "local"
	}
	return named
}
