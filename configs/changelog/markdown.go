package changelog

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/weirproxy/weir/configs"
)

// Section is a heading and the changes below it.
type Section struct {
	Title   string
	Changes []configs.Change
}

// Sections groups changes in the order of a changelog: each stands in the first
// section that it is one of, and breaking ones above all. Empty ones are left out.
func Sections(changes []configs.Change) []Section {
	of := func(types ...string) func(configs.Change) bool {
		return func(c configs.Change) bool { return slices.Contains(types, c.Type) }
	}
	kinds := []struct {
		title string
		holds func(configs.Change) bool
	}{
		{"Breaking changes", func(c configs.Change) bool { return c.Breaking }},
		{"Features", of("feat", "feature")},
		{"Fixes", of("fix", "bugfix", "hotfix", "revert")},
		{"Performance", of("perf")},
		{"Documentation", of("docs", "doc")},
		{"Other changes", func(configs.Change) bool { return true }},
	}
	in := make([][]configs.Change, len(kinds))
	for _, c := range changes {
		for i := range kinds {
			if kinds[i].holds(c) {
				in[i] = append(in[i], c)
				break
			}
		}
	}
	var out []Section
	for i := range kinds {
		if len(in[i]) > 0 {
			out = append(out, Section{kinds[i].title, in[i]})
		}
	}
	return out
}

// Markdown writes the changelog of a release: grouped, a line a change, so that
// `grep` finds what shipped with which release.
func Markdown(r *configs.Release) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s %s\n\n", escape(r.Application), escape(r.Version))
	var about []string
	if at := r.CutAt(); !at.IsZero() {
		about = append(about, at.UTC().Format("2006-01-02"))
	}
	if r.Author != "" {
		about = append(about, "by "+escape(r.Author))
	}
	if r.Previous != "" {
		about = append(about, "since "+escape(r.Previous))
	}
	if r.Commit != "" {
		about = append(about, "commit `"+code(brief(r.Commit))+"`")
	}
	if len(about) > 0 {
		b.WriteString(strings.Join(about, ", ") + "\n\n")
	}
	for _, s := range Sections(r.Changes) {
		fmt.Fprintf(&b, "## %s\n\n", s.Title)
		for _, c := range s.Changes {
			b.WriteString(line(c))
		}
		b.WriteString("\n")
	}
	if len(r.Changes) == 0 {
		b.WriteString("No changes are known.\n\n")
	}
	if len(r.Tasks) > 0 {
		b.WriteString("## Tasks\n\n")
		for _, t := range r.Tasks {
			b.WriteString(task(t))
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func line(c configs.Change) string {
	var b strings.Builder
	b.WriteString("- ")
	if c.Scope != "" {
		fmt.Fprintf(&b, "**%s**: %s", escape(c.Scope), escape(c.Text))
	} else {
		b.WriteString(escapeStart(c.Text))
	}
	if c.Commit != "" {
		fmt.Fprintf(&b, " (`%s`)", code(brief(c.Commit)))
	}
	for _, id := range c.Tasks {
		if !strings.Contains(c.Text, id) {
			fmt.Fprintf(&b, " [%s]", escape(id))
		}
	}
	b.WriteString("\n")
	return b.String()
}

func task(t configs.Task) string {
	name := escapeStart(t.ID)
	if t.Link != "" {
		name = "[" + escape(t.ID) + "](" + strings.NewReplacer("(", "%28", ")", "%29").Replace(t.Link) + ")"
	}
	if t.Title != "" {
		name += ": " + escape(t.Title)
	}
	return "- " + name + "\n"
}

func brief(commit string) string { return strings.ToValidUTF8(commit[:min(len(commit), 8)], "") }

// code keeps a text from ending the code span that it stands in.
func code(s string) string { return strings.ReplaceAll(s, "`", "'") }

// escape keeps what others wrote from being markup of ours. An underscore within a
// word is none, and stays what people search for.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		marks := strings.IndexByte("\\`*~[]<>|&", s[i]) >= 0
		if marks || s[i] == '_' && !(isWord(s, i-1) && isWord(s, i+1)) {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// isWord reports whether there is an ASCII letter or digit at i.
func isWord(s string, i int) bool {
	return 0 <= i && i < len(s) && ('a' <= s[i]|0x20 && s[i]|0x20 <= 'z' || '0' <= s[i] && s[i] <= '9')
}

// escapeStart is escape for what stands first in a line, where a heading, a list or a
// rule could begin.
func escapeStart(s string) string {
	return numbered.ReplaceAllString(blockStart.ReplaceAllString(escape(s), `\$1`), `$1\$2$3`)
}

var (
	blockStart = regexp.MustCompile(`^([#+=-])`)
	numbered   = regexp.MustCompile(`^([0-9]+)([.)])( |$)`)
)
