// Package ofrep serves flags to applications by OpenFeature's remote evaluation
// protocol, OFREP (github.com/open-feature/protocol), version 0.3: one flag at
// POST /ofrep/v1/evaluate/flags/{key}, all of them at POST /ofrep/v1/evaluate/flags.
//
// It reads the table that requests are routed by, so a change of a flag is in
// force for applications and for routed requests at the same moment.
package ofrep

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/weirproxy/weir/proxy/route"
)

// Bounds of what a client may send and get.
const (
	maxBody   = 64 << 10 // bytes of a context
	maxAnswer = 8 << 20  // bytes of a bulk answer: 2 000 flags of the largest values
	maxAge    = 10 * time.Minute
)

// DefaultEnvironment is that of clients whose key names none.
const DefaultEnvironment = "production"

// Options are what a Handler needs.
type Options struct {
	// Tables holds the table in force; a nil table answers 503.
	Tables *atomic.Pointer[route.Table]

	// Authorize returns the environment of whoever sends a key, which may be
	// empty. A wait says that the client failed too often: it is told to come back
	// after it. Nil: everybody is let in. It must be safe for concurrent use.
	Authorize func(key string, r *http.Request) (environment string, ok bool, wait time.Duration)

	// Origins are those whose pages may ask from browsers; `*` is all. Empty: none.
	Origins []string
}

// Handler answers OFREP requests. Safe for concurrent use.
type Handler struct {
	options Options
	mux     *http.ServeMux
}

// NewHandler returns a Handler. It starts nothing.
func NewHandler(o Options) *Handler {
	h := &Handler{options: o, mux: http.NewServeMux()}
	h.mux.HandleFunc("POST /ofrep/v1/evaluate/flags/{key}", h.evaluateOne)
	h.mux.HandleFunc("POST /ofrep/v1/evaluate/flags", h.evaluateAll)
	return h
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("X-Content-Type-Options", "nosniff")
	if h.preflight(w, r) {
		return
	}
	h.mux.ServeHTTP(w, r)
}

// preflight answers what a browser asks before the request of another origin's
// page, and lets the page read the answer.
func (h *Handler) preflight(w http.ResponseWriter, r *http.Request) bool {
	if len(h.options.Origins) == 0 {
		return false
	}
	head := w.Header()
	head.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !slices.Contains(h.options.Origins, origin) && !slices.Contains(h.options.Origins, "*") {
		return false
	}
	head.Set("Access-Control-Allow-Origin", origin)
	head.Set("Access-Control-Expose-Headers", "ETag, Retry-After")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	head.Set("Access-Control-Allow-Methods", "POST")
	head.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-None-Match, X-API-Key")
	head.Set("Access-Control-Max-Age", strconv.Itoa(int(maxAge.Seconds())))
	w.WriteHeader(http.StatusNoContent)
	return true
}

// admit returns what is needed to evaluate for a request, or answers it.
func (h *Handler) admit(w http.ResponseWriter, r *http.Request) (table *route.Table, environment string, ok bool) {
	environment = DefaultEnvironment
	if h.options.Authorize != nil {
		named, ok, wait := h.options.Authorize(keyOf(r), r)
		if wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(wait.Round(time.Second).Seconds())+1))
			fail(w, http.StatusTooManyRequests, "", "GENERAL", "too many keys that nobody has")
			return nil, "", false
		}
		if !ok {
			w.Header().Set("WWW-Authenticate", "Bearer")
			fail(w, http.StatusUnauthorized, "", "GENERAL", "send a client's key as Authorization: Bearer KEY or X-API-Key: KEY")
			return nil, "", false
		}
		if named != "" {
			environment = named
		}
	}
	if table = h.options.Tables.Load(); table == nil {
		w.Header().Set("Retry-After", "1")
		fail(w, http.StatusServiceUnavailable, "", "GENERAL", "the flags are not loaded yet")
		return nil, "", false
	}
	return table, environment, true
}

// keyOf is the key that a request comes with, in either of the protocol's ways.
func keyOf(r *http.Request) string {
	if key := r.Header.Get("X-API-Key"); key != "" {
		return key
	}
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(key)
	}
	return ""
}

func (h *Handler) evaluateOne(w http.ResponseWriter, r *http.Request) {
	table, environment, ok := h.admit(w, r)
	if !ok {
		return
	}
	key := r.PathValue("key")
	subject, ok := read(w, r, key)
	if !ok {
		return
	}
	f := table.Flag(key)
	if f == nil {
		fail(w, http.StatusNotFound, key, "FLAG_NOT_FOUND", "there is no flag "+strconv.Quote(clip(key)))
		return
	}
	e := f.Evaluate(subject, environment, time.Now().Unix())
	if e.Reason == route.ReasonKeyless {
		fail(w, http.StatusBadRequest, key, "TARGETING_KEY_MISSING", keyless)
		return
	}
	write(w, http.StatusOK, appendResult(make([]byte, 0, 256), f, e))
}

const keyless = "the flag is drawn for a part of the users: the context needs a targetingKey"

func (h *Handler) evaluateAll(w http.ResponseWriter, r *http.Request) {
	table, environment, ok := h.admit(w, r)
	if !ok {
		return
	}
	subject, ok := read(w, r, "")
	if !ok {
		return
	}
	now := time.Now().Unix()
	out := append(make([]byte, 0, 128*(len(table.Flags)+1)), `{"flags":[`...)
	for i, f := range table.Flags {
		if i > 0 {
			out = append(out, ',')
		}
		if e := f.Evaluate(subject, environment, now); e.Reason == route.ReasonKeyless {
			out = appendFailure(out, f.Name, "TARGETING_KEY_MISSING", keyless)
		} else {
			out = appendResult(out, f, e)
		}
		if len(out) > maxAnswer {
			fail(w, http.StatusInternalServerError, "", "GENERAL", "the flags are too many to be asked for at once")
			return
		}
	}
	out = append(out, "]}"...)
	// What a client has need not be sent again: it asks every few seconds.
	tag := `"` + strconv.FormatUint(xxhash.Sum64(out), 16) + `"`
	w.Header().Set("ETag", tag)
	if matches(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	write(w, http.StatusOK, out)
}

// matches compares weakly, as RFC 9110 section 13.1.2 wants it.
func matches(header, tag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == tag || one == "*" {
			return true
		}
	}
	return false
}

// read reads the subject of an evaluation, or answers what is wrong with it.
func read(w http.ResponseWriter, r *http.Request, flag string) (*subject, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			fail(w, http.StatusRequestEntityTooLarge, flag, "INVALID_CONTEXT", "the context is longer than "+strconv.Itoa(maxBody)+" bytes")
		} else {
			fail(w, http.StatusBadRequest, flag, "PARSE_ERROR", "the body ended too early")
		}
		return nil, false
	}
	s, code, problem := parse(body)
	if problem != "" {
		fail(w, http.StatusBadRequest, flag, code, problem)
		return nil, false
	}
	return s, true
}
