package configs

import (
	"cmp"
	"slices"
	"strings"
)

// TrackerTarget tells a tracker of tasks where they are: for each task whose place
// changed, one or more HTTP requests, made of templates with the fields
//
//	{{task.id}} {{task.number}} {{task.title}} {{task.link}} {{application}}
//	{{environment}} {{release}} {{state}} {{weight}} {{percent}} {{rollout}}
//	{{actor}} {{link}} {{at}} {{word}} {{other}} {{taken.NAME}}
//
// each escaped for where it stands. Changes of one application come in order; one
// that the tracker refuses is a dead letter and holds up no other.
type TrackerTarget struct {
	// Preset is `jira` (moves an issue to the status of that name), `jira-labels`
	// (labels of an issue), `github` (labels of an issue) or `gitscrum` (moves a task
	// to the column of that name). Empty: `requests` says what is sent.
	Preset string `json:"preset,omitempty" yaml:"preset,omitempty"`

	// URL is where the tracker is: scheme, host and perhaps a path that all requests
	// begin with. Empty: https://api.github.com for github,
	// https://services.gitscrum.com for gitscrum; the others need one.
	URL string `json:"url,omitempty" yaml:"url,omitempty"`

	// Project is `owner/name` of the repository for github, `workspace/project` for
	// gitscrum. Empty: the preset needs none.
	Project string `json:"project,omitempty" yaml:"project,omitempty"`

	// User logs in with Basic authentication and the token of TokenFile as its
	// password, as Jira's API tokens want it. Empty: the token is sent as
	// `Authorization: Bearer`.
	User string `json:"user,omitempty" yaml:"user,omitempty"`

	// TokenFile holds the token, below the `secrets` folder of every node. Empty:
	// requests carry none.
	TokenFile string `json:"token_file,omitempty" yaml:"token_file,omitempty"`

	// TokenHeader is the field that carries the token alone, such as
	// `PRIVATE-TOKEN`. Empty: `Authorization`.
	TokenHeader string `json:"token_header,omitempty" yaml:"token_header,omitempty"`

	// Applications limits it to tasks of these. Empty: of all.
	Applications []string `json:"applications,omitempty" yaml:"applications,omitempty"`

	// Tasks is a regular expression (RE2) that the whole id of a task must match to
	// be told. Empty: ids such as SHOP-12 for jira and gitscrum, #12 for github, else
	// any.
	Tasks string `json:"tasks,omitempty" yaml:"tasks,omitempty"`

	// States are the changes that are told, with the tracker's word for each. The
	// first that matches counts; what matches none is not told. At least one.
	States []TrackerState `json:"states" yaml:"states"`

	// Requests are sent one after the other for each change. Empty: the preset's; one
	// of both is needed.
	Requests []TrackerRequest `json:"requests,omitempty" yaml:"requests,omitempty"`
}

// TrackerState is a change of a task that a tracker is told.
type TrackerState struct {
	// State is `merged` (it came into a release; or it left an environment for
	// another reason than being put back), `deploying` (a part of the users has it),
	// `live` (all have it) or `rolled_back` (it was put back).
	State string `json:"state" yaml:"state"`

	// Environment is the one that it counts for. Empty: any, and none, where a task
	// is that only just came into a release.
	Environment string `json:"environment,omitempty" yaml:"environment,omitempty"`

	// Word is what the tracker calls it, with fields: `Deployed to {{environment}}`.
	// One with {{weight}} or {{percent}} is told again at each stage.
	Word string `json:"word" yaml:"word"`
}

// TrackerRequest is one HTTP request for a change.
type TrackerRequest struct {
	// Method is GET, POST, PUT, PATCH or DELETE. Empty: POST.
	Method string `json:"method,omitempty" yaml:"method,omitempty"`

	// Path follows the tracker's URL: `/tasks/{{task.id}}?env={{environment}}`.
	Path string `json:"path" yaml:"path"`

	// Headers are added, with fields. Secrets do not belong here: see TokenFile.
	// Empty: none.
	Headers map[string]string `json:"headers,omitempty" yaml:"headers,omitempty"`

	// Body is sent. Empty: none is.
	Body string `json:"body,omitempty" yaml:"body,omitempty"`

	// Type is that of the body: `json` (default), `form` or `text`.
	Type string `json:"type,omitempty" yaml:"type,omitempty"`

	// Accept are statuses that are as good as 2xx: 404 where something is removed.
	// Empty: 2xx alone is good.
	Accept []int `json:"accept,omitempty" yaml:"accept,omitempty"`

	// Each is `other`: the request is sent once for each word that the task may have
	// had in that environment and has no more, as {{other}}. Empty: it is sent once.
	Each string `json:"each,omitempty" yaml:"each,omitempty"`

	// Take takes values out of the answer, which is JSON, for the requests after it.
	// Empty: none.
	Take []TrackerTake `json:"take,omitempty" yaml:"take,omitempty"`
}

// TrackerTake takes one value out of an answer. Where there is none, the task is
// left as it is: a tracker that offers no way to a status has it there already, or
// does not allow it.
type TrackerTake struct {
	As string `json:"as" yaml:"as"` // its name: {{taken.NAME}} in later requests

	// From is where the value is, names with full stops between them: `data.uuid`.
	// With Is, it leads to a list.
	From string `json:"from" yaml:"from"`

	// Where chooses from the list: the first item whose value there is that of Is.
	// Empty: From is the value.
	Where string `json:"where,omitempty" yaml:"where,omitempty"`

	// Is is what the item must have at Where, with fields, upper and lower case alike.
	// Empty: From is the value.
	Is string `json:"is,omitempty" yaml:"is,omitempty"`

	// Field is where the value is in that item. Empty: `id`.
	Field string `json:"field,omitempty" yaml:"field,omitempty"`
}

// Tracker is a TrackerTarget with its preset and defaults written out.
func (t *TrackerTarget) Tracker() TrackerTarget {
	out := *t
	p := presetOf(t)
	out.URL = strings.TrimSuffix(cmp.Or(t.URL, p.url), "/")
	out.Tasks = cmp.Or(t.Tasks, p.tasks)
	if len(t.Requests) == 0 {
		out.Requests = p.requests
	}
	out.Requests = slices.Clone(out.Requests)
	for i := range out.Requests {
		r := &out.Requests[i]
		r.Method = cmp.Or(r.Method, "POST")
		r.Type = cmp.Or(r.Type, "json")
		r.Take = slices.Clone(r.Take)
		for j := range r.Take {
			r.Take[j].Field = cmp.Or(r.Take[j].Field, "id")
		}
	}
	return out
}

// Rule returns what is told of a change, and where it stands in States; -1: nothing.
func (t *TrackerTarget) Rule(state, environment string) int {
	return slices.IndexFunc(t.States, func(s TrackerState) bool {
		return s.State == state && (s.Environment == "" || s.Environment == environment)
	})
}
