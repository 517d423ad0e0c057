package dashboard

import (
	"bytes"
	"errors"
	"net/http"
	"time"

	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api"
)

// Dashboard renders the pages.
type Dashboard struct {
	api       *api.API
	assets    assets
	templates templates
	courses   courses
	zip       zipper
}

// page is one page.
type page struct {
	pattern string        // of http.ServeMux; that of the first page is the home's
	name    string        // of its template
	menu    string        // how the menu calls it; empty: it is not there
	every   time.Duration // how often an open page is brought up to date without an event
	fill    func(*Dashboard, *request) (content, error)
}

// pages are all pages, in the order of the menu.
func pages() []page {
	return []page{
		{"GET /{$}", "services", "Services", time.Second, (*Dashboard).services},
		{"GET /services/{name}", "service", "", time.Second, (*Dashboard).service},
		{"GET /applications", "applications", "Applications", 5 * time.Second, (*Dashboard).applications},
		{"GET /applications/{name}", "application", "", 5 * time.Second, (*Dashboard).application},
		{"GET /applications/{name}/releases/{version}", "release", "", 5 * time.Second, (*Dashboard).release},
		{"GET /rollouts", "rollouts", "Rollouts", 2 * time.Second, (*Dashboard).rollouts},
		{"GET /rollouts/{id}", "rollout", "", time.Second, (*Dashboard).rollout},
		{"GET /flags", "flags", "Flags", 2 * time.Second, (*Dashboard).flags},
		{"GET /flags/{name}", "flag", "", time.Second, (*Dashboard).flag},
		{"GET /nodes", "nodes", "Nodes", 2 * time.Second, (*Dashboard).nodes},
		{"GET /events", "events", "Events", 5 * time.Second, (*Dashboard).events},
		{"GET /audit", "audit", "Audit", 5 * time.Second, (*Dashboard).audit},
		{"GET /notifiers", "notifiers", "Notifiers", 2 * time.Second, (*Dashboard).notifiers},
		{"GET /advice", "advice", "Advice", 5 * time.Second, (*Dashboard).advice},
	}
}

// request is what a page is filled from.
type request struct {
	*http.Request
	view *control.View
	who  api.Person
}

// content is what a page shows.
type content struct {
	title  string
	events string // which events bring the page up to date: a query of /v1/events
	data   any    // of the template
}

// notFound is the error of a page about nothing.
type notFound string

func (e notFound) Error() string { return string(e) }

// Mount adds the dashboard to a control API. To be called once, before the API
// is in use.
func Mount(a *api.API) {
	d := &Dashboard{api: a, assets: loadAssets()}
	d.templates = parseTemplates()
	all := pages()
	show := make(map[string]api.Page)
	for i := range all[1:] {
		show[all[i+1].pattern] = d.show(&all[i+1])
	}
	a.Mount(api.Pages{
		Home:  d.show(&all[0]),
		Show:  show,
		Open:  map[string]http.HandlerFunc{"GET " + d.assets.path + "{file}": d.assets.serve},
		Login: d.login,
		Again: d.again,
	})
}

func (d *Dashboard) show(p *page) api.Page {
	return func(w http.ResponseWriter, r *http.Request, who api.Person) {
		req := &request{r, d.api.Control.View(), who}
		c, err := p.fill(d, req)
		f := d.frame(p, req, c)
		var missing notFound
		switch {
		case errors.As(err, &missing):
			f.Title, f.Data = "Not found", missing.Error()
			d.write(w, r, http.StatusNotFound, "missing", f)
		case err != nil:
			f.Title, f.Data = "Not available", err.Error()
			d.write(w, r, http.StatusServiceUnavailable, "missing", f)
		default:
			d.write(w, r, http.StatusOK, p.name, f)
		}
	}
}

func (d *Dashboard) login(w http.ResponseWriter, status int, l api.Login) {
	d.write(w, nil, status, "login", &frame{Title: "Log in", Assets: d.assets.path, Data: l})
}

// again answers a person who followed a link from another site. The page asks
// for the same once more, as a page of this address, and the browser sends the
// session's cookie along.
func (d *Dashboard) again(w http.ResponseWriter, r *http.Request) {
	d.write(w, r, http.StatusOK, "again", &frame{Title: "One moment", Assets: d.assets.path, Data: r.URL.RequestURI()})
}

// policy is the Content-Security-Policy of every page. Trusted Types leave
// scripts no way to turn text into HTML or code.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// write answers with a page that was rendered whole. A nil r asks for nothing special.
func (d *Dashboard) write(w http.ResponseWriter, r *http.Request, status int, name string, f *frame) {
	var page bytes.Buffer
	if err := d.templates[name].ExecuteTemplate(&page, "layout", f); err != nil {
		http.Error(w, "cannot render the page: "+err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	d.zip.answer(w, r, status, page.Bytes())
}
