package notify

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/configs/template"
	"github.com/weirproxy/weir/control/release"
)

// KindTasks is the kind of what trackers are told.
const KindTasks = "tasks"

// Moves are tasks of one application that went elsewhere by one cause.
type Moves struct {
	Application string         `json:"application"`
	Rollout     string         `json:"rollout,omitempty"` // that did it; empty: a report or a release did
	Actor       string         `json:"actor,omitempty"`
	Link        string         `json:"link,omitempty"` // to the pipeline
	Tasks       []release.Move `json:"tasks"`
}

// again is m with nothing refused.
func (m *Moves) again() *Moves {
	out := *m
	out.Tasks = slices.Clone(m.Tasks)
	for i := range out.Tasks {
		out.Tasks[i].Failures, out.Tasks[i].Refused = 0, ""
	}
	return &out
}

// Progress in the chain of what a Deliver returns says that a part was delivered.
type Progress struct {
	Left *Moves // what is still to be
	Err  error  // why no more was; nil: it goes on with the next delivery
}

func (p *Progress) Error() string {
	if p.Err == nil {
		return "a part is delivered"
	}
	return p.Err.Error()
}

// Unwrap returns why no more was delivered.
func (p *Progress) Unwrap() error { return p.Err }

// TrackerWants picks the moves of an application that a tracker is told of. The
// document was validated.
func TrackerWants(t *configs.TrackerTarget, application string, moves []release.Move) []release.Move {
	full := t.Tracker()
	ids, ok := trackerTasks(&full, application)
	if !ok {
		return nil
	}
	share := mentionsShare(&full)
	var wanted []release.Move
	for _, m := range moves {
		rule := full.Rule(string(m.Place.State), m.Environment)
		if rule < 0 || m.Share && !share[rule] || full.Tasks != "" && !ids.MatchString(m.ID) {
			continue
		}
		wanted = append(wanted, m)
	}
	return wanted
}

// TrackerKnows reports whether a tracker may be told of a task.
func TrackerKnows(t *configs.TrackerTarget, application, id string) bool {
	full := t.Tracker()
	ids, ok := trackerTasks(&full, application)
	return ok && (full.Tasks == "" || ids.MatchString(id))
}

// trackerTasks is what matches the ids that a tracker knows; false: it is told of no
// task of the application.
func trackerTasks(full *configs.TrackerTarget, application string) (*regexp.Regexp, bool) {
	if len(full.Applications) > 0 && !slices.Contains(full.Applications, application) {
		return nil, false
	}
	ids, err := regexp.Compile("^(?:" + full.Tasks + ")$")
	return ids, err == nil // an error: a document of a newer release
}

// mentionsShare says for each state of t whether what is sent has the share of users
// in it: without, a next stage is nothing new.
func mentionsShare(t *configs.TrackerTarget) []bool {
	mentions := func(s string) bool {
		fields := template.Fields(s)
		return slices.Contains(fields, "weight") || slices.Contains(fields, "percent")
	}
	everywhere := slices.ContainsFunc(t.Requests, func(q configs.TrackerRequest) bool {
		for _, value := range q.Headers {
			if mentions(value) {
				return true
			}
		}
		return mentions(q.Path) || mentions(q.Body)
	})
	out := make([]bool, len(t.States))
	for i, s := range t.States {
		out[i] = everywhere || mentions(s.Word)
	}
	return out
}

// Sentence says what moved where.
func (m *Moves) Sentence() string {
	if len(m.Tasks) == 0 {
		return "no task of " + m.Application
	}
	first := m.Tasks[0]
	what := fmt.Sprintf("%d tasks of %s", len(m.Tasks), m.Application)
	if len(m.Tasks) == 1 {
		what = fmt.Sprintf("task %s of %s", first.ID, m.Application)
	}
	for _, t := range m.Tasks {
		if t.Environment != first.Environment || t.Place != first.Place {
			return what + ": in several places"
		}
	}
	where := ""
	if first.Environment != "" {
		where = " in " + first.Environment
	}
	if first.Place.State == release.TaskDeploying {
		where += " at " + first.Place.Weight.String()
	}
	return fmt.Sprintf("%s: %s%s", what, first.Place.State, where)
}
