package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/weirproxy/weir/"

// edge is an import that must not exist, and why.
type edge struct {
	from   string   // a package, or all below it with /...
	to     []string // packages, or all below them with /...
	except []string
	why    string
}

func edges() []edge {
	clockless := "it is pure: time comes in as an argument, and decisions go out as values"
	return []edge{
		{from: "proxy/...", to: []string{"control/...", "configs/..."}, why: "the data plane sees tables, not documents or state"},
		{from: "proxy/...", to: []string{"analysis/..."}, except: []string{"analysis/hist"}, why: "the data plane counts; it does not judge"},
		{from: "proxy/...", to: []string{"go.etcd.io/...", "github.com/goccy/..."}, why: "nothing that a request waits for may touch etcd or parse YAML"},
		{from: "analysis/...", to: []string{"control/...", "proxy/...", "configs/...", "go.uber.org/...", "os", "net", "net/http", "context", "math/rand", "math/rand/v2"}, why: clockless},
		{from: "analysis/evidence", to: []string{module + "...", "github.com/..."}, why: "the primitive stands on the standard library alone"},
		{from: "analysis/hist", to: []string{module + "...", "github.com/..."}, why: "the layout stands on the standard library alone"},
		{from: "control/rollout", to: []string{"go.uber.org/...", "go.etcd.io/...", "control/store", "net/http", "context"}, why: clockless},
		{from: "control/compile", to: []string{"go.uber.org/...", "go.etcd.io/...", "control/store", "net/http", "context"}, why: clockless},
		{from: "control/migration", to: []string{"go.uber.org/...", "go.etcd.io/...", "control/store", "net/http", "context"}, why: clockless},
		{from: "proxy/route", to: []string{"go.uber.org/...", "os", "net/http", "context", "math/rand/v2"}, why: clockless},
		{from: "configs", to: []string{"control/...", "proxy/..."}, why: "documents are read before anything runs"},
		{from: "control/...", to: []string{"cmd/...", "bench/..."}, why: "every arrow runs down"},
		{from: "control/store", to: []string{"control", "control/rollout", "configs", "analysis/..."}, why: "the store knows keys and bytes, not what they mean"},
		{from: "proxy/...", to: databases(), why: "databases are changed where their credentials are, by weir migrate"},
		{from: "control/...", to: databases(), why: "the control plane sees what was migrated, never a database or its credentials"},
		{from: "configs/...", to: databases(), why: "documents are read before anything runs"},
		{from: "cmd/weir", to: databases(), why: "package cmd/weir/migrate alone speaks to databases, so serve cannot"},
		{from: "cmd/weir/migrate", to: []string{"control/...", "proxy/..."}, why: "what has the credentials of a database talks to nothing else"},
		{from: "bench/...", to: []string{"cmd/..."}, why: "nothing imports the composition root"},
	}
}

// databases are what speaks SQL.
func databases() []string {
	return []string{"database/sql/...", "github.com/pressly/goose/...", "github.com/jackc/...", "github.com/go-sql-driver/...", "modernc.org/..."}
}

// listed is what `go list` says of one package.
type listed struct {
	ImportPath string
	Imports    []string
	GoFiles    []string
}

// TestArchitecture_NoForbiddenImport looks at direct imports of code that is
// not a test: an indirect one shows where it is direct.
func TestArchitecture_NoForbiddenImport(t *testing.T) {
	packages := list(t)
	if len(packages) < 10 {
		t.Fatalf("only %d packages were listed", len(packages))
	}
	for _, e := range edges() {
		found := false
		for _, p := range packages {
			if !matches(p.ImportPath, e.from) {
				continue
			}
			found = true
			for _, imported := range p.Imports {
				if matchesAny(imported, e.to) && !matchesAny(imported, e.except) {
					t.Errorf("%s imports %s: %s", short(p.ImportPath), short(imported), e.why)
				}
			}
		}
		if !found && !strings.HasPrefix(e.from, "bench") {
			t.Errorf("no package %s: the rule about it holds nothing", e.from)
		}
	}
}

// TestArchitecture_PureCodeHasNoClock looks for what an import cannot show.
func TestArchitecture_PureCodeHasNoClock(t *testing.T) {
	for _, folder := range []string{"analysis", "control/rollout", "control/compile", "control/release", "control/migration", "configs/template", "configs/changelog", "proxy/route"} {
		out, err := exec.Command("grep", "-rnE", `time\.(Now|Since|Until|Sleep|After|Tick|NewTimer|NewTicker)\(|^\s*go func|^\s*go [a-z]+\(`, "--include=*.go", "--exclude=*_test.go", "../../"+folder).Output()
		var exit *exec.ExitError
		if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
			t.Fatalf("cannot search %s: %v", folder, err)
		}
		if len(out) > 0 {
			t.Errorf("%s has a clock or a goroutine:\n%s", folder, out)
		}
	}
}

func list(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,GoFiles", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []listed
	d := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

func matchesAny(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(path, p) })
}

// matches reports whether path is pattern or, for one that ends in ..., begins
// like it. Packages of this module may be written without the module's name.
func matches(path, pattern string) bool {
	for _, whole := range []string{pattern, module + pattern} {
		below, ok := strings.CutSuffix(whole, "...")
		if path == whole || ok && strings.HasPrefix(path+"/", below) {
			return true
		}
	}
	return false
}

func short(path string) string { return strings.TrimPrefix(path, module) }
