package docs

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/weirproxy/weir/bench/lab"
	"github.com/weirproxy/weir/configs"
)

// TestDocs_EveryCommandRuns runs the blocks of each page in their order.
func TestDocs_EveryCommandRuns(t *testing.T) {
	l := installed(t)
	ran, skipped := 0, 0
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.runs() && b.skip != "" {
				skipped++
				t.Logf("not run: %s:%d: %s", p.name, b.line, b.skip)
			} else if b.runs() {
				ran += len(b.commands())
			}
		}
	}
	for _, p := range pages(t) {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel() // a page waits more than it works
			runPage(t, l, p)
		})
	}
	t.Run("those of sentences", func(t *testing.T) { askCommands(t, l) })
	t.Logf("%d commands were run, %d blocks were not", ran, skipped)
}

func runPage(t *testing.T, l *lab.Lab, p page) {
	var w *world
	for _, b := range p.blocks {
		if b.skip != "" || !b.runs() && b.file == "" {
			continue
		}
		if w == nil {
			w = newWorld(t, l, p)
		}
		if b.file != "" {
			if err := os.WriteFile(filepath.Join(w.folder, b.file), []byte(w.here(b.text)), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if b.before != "" {
			w.run(b.before, 0)
		}
		if b.until != "" {
			w.run("for i in $(seq 300); do if "+b.until+"; then exit 0; fi; sleep 0.2; done; exit 1", 0)
		}
		commands := b.commands()
		for i, c := range commands {
			want := 0
			if i == len(commands)-1 {
				want = b.exit
			}
			got := w.run(c.script, want)
			if c.checks && !printed(got, c.output) {
				t.Fatalf("%s:%d: `%s` prints\n%s\nand the page shows\n%s", p.name, b.line, strings.TrimSpace(c.script), got, c.output)
			}
		}
	}
}

// installed has weir and its tools built, as users have them installed.
func installed(t *testing.T) *lab.Lab {
	t.Helper()
	l, err := lab.New("/bin/sh") // the lab's own node is not used
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(false) })
	if err := os.WriteFile(filepath.Join(l.Dir, ".curlrc"), []byte("silent\nshow-error\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for binary, pkg := range map[string]string{"weir": "cmd/weir", "weir-origin": "bench/origin", "weir-users": "bench/users"} {
		build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(l.Dir, "bin", binary), "github.com/weirproxy/weir/"+pkg)
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // as `make build` does, so that it is built once
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("cannot build %s: %v\n%s", pkg, err, out)
		}
	}
	return l
}

// TestDocs_EveryBlockIsWhatItSays gives documents to the decoder and JSON to the
// parser. A block without a language says nothing.
func TestDocs_EveryBlockIsWhatItSays(t *testing.T) {
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			switch b.language {
			case "":
				t.Errorf("%s:%d: write what the block is: sh, console, yaml, json or text", p.name, b.line)
			case "json":
				if !json.Valid([]byte(b.text)) && b.skip == "" {
					t.Errorf("%s:%d: it is no JSON", p.name, b.line)
				}
			case "yaml":
				if b.skip != "" {
					t.Logf("not a document: %s:%d: %s", p.name, b.line, b.skip)
					continue
				}
				if _, err := configs.Decode(p.name, []byte(b.document())); err != nil {
					t.Errorf("the block at %s:%d: %v", p.name, b.line, err)
				}
			}
		}
	}
}

// document is the block, within the rest of a document if it is a fragment.
func (b *block) document() string {
	around := map[string]string{
		"node":    "kind: Node\nlisten: [{address: 127.0.0.1:8080}]\n",
		"service": "kind: Service\nname: shop\nroutes: [{path: /}]\nversions: {blue: {endpoints: [127.0.0.1:9001]}, green: {endpoints: [127.0.0.1:9002]}}\nstable: blue\n",
		"rollout": "kind: Rollout\nservice: shop\nto: green\nstrategy: canary\nstages: [{weight: 5%, duration: 10m}, {weight: 100%}]\n",
	}[b.fragment]
	text := b.text
	for line := range strings.Lines(around) {
		name, _, _ := strings.Cut(line, ":")
		if !regexp.MustCompile(`(?m)^` + name + `:`).MatchString(b.text) {
			text += line
		}
	}
	return text
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#{1,6} +(.+?)\s*$`)
	fenced  = regexp.MustCompile("(?ms)^\\s*```.*?^\\s*```")
)

// TestDocs_LinksLead looks for the files and headings that links name. Other
// sites are not asked.
func TestDocs_LinksLead(t *testing.T) {
	anchors := map[string]map[string]bool{}
	all := pages(t)
	architecture, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	all = append(all, page{name: "ARCHITECTURE.md", text: string(architecture)})
	for _, p := range all {
		anchors[p.name] = anchorsOf(p.text)
	}
	links := 0
	for _, p := range all {
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(p.text, ""), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			links++
			file, anchor, _ := strings.Cut(m[1], "#")
			target := p.name
			if file != "" {
				target = filepath.Join(filepath.Dir(p.name), file)
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: the link %s leads nowhere", p.name, m[1])
			} else if anchor != "" && !anchors[target][anchor] {
				t.Errorf("%s: %s has no heading for the link %s", p.name, target, m[1])
			}
		}
	}
	if links < 20 {
		t.Errorf("only %d links were found", links)
	}
}

// anchorsOf are the names that GitHub gives to headings.
func anchorsOf(text string) map[string]bool {
	anchors := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		anchors[strings.ReplaceAll(name, " ", "-")] = true
	}
	return anchors
}

// TestDocs_AlertsAreTold holds that each alert leads to a heading of
// operations.md, and that no heading is of an alert that is gone.
func TestDocs_AlertsAreTold(t *testing.T) {
	rules, err := os.ReadFile(filepath.Join(root, "configs/prometheus/alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "configs/examples/operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	alerts, told := map[string]bool{}, map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^ *- alert: (\w+)`).FindAllStringSubmatch(string(rules), -1) {
		alerts[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`(?m)^### (Weir\w+)$`).FindAllStringSubmatch(string(text), -1) {
		told[m[1]] = true
		if !alerts[m[1]] {
			t.Errorf("operations.md tells of %s, and there is no such alert", m[1])
		}
	}
	for name := range alerts {
		if !told[name] {
			t.Errorf("write what the alert %s means and what to do: ### %s in operations.md", name, name)
		}
	}
	if len(alerts) < 10 {
		t.Errorf("only %d alerts were found", len(alerts))
	}
}
