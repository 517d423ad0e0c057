package compile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

// Whatever a valid document may hold compiles, and what it says arrives.
func TestEdges_DocumentArrivesInTheTable(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "down.html"), []byte("<p>down</p>"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := configs.DecodeOne("shop.yaml", configs.KindService, []byte(`
kind: Service
name: shop
versions: {blue: {endpoints: [127.0.0.1:9001]}}
stable: blue
routes:
  - redirect: https:8443
    request_headers: {set: {X-All: "${client}${host}${service}${version}${endpoint}${request_id}$"}, remove: [X-Debug]}
    response_headers: {add: {Cache-Control: public}}
errors: {502: {file: down.html}, 4xx: {body: "{}", content_type: application/json}}
`))
	if err != nil {
		t.Fatal(err)
	}
	if problems := configs.Unbuilt(&d); len(problems) != 1 {
		t.Errorf("a page that nobody read: %v", problems)
	}
	if err := d.ReadPages(folder); err != nil {
		t.Fatal(err)
	}
	if problems := configs.Unbuilt(&d); len(problems) > 0 {
		t.Error(problems)
	}
	table, outcome := Build(Input{Services: map[string]Source{"shop": {Document: *d.Service, ModRevision: 1}},
		Endpoints: upstream.NewRegistry(upstream.Options{}), Recorders: stats.NewRegistry()})
	if len(outcome.Refused) > 0 {
		t.Fatal(outcome.Refused)
	}
	s := table.Service("shop")
	page, other := s.Pages.Find(502), s.Pages.Find(404)
	if page == nil || string(page.Body) != "<p>down</p>" || page.ContentType != "text/html; charset=utf-8" {
		t.Errorf("the page of 502 is %v", page)
	}
	if other == nil || string(other.Body) != "{}" || s.Pages.Find(503) != nil || s.Pages.Find(200) != nil {
		t.Errorf("the page of 404 is %v", other)
	}
	r := table.Match(&route.Request{Path: []byte("/")})
	if r == nil || r.HTTPS != "8443" || !r.Request.Drops([]byte("x-DEBUG")) || len(r.Request.Lines) != 7 || !r.Response.Shared {
		t.Errorf("the route is %+v", r)
	}
}
