package docs

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/bench/lab"
	"github.com/weirproxy/weir/configs/reference"
)

var inline = regexp.MustCompile("`([^`\n]+)`")

// spans are the pieces of code within the sentences of all pages, by page. The
// reference is generated, and what others call their fields is not for us to know.
func spans(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, p := range pages(t) {
		if strings.Contains(p.name, "/reference/") || strings.Contains(p.name, "/migrate/") {
			continue
		}
		// A line may end within a span.
		text := regexp.MustCompile(`\n([^\n])`).ReplaceAllString(fenced.ReplaceAllString(p.text, ""), " $1")
		for _, m := range inline.FindAllStringSubmatch(text, -1) {
			found[p.name] = append(found[p.name], strings.Join(strings.Fields(m[1]), " "))
		}
	}
	return found
}

// TestDocs_FieldsExist looks up what sentences name like a field: circuit.requests.
func TestDocs_FieldsExist(t *testing.T) {
	fields := reference.Fields()
	path := regexp.MustCompile(`^[a-z][a-z_0-9]*(\.[a-z][a-z_0-9]*)+(: .*)?$`)
	file := regexp.MustCompile(`\.(yaml|md|json|csv|sh|pem|cfg|service|socket|com|go|html)$`)
	known := func(name string) bool {
		return slices.ContainsFunc(fields, func(kind reference.Field) bool {
			if strings.Contains(kind.Path, ".") {
				return false
			}
			_, _, within := reference.Find(fields, kind.Path+"."+name)
			_, _, whole := reference.Find(fields, name)
			return within || whole
		})
	}
	looked := 0
	for page, all := range spans(t) {
		for _, span := range all {
			name, _, _ := strings.Cut(span, ":")
			if !path.MatchString(span) || file.MatchString(name) {
				continue
			}
			if looked++; !known(name) {
				t.Errorf("%s: there is no field `%s`", page, name)
			}
		}
	}
	if looked < 20 {
		t.Errorf("only %d fields were looked up", looked)
	}
}

// TestDocs_MetricsExist looks for the metrics that sentences name in the code.
func TestDocs_MetricsExist(t *testing.T) {
	out, err := exec.Command("grep", "-rhoE", "weir_[a-z0-9_]+", "--include=*.go", filepath.Join(root, "control"), filepath.Join(root, "proxy"), filepath.Join(root, "cmd")).Output()
	if err != nil {
		t.Fatal(err)
	}
	written := strings.Fields(string(out))
	looked := 0
	for page, all := range spans(t) {
		for _, span := range all {
			name := regexp.MustCompile(`^weir_[a-z_]+`).FindString(span)
			if name == "" {
				continue
			}
			if looked++; !slices.Contains(written, name) {
				t.Errorf("%s: there is no metric %s", page, name)
			}
		}
	}
	if looked < 5 {
		t.Errorf("only %d metrics were looked up", looked)
	}
}

// askCommands asks weir for the help of each command that a sentence names.
func askCommands(t *testing.T, l *lab.Lab) {
	word := regexp.MustCompile(`^[a-z]+$`)
	asked := map[string]bool{}
	for page, all := range spans(t) {
		for _, span := range all {
			words := strings.Fields(span)
			if words[0] != "weir" && words[0] != "bin/weir" || len(words) < 2 {
				continue
			}
			words[0] = "weir"
			// The name of what the command is about is a word like any other: what
			// the help is of tells how many words are the command.
			n := 1
			for n < len(words) && n < 3 && word.MatchString(words[n]) {
				n++
			}
			named := strings.Join(words[:n], " ")
			if asked[named] {
				continue
			}
			asked[named] = true
			out, err := exec.Command(filepath.Join(l.Dir, "bin", "weir"), append(slices.Clone(words[1:n]), "--help")...).Output()
			usage := regexp.MustCompile(`(?m)^\s+(weir [a-z -]*)`).FindStringSubmatch(string(out))
			if err != nil || usage == nil || !strings.HasPrefix(usage[1], strings.Join(words[:2], " ")) {
				t.Errorf("%s: there is no command `%s` (%v)", page, named, err)
				continue
			}
			group := strings.Contains(string(out), "Available Commands:")
			if n > 2 && group && !strings.HasPrefix(usage[1], named) {
				t.Errorf("%s: there is no command `%s`", page, named)
			}
		}
	}
	if len(asked) < 10 {
		t.Errorf("only %d commands were asked for", len(asked))
	}
}
