package api

import (
	"net/http"
	"net/url"
	"strings"
)

// Person is who looks at a page.
type Person struct {
	Name    string
	Role    Role
	Session bool // it logged in with a token, and can log out
}

// Page answers a person who may read.
type Page func(w http.ResponseWriter, r *http.Request, who Person)

// Pages are what people see of the API in a browser.
type Pages struct {
	Home  Page                        // of GET /, for who accepts HTML
	Show  map[string]Page             // by pattern of http.ServeMux
	Open  map[string]http.HandlerFunc // those that nobody needs a token for
	Login func(w http.ResponseWriter, status int, l Login)

	// Again answers with a page that asks for the same once more.
	Again http.HandlerFunc
}

// Mount adds pages, and the login that they need. To be called once, before
// the API is in use.
func (a *API) Mount(p Pages) {
	a.pages = p
	for pattern, show := range p.Show {
		a.mux.HandleFunc(pattern, a.page(show))
	}
	for pattern, open := range p.Open {
		a.mux.HandleFunc(pattern, open)
	}
	a.mux.HandleFunc("GET /login", a.askLogin)
	a.mux.HandleFunc("POST /login", a.logIn)
	a.mux.HandleFunc("POST /logout", a.logOut)
}

// page shows a page to those who may read, and leads others to the login.
func (a *API) page(show Page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if a.Tokens == nil {
			show(w, r, Person{Name: localActor(""), Role: Admin})
			return
		}
		who, p := a.identify(r, w.Header())
		if p == nil {
			show(w, r, Person{Name: who.name, Role: who.role, Session: a.sessionID(r) != ""})
			return
		}
		w.Header().Del("WWW-Authenticate")
		if linked(r) {
			a.pages.Again(w, r)
			return
		}
		http.Redirect(w, r, "/login?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
	}
}

// linked reports whether a person followed a link from another site. Browsers
// leave the session's cookie out then. They send it when the page that answers
// asks once more.
func linked(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return (site == "cross-site" || site == "same-site") && r.Header.Get("Sec-Fetch-Mode") == "navigate"
}

// home leads browsers that ask for the index to the dashboard.
func (a *API) home(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" && a.pages.Home != nil && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			w.Header().Add("Vary", "Accept")
			if strings.Contains(r.Header.Get("Accept"), "text/html") {
				a.page(a.pages.Home)(w, r)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}
