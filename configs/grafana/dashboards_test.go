package grafana

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the dashboards as they are now")

func TestDashboards_FilesAreCurrent(t *testing.T) {
	for _, d := range All() {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(d); err != nil {
			t.Fatal(err)
		}
		want := b.Bytes()
		file := d.UID + ".json"
		if *rewrite {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the code makes; write it with `go test ./configs/grafana -rewrite`", file)
		}
	}
}

func TestDashboards_CanBeImported(t *testing.T) {
	uids := map[string]bool{}
	variables := regexp.MustCompile(`\$\{?(\w+)`)
	for _, d := range All() {
		if uids[d.UID] {
			t.Errorf("%s is there twice", d.UID)
		}
		uids[d.UID] = true
		known := map[string]bool{"__rate_interval": true, "__range": true, "__interval": true}
		for _, v := range d.Templating.List {
			known[v.Name] = true
		}
		titles, ids := map[string]bool{}, map[int]bool{}
		taken := map[[2]int]string{}
		for _, p := range d.Panels {
			if titles[p.Title] || p.Title == "" || ids[p.ID] {
				t.Errorf("%s: panel %q (%d) has no name or number of its own", d.UID, p.Title, p.ID)
			}
			titles[p.Title], ids[p.ID] = true, true
			for x := p.Grid.X; x < p.Grid.X+p.Grid.W; x++ {
				for y := p.Grid.Y; y < p.Grid.Y+p.Grid.H; y++ {
					if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
						t.Fatalf("%s: panel %q lies on %q or beyond the edge", d.UID, p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
			if p.Type != "row" && len(p.Targets) == 0 {
				t.Errorf("%s: panel %q asks for nothing", d.UID, p.Title)
			}
			for _, target := range p.Targets {
				if target.Source.UID != "${datasource}" || target.RefID == "" || strings.Contains(target.Expr, "\n") {
					t.Errorf("%s: panel %q: bad query %+v", d.UID, p.Title, target)
				}
				for _, m := range variables.FindAllStringSubmatch(target.Expr, -1) {
					if !known[m[1]] {
						t.Errorf("%s: panel %q asks for $%s, which nobody chooses", d.UID, p.Title, m[1])
					}
				}
			}
		}
	}
}
