package api

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// maxBody is the largest request body, and that of a document.
const maxBody = 1 << 20

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
