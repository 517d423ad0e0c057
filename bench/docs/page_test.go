package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// root is the top of the module.
const root = "../.."

// page is one file of documentation.
type page struct {
	name   string // relative to root
	text   string
	world  bool
	blocks []block
}

// block is what stands between two fences.
type block struct {
	line     int
	language string
	text     string

	skip     string // why it is not run
	file     string
	fragment string
	exit     int
	until    string
	before   string
}

// pages are README.md and all pages below configs.
func pages(t *testing.T) []page {
	t.Helper()
	names := []string{"README.md"}
	err := filepath.WalkDir(filepath.Join(root, "configs"), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			name, _ := filepath.Rel(root, path)
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var found []page
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		p, err := parsePage(name, string(data))
		if err != nil {
			t.Error(err)
		}
		found = append(found, p)
	}
	return found
}

var comment = regexp.MustCompile(`^\s*<!-- ([a-z]+): (.*) -->$`)

// parsePage finds the blocks of a page with what is said of them.
func parsePage(name, text string) (page, error) {
	p := page{name: name, text: text}
	next := block{}
	fence := ""
	for i, line := range strings.Split(text, "\n") {
		bare := strings.TrimSpace(line)
		switch {
		case fence != "" && bare == fence:
			p.blocks, next, fence = append(p.blocks, next), block{}, ""
		case fence != "":
			next.text += line + "\n"
		case strings.HasPrefix(bare, "```"):
			fence = bare[:len(bare)-len(strings.TrimLeft(bare, "`"))]
			next.line, next.language = i+1, strings.TrimPrefix(bare, fence)
		case comment.MatchString(line):
			m := comment.FindStringSubmatch(line)
			if err := p.directive(&next, m[1], m[2]); err != nil {
				return p, fmt.Errorf("%s:%d: %w", name, i+1, err)
			}
		case bare != "" && next != (block{}):
			return p, fmt.Errorf("%s:%d: a comment about a block stands right before it", name, i+1)
		}
	}
	if fence != "" {
		return p, fmt.Errorf("%s:%d: the block does not end", name, next.line)
	}
	return p, nil
}

func (p *page) directive(next *block, word, value string) error {
	var err error
	switch word {
	case "world":
		if p.world = true; value != "shop" {
			err = fmt.Errorf("there is no world %q", value)
		}
	case "skip":
		next.skip = value
	case "file":
		next.file = value
	case "fragment":
		next.fragment = value
	case "until":
		next.until = value
	case "before":
		next.before = value
	case "exit":
		next.exit, err = strconv.Atoi(value)
	default:
		err = fmt.Errorf("there is no directive %q", word)
	}
	return err
}

// runs reports whether the block holds commands.
func (b *block) runs() bool { return b.language == "sh" || b.language == "console" }

// command is one command of a block and what it is to print.
type command struct {
	script string
	output string
	checks bool // the output counts
}

// commands are those of a block: all of a `sh` block together, each `$ ` line of a
// `console` block with the output below it.
func (b *block) commands() []command {
	if b.language == "sh" {
		return []command{{script: b.text}}
	}
	var all []command
	for line := range strings.Lines(b.text) {
		if script, ok := strings.CutPrefix(line, "$ "); ok {
			all = append(all, command{script: script, checks: true})
		} else if n := len(all); n > 0 && strings.HasSuffix(all[n-1].script, "\\\n") {
			all[n-1].script += line
		} else if n > 0 {
			all[n-1].output += line
		}
	}
	return all
}

func TestPage_BlocksAndWhatIsSaidOfThem(t *testing.T) {
	p, err := parsePage("x.md", strings.Join([]string{
		"# Title", "<!-- world: shop -->", "", "<!-- exit: 1 -->", "<!-- until: weir get nodes -->",
		"```console", "$ weir a", "out", "", "more", "$ weir b \\", "  -c", "```", "text",
		"1. one", "   <!-- file: a.yaml -->", "   ```yaml", "   kind: Freeze", "   ```",
	}, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if !p.world || len(p.blocks) != 2 || p.blocks[0].exit != 1 || p.blocks[0].until != "weir get nodes" || p.blocks[1].file != "a.yaml" {
		t.Errorf("%+v", p)
	}
	want := []command{{"weir a\n", "out\n\nmore\n", true}, {"weir b \\\n  -c\n", "", true}}
	if got := p.blocks[0].commands(); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	for _, bad := range []string{"```sh\nweir", "<!-- exit: one -->\n```sh\n```", "<!-- skp: x -->\n```sh\n```", "<!-- skip: x -->\ntext\n```sh\n```"} {
		if _, err := parsePage("x.md", bad); err == nil {
			t.Errorf("taken:\n%s", bad)
		}
	}
}
