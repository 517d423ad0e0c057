package changelog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirproxy/weir/configs"
)

// section is a heading and the changes below it.
type section struct {
	title string
	holds func(configs.Change) bool
}

// sections are in the order of a changelog; a change stands in the first that
// holds it, and breaking ones above all.
func sections() []section {
	of := func(types ...string) func(configs.Change) bool {
		return func(c configs.Change) bool { return slices.Contains(types, c.Type) }
	}
	return []section{
		{"Breaking changes", func(c configs.Change) bool { return c.Breaking }},
		{"Features", of("feat", "feature")},
		{"Fixes", of("fix", "bugfix", "hotfix", "revert")},
		{"Performance", of("perf")},
		{"Documentation", of("docs", "doc")},
		{"Other changes", func(configs.Change) bool { return true }},
	}
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
		about = append(about, "commit `"+code(short(r.Commit))+"`")
	}
	if len(about) > 0 {
		b.WriteString(strings.Join(about, ", ") + "\n\n")
	}
	left := slices.Clone(r.Changes)
	for _, s := range sections() {
		var here []configs.Change
		left = slices.DeleteFunc(left, func(c configs.Change) bool {
			if s.holds(c) {
				here = append(here, c)
				return true
			}
			return false
		})
		if len(here) == 0 {
			continue
		}
		fmt.Fprintf(&b, "## %s\n\n", s.title)
		for _, c := range here {
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
		fmt.Fprintf(&b, "**%s**: ", escape(c.Scope))
	}
	b.WriteString(escape(c.Text))
	if c.Commit != "" {
		fmt.Fprintf(&b, " (`%s`)", code(short(c.Commit)))
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
	name := escape(t.ID)
	if t.Link != "" {
		name = "[" + name + "](" + strings.NewReplacer("(", "%28", ")", "%29").Replace(t.Link) + ")"
	}
	if t.Title != "" {
		name += ": " + escape(t.Title)
	}
	return "- " + name + "\n"
}

func short(commit string) string { return commit[:min(len(commit), 8)] }

// code keeps a text from ending the code span that it stands in.
func code(s string) string { return strings.ReplaceAll(s, "`", "'") }

// escape keeps what others wrote from being markup of ours.
func escape(s string) string {
	return strings.NewReplacer(
		`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", `\<`, ">", `\>`, "|", `\|`,
	).Replace(s)
}
