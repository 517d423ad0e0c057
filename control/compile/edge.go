package compile

import (
	"fmt"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/proxy/route"
)

// edges compiles what a service does at the edge: which requests lead to it,
// and how their heads and weir's own answers are changed.
func edges(s *built, doc configs.Service) (err error) {
	if s.service.Pages, err = Pages(doc.Errors); err != nil {
		return err
	}
	s.rules = make([]route.Rule, len(doc.Routes))
	for i, r := range doc.Routes {
		to := &route.Route{Service: s.service, StripPrefix: r.StripPrefix}
		to.HTTPS, _ = r.RedirectPort()
		if to.Request, err = edits(r.RequestHeaders); err != nil {
			return fmt.Errorf("routes[%d].request_headers: %w", i, err)
		}
		if to.Response, err = edits(r.ResponseHeaders); err != nil {
			return fmt.Errorf("routes[%d].response_headers: %w", i, err)
		}
		s.rules[i] = route.Rule{Host: r.Host, Path: r.Path, Methods: r.Methods, Headers: r.Headers, Route: to}
	}
	return nil
}

func edits(e *configs.HeaderEdits) (*route.Edits, error) {
	if e == nil {
		return nil, nil
	}
	return route.NewEdits(e.Set, e.Add, e.Remove)
}

// Pages compiles error pages whose files have been read.
func Pages(pages map[string]configs.ErrorPage) (*route.Pages, error) {
	bodies := make(map[string]route.Page, len(pages))
	for status, page := range pages {
		kind := page.ContentType
		if kind == "" {
			kind = "text/html; charset=utf-8"
		}
		bodies[status] = route.Page{ContentType: kind, Body: []byte(page.Body)}
	}
	return route.NewPages(bodies)
}
