package notify

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/configs/template"
	"github.com/weirproxy/weir/control/call"
	"github.com/weirproxy/weir/control/release"
)

// trackerValues are what the templates of a tracker are filled with for one task.
func trackerValues(e *Entry, m *release.Move, link string) map[string]string {
	weight := m.Place.Weight.String()
	number := strings.TrimLeft(m.ID[len(strings.TrimRight(m.ID, "0123456789")):], "0")
	return map[string]string{
		"task.id": m.ID, "task.number": number, "task.title": m.Title, "task.link": m.Link,
		"application": e.Moves.Application, "environment": m.Environment, "release": m.Release, "state": string(m.Place.State),
		"weight": weight, "percent": strings.TrimSuffix(weight, "%"), "rollout": e.Moves.Rollout, "actor": e.Moves.Actor,
		"link": link, "at": e.At.UTC().Format(time.RFC3339),
	}
}

// words puts the tracker's word for a change among values, and returns the others
// that the task may have had in that environment.
func words(t *configs.TrackerTarget, values map[string]string, m *release.Move) (others []string, err error) {
	rule := t.Rule(string(m.Place.State), m.Environment)
	if rule < 0 {
		return nil, fmt.Errorf("%w: the tracker's states name no word for %s any more", ErrRefused, m.Place.State)
	}
	word, err := fill(t.States[rule].Word, values)
	if err != nil {
		return nil, err
	}
	values["word"] = word
	if m.Environment == "" {
		return nil, nil
	}
	then := maps.Clone(values)
	for _, s := range t.States {
		if s.Environment != "" && s.Environment != m.Environment {
			continue
		}
		then["state"] = s.State
		other, err := fill(s.Word, then)
		if err != nil {
			return nil, err
		}
		if other != word && !slices.Contains(others, other) {
			others = append(others, other)
		}
	}
	return others, nil
}

func fill(s string, values map[string]string) (string, error) {
	filled, err := template.Fill(s, template.Text, values)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return filled, nil
}

// trackerRequest is one request, without what authenticates it.
func trackerRequest(t *configs.TrackerTarget, q *configs.TrackerRequest, values map[string]string) (call.Request, error) {
	r := call.Request{Method: q.Method, Header: http.Header{}, MaxAnswer: 4 << 10}
	if len(q.Take) > 0 {
		r.MaxAnswer = maxTracked
	}
	path, err := template.Fill(q.Path, template.URL, values)
	errs := []error{err}
	r.URL = t.URL + path
	r.Header.Set("Accept", "application/json")
	for name, value := range q.Headers {
		filled, err := template.Fill(value, template.Header, values)
		errs = append(errs, err)
		r.Header.Set(name, filled)
	}
	body, err := template.Fill(q.Body, q.Place(), values)
	errs = append(errs, err)
	if r.Body = []byte(body); body != "" {
		r.Header.Set("Content-Type", contentType(q))
	}
	if err := errors.Join(errs...); err != nil {
		return call.Request{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return r, nil
}

func contentType(q *configs.TrackerRequest) string {
	switch q.Type {
	case "form":
		return "application/x-www-form-urlencoded"
	case "text":
		return "text/plain; charset=utf-8"
	}
	return "application/json"
}

// DryRun returns the requests that a tracker would be sent for a change, as lines,
// without what authenticates them. Values that would come out of answers stand for
// themselves.
func DryRun(doc *configs.TrackerTarget, e *Entry) ([]string, error) {
	t := doc.Tracker()
	var lines []string
	for i := range e.Moves.Tasks {
		m := &e.Moves.Tasks[i]
		if t.Rule(string(m.Place.State), m.Environment) < 0 {
			continue
		}
		values := trackerValues(e, m, e.Moves.Link)
		others, err := words(&t, values, m)
		if err != nil {
			return nil, err
		}
		where := m.Environment
		if where != "" {
			where = " in " + where
		}
		lines = append(lines, fmt.Sprintf("%s %s%s:", m.ID, m.Place.State, where))
		for j := range t.Requests {
			q := &t.Requests[j]
			each := []string{""}
			if q.Each != "" {
				each = others
			}
			for _, values["other"] = range each {
				r, err := trackerRequest(&t, q, values)
				if err != nil {
					return nil, err
				}
				lines = append(lines, strings.TrimRight(fmt.Sprintf("  %s %s %s", r.Method, r.URL, r.Body), " "))
			}
			for _, k := range q.Take {
				values["taken."+k.As] = "0"
			}
		}
	}
	return lines, nil
}
