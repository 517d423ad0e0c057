// Package changelog reads changes from commits and writes them for people. It is
// pure: what git printed comes in, documents and Markdown go out.
package changelog

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
)

// GitFormat is what `git log -z --format=` must be given for Parse. What people
// choose comes last: a name with a separator in it shifts nothing but the message.
const GitFormat = "%H%x1f%aI%x1f%an%x1f%B"

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
var header = regexp.MustCompile(`^([A-Za-z]{1,32})(?:\(([^()]{0,64})\))?(!)?: +(.+)$`)

// reverts is the line by which git says what a commit takes back.
var reverts = regexp.MustCompile(`(?m)^This reverts commit ([0-9a-f]{7,64})\b`)

// breaking is the footer of one that breaks something.
var breaking = regexp.MustCompile(`(?m)^BREAKING[ -]CHANGE: +(.*)$`)

// commit is one entry of a log.
type commit struct {
	id, at, author, message string
}

// Parse reads what `git log -z` printed in GitFormat: changes, the newest first as
// git has them, and the tasks that they are a part of, in the order of the changes.
// Merges are left out by `git log --no-merges`. A commit and the one that reverts it
// are both left out; what reverts something older is a change, and no task is done
// with it. It fails on what is not of this form.
func Parse(log string, o Options) (changes []configs.Change, tasks []configs.Task, err error) {
	commits, err := split(log)
	if err != nil {
		return nil, nil, err
	}
	seen := map[string]bool{}
	gone := map[string]bool{}
	for i, one := range commits {
		taken := revertedBy(one, commits[i+1:])
		if gone[one.id] {
			continue // and with it what it took back
		}
		all := len(taken) > 0
		for _, id := range taken {
			if id == "" {
				all = false // older than the log
			} else {
				gone[id] = true
			}
		}
		if all {
			continue
		}
		c := change(one.message)
		c.Commit, c.Author, c.At, c.Tasks = one.id, short(one.author, 120), one.at, o.find(one.message)
		if len(taken) > 0 {
			c.Type = "revert"
		}
		changes = append(changes, c)
		for _, id := range c.Tasks {
			if !seen[id] && len(taken) == 0 {
				seen[id] = true
				tasks = append(tasks, o.task(id, c))
			}
		}
	}
	return changes, tasks, nil
}

func split(log string) ([]commit, error) {
	var all []commit
	for i, entry := range strings.Split(strings.Trim(log, "\x00\n"), "\x00") {
		if strings.TrimSpace(entry) == "" {
			continue
		}
		parts := strings.SplitN(entry, "\x1f", 4)
		if len(parts) != 4 {
			return nil, fmt.Errorf("cannot read commit %d: it is not in the form that was asked for", i+1)
		}
		c := commit{id: strings.TrimSpace(parts[0]), at: parts[1], author: parts[2], message: parts[3]}
		if _, err := time.Parse(time.RFC3339, c.at); err != nil {
			c.at = "" // authors date their commits as they like
		}
		all = append(all, c)
	}
	return all, nil
}

// revertedBy are the commits that one takes back, of those before it in the log's
// time; empty for each that is not among them.
func revertedBy(one commit, older []commit) []string {
	var ids []string
	for _, m := range reverts.FindAllStringSubmatch(one.message, maxReverted) {
		at := slices.IndexFunc(older, func(c commit) bool { return strings.HasPrefix(c.id, m[1]) })
		if at < 0 {
			ids = append(ids, "")
			continue
		}
		ids = append(ids, older[at].id)
	}
	return ids
}

// Bounds of what is read of one message.
const (
	maxReverted = 50
	maxIDs      = 20  // of tasks
	maxID       = 128 // bytes
	maxText     = 400 // bytes
)

// change reads a message.
func change(message string) configs.Change {
	subject, body, _ := strings.Cut(strings.TrimSpace(message), "\n")
	c := configs.Change{Text: oneLine(subject)}
	if m := header.FindStringSubmatch(c.Text); m != nil {
		c.Type, c.Scope, c.Breaking, c.Text = strings.ToLower(m[1]), short(m[2], 60), m[3] != "", m[4]
	}
	if breaking.MatchString(body) {
		c.Breaking = true
	}
	if c.Text == "" {
		c.Text = "(no message)"
	}
	return c
}

// oneLine makes one printable line of any text. What turns the direction of text
// around could make a line read as another one.
func oneLine(s string) string { return short(s, maxText) }

func short(s string, most int) string {
	s = strings.Map(func(c rune) rune {
		if !configs.IsShown(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// find returns the ids of tasks in a message, each once. One that is too long to be
// an id is none.
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
		id = strings.Trim(id, " \t\r\n([])")
		if id != "" && len(id) <= maxID && len(ids) < maxIDs && !slices.Contains(ids, id) {
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
