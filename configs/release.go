package configs

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Release is one version of an application as people know it: what changed, and
// which tasks are done with it. Rollouts and deployments name it.
type Release struct {
	// Application is the name that services give in `application`.
	Application string `json:"application" yaml:"application"`

	// Version is the release's own name, such as v1.5.0: letters, digits, dots,
	// dashes and underscores, at most 63.
	Version string `json:"version" yaml:"version"`

	// Previous is the version that the changes are counted from: the release holds
	// what that one holds, and they. Empty: it holds all that was cut before it.
	Previous string `json:"previous,omitempty" yaml:"previous,omitempty"`

	// Commit is the id of what was built. Empty: nobody said.
	Commit string `json:"commit,omitempty" yaml:"commit,omitempty"`

	// Author is who cut the release. Empty: nobody said.
	Author string `json:"author,omitempty" yaml:"author,omitempty"`

	// At is when it was cut, in RFC 3339. Empty: nobody said.
	At string `json:"at,omitempty" yaml:"at,omitempty"`

	// Link leads to the build or its page. Empty: none is shown.
	Link string `json:"link,omitempty" yaml:"link,omitempty"`

	// Migrations are those that the code needs, by name: no rollout of the release
	// begins before they are done. A contract is none of them. Empty: none.
	Migrations []string `json:"migrations,omitempty" yaml:"migrations,omitempty"`

	// Tasks are what is done with the release, each once, at most 500.
	Tasks []Task `json:"tasks,omitempty" yaml:"tasks,omitempty"`

	// Changes are what is new, at most 2 000: `weir release create` reads them from
	// commits.
	Changes []Change `json:"changes,omitempty" yaml:"changes,omitempty"`
}

// Task is a piece of work that a tracker knows by its id.
type Task struct {
	ID    string `json:"id" yaml:"id"`                           // as the tracker writes it, such as SHOP-12
	Title string `json:"title,omitempty" yaml:"title,omitempty"` // shown; empty: the id alone is
	Link  string `json:"link,omitempty" yaml:"link,omitempty"`   // to the task; empty: none is shown
}

// Change is one line of a changelog.
type Change struct {
	// Type is that of Conventional Commits: `feat`, `fix`, `perf` and others.
	// Empty: the change is of no type.
	Type string `json:"type,omitempty" yaml:"type,omitempty"`

	// Scope is the part that changed. Empty: none is named.
	Scope string `json:"scope,omitempty" yaml:"scope,omitempty"`

	// Text is what changed, on one line.
	Text string `json:"text" yaml:"text"`

	// Breaking says that whoever uses the application must change something.
	// False: nobody must.
	Breaking bool `json:"breaking,omitempty" yaml:"breaking,omitempty"`

	// Commit is where it was made. Empty: nobody said.
	Commit string `json:"commit,omitempty" yaml:"commit,omitempty"`

	// Author is who made it. Empty: nobody said.
	Author string `json:"author,omitempty" yaml:"author,omitempty"`

	// At is when it was committed, in RFC 3339: lead times are counted from it.
	// Empty: nobody said.
	At string `json:"at,omitempty" yaml:"at,omitempty"`

	// Tasks are the ids of those that it is a part of, at most 50. Empty: none.
	Tasks []string `json:"tasks,omitempty" yaml:"tasks,omitempty"`
}

// Bounds of one Release.
const (
	maxTasks       = 500
	maxChangeTasks = 50
	maxChanges     = 2000
	maxLine        = 500
)

// Name tells releases apart.
func (d *Release) Name() string { return d.Application + "/" + d.Version }

