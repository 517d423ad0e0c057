// Package changelog reads changes from commits and writes them for people. It is
// pure: what git printed comes in, documents and Markdown go out.
package changelog

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/weirproxy/weir/configs"
)

// GitFormat is what `git log -z --format=` must be given for Parse.
const GitFormat = "%H%x1f%an%x1f%aI%x1f%B"

// DefaultTasks finds ids such as SHOP-12 and #12.
const DefaultTasks = `\b[A-Z][A-Z0-9]+-[0-9]+\b|(?:^|[\s(\[])#[0-9]+\b`

// Options say how commits are read.
type Options struct {
	// Tasks finds the ids of tasks in messages; its first group, if it has one, is
	// the id. Nil: none are looked for.
	Tasks *regexp.Regexp

	// TaskLink is the link to a task, with {id} in the place of its id. Empty:
	// none.
	TaskLink string
}

// header is the first line of a Conventional Commit, version 1.0.0.
var header = regexp.MustCompile(`^([A-Za-z]+)(?:\(([^()]*)\))?(!)?: +(.+)$`)

// breaking is the footer of one that breaks something.
var breaking = regexp.MustCompile(`(?m)^BREAKING[ -]CHANGE: +(.*)$`)

// Parse reads what `git log -z` printed in GitFormat: changes, the newest first as
// git has them, and the tasks that they are a part of, in the order of the changes.
// Merges are left out by `git log --no-merges`. It fails on what is not of this form.
func Parse(log string, o Options) (changes []configs.Change, tasks []configs.Task, err error) {
	seen := map[string]bool{}
	for i, entry := range strings.Split(strings.Trim(log, "\x00\n"), "\x00") {
		if strings.TrimSpace(entry) == "" {
			continue
		}
		parts := strings.SplitN(entry, "\x1f", 4)
		if len(parts) != 4 {
			return nil, nil, fmt.Errorf("cannot read commit %d: it is not in the form that was asked for", i+1)
		}
		c := change(parts[3])
		c.Commit, c.Author, c.At = strings.TrimSpace(parts[0]), oneLine(parts[1]), parts[2]
		c.Tasks = o.find(parts[3])
		changes = append(changes, c)
		for _, id := range c.Tasks {
			if !seen[id] {
				seen[id] = true
				tasks = append(tasks, o.task(id, c))
			}
		}
	}
	return changes, tasks, nil
}

// change reads a message.
func change(message string) configs.Change {
	subject, body, _ := strings.Cut(strings.TrimSpace(message), "\n")
	c := configs.Change{Text: oneLine(subject)}
	if m := header.FindStringSubmatch(c.Text); m != nil {
		c.Type, c.Scope, c.Breaking, c.Text = strings.ToLower(m[1]), m[2], m[3] != "", m[4]
	}
	if breaking.MatchString(body) {
		c.Breaking = true
	}
	if c.Text == "" {
		c.Text = "(no message)"
	}
	return c
}

// oneLine makes one printable line of any text.
func oneLine(s string) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == '\u2028' || c == '\u2029' {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
	s = strings.Join(strings.Fields(s), " ")
	const most = 400
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// find returns the ids of tasks in a message, each once.
func (o *Options) find(message string) []string {
	if o.Tasks == nil {
		return nil
	}
	var ids []string
	for _, m := range o.Tasks.FindAllStringSubmatch(message, 100) {
		id := m[0]
		if len(m) > 1 && m[1] != "" {
			id = m[1]
		}
		if id = strings.Trim(id, " \t\r\n([])"); id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// task is what is known of a task by the newest change of it.
func (o *Options) task(id string, c configs.Change) configs.Task {
	t := configs.Task{ID: id, Title: strings.TrimSpace(strings.TrimSuffix(c.Text, "("+id+")"))}
	if o.TaskLink != "" {
		t.Link = strings.ReplaceAll(o.TaskLink, "{id}", strings.TrimPrefix(id, "#"))
	}
	return t
}
