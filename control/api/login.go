package api

import (
	"crypto/sha256"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"
)

// maxLogin bounds the form that a person logs in with.
const maxLogin = 4 << 10

// Login is what the page that asks for a token shows.
type Login struct {
	Next    string // path to go on to
	Problem string // why the last try failed; empty: there was none
	Hint    string
}

// askLogin shows the form, or leads on where no token is asked for.
func (a *API) askLogin(w http.ResponseWriter, r *http.Request) {
	next := ownPath(r.URL.Query().Get("next"))
	if a.Tokens == nil {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	a.pages.Login(w, http.StatusOK, Login{Next: next})
}

// logIn exchanges a token for a session. Failures are limited like those of the
// API.
func (a *API) logIn(w http.ResponseWriter, r *http.Request) {
	if a.Tokens == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxLogin)
	if err := r.ParseForm(); err != nil {
		a.pages.Login(w, http.StatusBadRequest, Login{Next: "/", Problem: "the form cannot be read", Hint: "try again"})
		return
	}
	next, secret := ownPath(r.PostForm.Get("next")), strings.TrimSpace(r.PostForm.Get("token"))
	who, stale := a.Tokens.find(secret)
	a.warn(stale)
	if who.role < Viewer {
		p := a.unknownToken(clientOf(r), w.Header())
		hint := "it must be one of this node's tokens file"
		if p.Status == http.StatusTooManyRequests {
			hint = "a good one is taken at once"
		}
		a.pages.Login(w, p.Status, Login{Next: next, Problem: p.Detail, Hint: hint})
		return
	}
	if old := a.sessionID(r); old != "" {
		a.sessions.end(old)
	}
	http.SetCookie(w, a.sessionCookie(r, a.sessions.open(sha256.Sum256([]byte(secret)), time.Now())))
	a.Log.Info("logged in", zap.String("actor", who.name), zap.Stringer("role", who.role), zap.Stringer("client", clientOf(r)))
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// logOut ends the session.
func (a *API) logOut(w http.ResponseWriter, r *http.Request) {
	if id := a.sessionID(r); id != "" {
		a.sessions.end(id)
	}
	http.SetCookie(w, a.sessionCookie(r, ""))
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// ownPath is a path of this address to lead a person on to: never another host,
// whatever a link to the login said.
func ownPath(path string) string {
	odd := func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f } // browsers drop some, and turn one around
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || !strings.HasPrefix(u.Path, "/") ||
		strings.HasPrefix(u.Path, "//") || strings.ContainsFunc(path, odd) || u.Path == "/login" {
		return "/"
	}
	return u.RequestURI()
}

// localPort is the port that a request came in by; 0: unknown.
func localPort(r *http.Request) int {
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		return addr.Port
	}
	return 0
}