// Validate returns all problems of d. Paths are canonical and without places:
// Document.Locate adds them.
func (d *Release) Validate() Problems {
	r := &report{}
	r.name("application", d.Application)
	if !isVersionName(d.Version) {
		r.add("version", versionHint, "%q is not a name of a version", d.Version)
	}
	if d.Previous != "" && !isVersionName(d.Previous) {
		r.add("previous", versionHint, "%q is not a name of a version", d.Previous)
	}
	if d.Previous != "" && d.Previous == d.Version {
		r.add("previous", "name the version before", "the release follows itself")
	}
	r.line("commit", d.Commit, 128)
	r.line("author", d.Author, 128)
	r.moment("at", d.At)
	r.link("link", d.Link)
	r.migrations(d.Migrations)
	if len(d.Tasks) > maxTasks {
		r.add("tasks", fmt.Sprintf("keep at most %d", maxTasks), "there are %d tasks", len(d.Tasks))
		return r.problems
	}
	seen := map[string]bool{}
	for i, t := range d.Tasks {
		path := item("tasks", i)
		r.taskID(field(path, "id"), t.ID)
		if seen[t.ID] {
			r.add(field(path, "id"), "remove it", "task %q stands here twice", t.ID)
		}
		seen[t.ID] = true
		r.line(field(path, "title"), t.Title, maxLine)
		r.link(field(path, "link"), t.Link)
	}
	if len(d.Changes) > maxChanges {
		r.add("changes", fmt.Sprintf("keep at most %d", maxChanges), "there are %d changes", len(d.Changes))
		return r.problems
	}
	for i := range d.Changes {
		d.Changes[i].check(r, item("changes", i))
	}
	return r.problems
}

func (c *Change) check(r *report, path string) {
	if strings.TrimSpace(c.Text) == "" {
		r.add(field(path, "text"), "write what changed", "the change says nothing")
	}
	r.line(field(path, "text"), c.Text, maxLine)
	r.line(field(path, "type"), c.Type, 64)
	r.line(field(path, "scope"), c.Scope, 64)
	r.line(field(path, "commit"), c.Commit, 128)
	r.line(field(path, "author"), c.Author, 128)
	r.moment(field(path, "at"), c.At)
	if len(c.Tasks) > maxChangeTasks {
		r.add(field(path, "tasks"), fmt.Sprintf("keep at most %d", maxChangeTasks), "there are %d tasks", len(c.Tasks))
		return
	}
	for i, id := range c.Tasks {
		r.taskID(item(field(path, "tasks"), i), id)
	}
}

// IsShown reports whether a character of what others wrote is shown as it is: none
// that controls a terminal, ends a line, or turns the direction of the text around.
func IsShown(c rune) bool {
	switch {
	case unicode.IsControl(c), c == '\u2028', c == '\u2029', '\u202a' <= c && c <= '\u202e', '\u2066' <= c && c <= '\u2069':
		return false
	}
	return true
}

// line checks a text that is shown on one line.
func (r *report) line(path, s string, most int) {
	for _, c := range s {
		if !IsShown(c) {
			r.add(path, "write one line of printable text", "%q is not printable", s)
			return
		}
	}
	if len(s) > most {
		r.add(path, fmt.Sprintf("write at most %d bytes", most), "the text is %d bytes long", len(s))
	}
}

// migrations checks names of Migrations that something needs.
func (r *report) migrations(names []string) {
	for i, name := range names {
		r.name(item("migrations", i), name)
		if name != "" && slices.Contains(names[:i], name) {
			r.add(item("migrations", i), "remove it", "%q stands here twice", name)
		}
	}
	if len(names) > maxNeeds {
		r.add("migrations", fmt.Sprintf("keep at most %d", maxNeeds), "there are %d migrations", len(names))
	}
}

func (r *report) taskID(path, id string) {
	if id == "" || len(id) > 128 || strings.ContainsAny(id, " \t\"'<>`") {
		r.add(path, "write an id such as SHOP-12 or #12", "%q is no id of a task", id)
		return
	}
	r.line(path, id, 128)
}

// link checks an address that people are led to.
func (r *report) link(path, s string) {
	if s == "" {
		return
	}
	if !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://") || len(s) > 2048 || strings.ContainsAny(s, " \t\r\n\"'<>`\\") {
		r.add(path, "write an address such as https://ci.example.com/builds/7", "%q is no link", s)
	}
}

// CutAt is when the release was cut; zero: nobody said.
func (d *Release) CutAt() time.Time { return parsed(d.At) }

// MadeAt is when the change was committed; zero: nobody said.
func (c *Change) MadeAt() time.Time { return parsed(c.At) }

// parsed reads a time of a valid document.
func parsed(s string) time.Time {
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return at
}
