package configs

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/weirproxy/weir/configs/template"
)

// eachOther is the one value of TrackerRequest.Each.
const eachOther = "other"

// Bounds of a tracker.
const (
	maxTrackerStates   = 50
	maxTrackerRequests = 10
	maxTrackerText     = 16 << 10 // bytes of a path, a header or a body
)

// trackerFields are those that every template may name; true: a number.
func trackerFields() map[string]bool {
	return map[string]bool{
		"task.id": false, "task.number": true, "task.title": false, "task.link": false,
		"application": false, "environment": false, "release": false, "state": false, "weight": false, "percent": true,
		"rollout": false, "actor": false, "link": false, "at": false,
	}
}

func (t *TrackerTarget) check(r *report) {
	const path = "tracker"
	r.choice(path+".preset", t.Preset, trackerPresets()...)
	switch {
	case t.Preset == "" && len(t.Requests) == 0:
		r.add(path, "write preset: "+oneOf(trackerPresets())+", or requests", "nothing says what is sent")
	case t.Preset != "" && len(t.Requests) > 0:
		r.add(path+".requests", "leave out the preset, or the requests", "the preset %s says what is sent", t.Preset)
	}
	t.checkAccess(r, path)
	for i, name := range t.Applications {
		r.name(item(path+".applications", i), name)
	}
	if _, err := regexp.Compile(t.Tasks); err != nil || len(t.Tasks) > maxLine {
		r.add(path+".tasks", `write an expression such as SHOP-[0-9]+`, "%q is no regular expression", t.Tasks)
	}
	t.checkStates(r, path)
	if len(t.Requests) > maxTrackerRequests {
		r.add(path+".requests", fmt.Sprintf("keep at most %d", maxTrackerRequests), "there are %d requests", len(t.Requests))
		return
	}
	known := trackerFields()
	known["word"] = false
	for i := range t.Requests {
		t.Requests[i].check(r, item(path+".requests", i), known)
	}
}

// checkAccess checks where the tracker is and who asks it.
func (t *TrackerTarget) checkAccess(r *report, path string) {
	p := presetOf(t)
	switch {
	case t.URL != "":
		r.url(path+".url", t.URL, "https://tracker.example.com")
		if strings.ContainsAny(t.URL, "?#{") {
			r.add(path+".url", "write the query and fields into the paths of requests", "the URL has more than a path")
		}
	case p.url == "":
		r.add(path+".url", "write a URL such as https://example.atlassian.net", "it is missing")
	}
	owner, name, ok := strings.Cut(t.Project, "/")
	if p.project && !(ok && isVersionName(owner) && isVersionName(name)) {
		r.add(path+".project", "write owner/name", "%q is no project", t.Project)
	}
	if !p.project && t.Project != "" {
		r.add(path+".project", "remove it", "only the presets github and gitscrum have a project")
	}
	if t.TokenFile != "" {
		r.secret(path+".token_file", t.TokenFile, "")
	}
	if t.User != "" {
		r.line(path+".user", t.User, 128)
		if strings.Contains(t.User, ":") {
			r.add(path+".user", "write the name alone; the token goes into a file", "%q has a colon", t.User)
		}
		if t.TokenFile == "" {
			r.add(path+".token_file", "write the file that holds the token of "+t.User, "it is missing")
		}
	}
	switch {
	case t.TokenHeader == "":
	case !isToken(t.TokenHeader):
		r.add(path+".token_header", "write a name such as PRIVATE-TOKEN", "%q is not a name of a header", t.TokenHeader)
	case t.TokenFile == "" || t.User != "":
		r.add(path+".token_header", "write token_file, and no user", "the header would carry no token")
	}
}

func (t *TrackerTarget) checkStates(r *report, path string) {
	if len(t.States) == 0 {
		r.add(path+".states", `write states: [{state: live, word: "In {{environment}}"}]`, "no change is told")
	}
	if len(t.States) > maxTrackerStates {
		r.add(path+".states", fmt.Sprintf("keep at most %d", maxTrackerStates), "there are %d states", len(t.States))
		return
	}
	p := presetOf(t)
	for i, s := range t.States {
		at := item(path+".states", i)
		r.choice(field(at, "state"), s.State, "merged", "deploying", "live", "rolled_back")
		r.wanted(field(at, "state"), s.State, "merged, deploying, live or rolled_back")
		if s.Environment != "" {
			r.name(field(at, "environment"), s.Environment)
		}
		if strings.TrimSpace(s.Word) == "" {
			r.add(field(at, "word"), "write the tracker's word for it", "it is missing")
		}
		r.line(field(at, "word"), s.Word, maxLine)
		r.template(field(at, "word"), s.Word, template.Text, trackerFields())
		if fields := template.Fields(s.Word); p.label && slices.ContainsFunc(fields, isPassing) {
			r.add(field(at, "word"), "leave out what changes from time to time", "a label with {{%s}} could not be removed again", fields[slices.IndexFunc(fields, isPassing)])
		}
		if t.Preset == "jira-labels" && strings.Contains(s.Word, " ") {
			r.add(field(at, "word"), "write dashes", "%q has a space, which labels of Jira cannot have", s.Word)
		}
	}
}

// isPassing reports whether a field has another value at the next change of the
// same task in the same environment.
func isPassing(name string) bool {
	return name != "application" && name != "environment" && name != "state" && name != "task.id"
}

// check checks a request. Known are the fields it may name, to which it adds what
// it takes.
func (q *TrackerRequest) check(r *report, path string, known map[string]bool) {
	r.choice(field(path, "method"), q.Method, "GET", "POST", "PUT", "PATCH", "DELETE")
	r.choice(field(path, "each"), q.Each, eachOther)
	fields := known
	if q.Each == eachOther {
		fields = maps.Clone(known)
		fields["other"] = false
	}
	r.template(field(path, "path"), q.Path, template.URL, fields)
	for name, value := range q.Headers {
		at := field(field(path, "headers"), name)
		switch {
		case !isToken(name):
			r.add(at, "write a name such as X-Team", "%q is not a name of a header", name)
		case isOurs(name):
			r.add(at, "remove it; a token goes into token_file", "weir writes %s itself", name)
		}
		r.template(at, value, template.Header, fields)
	}
	r.choice(field(path, "type"), q.Type, "json", "form", "text")
	r.template(field(path, "body"), q.Body, q.Place(), fields)
	for i, status := range q.Accept {
		if status < 300 || status > 599 {
			r.add(item(field(path, "accept"), i), "write a status such as 404", "%d is no status that needs it", status)
		}
	}
	for i := range q.Take {
		q.Take[i].check(r, item(field(path, "take"), i), fields)
		known["taken."+q.Take[i].As] = true
	}
	if len(q.Take) > 0 && q.Each != "" {
		r.add(field(path, "take"), "take from a request that is sent once", "the request is sent several times")
	}
}

// Place is where the fields of the body stand.
func (q *TrackerRequest) Place() template.Place {
	switch q.Type {
	case "form":
		return template.Form
	case "text":
		return template.Text
	}
	return template.JSON
}

func (k *TrackerTake) check(r *report, path string, known map[string]bool) {
	if !isName(k.As) {
		r.add(field(path, "as"), "write a name such as transition", "%q is not a name", k.As)
	}
	r.wanted(field(path, "from"), k.From, "where the value is, such as data.id")
	r.line(field(path, "from"), k.From, 128)
	r.line(field(path, "where"), k.Where, 128)
	r.line(field(path, "field"), k.Field, 128)
	if (k.Where == "") != (k.Is == "") {
		r.add(field(path, "where"), "write both", "one of where and is stands alone")
	}
	r.template(field(path, "is"), k.Is, template.Text, known)
}

func (r *report) template(path, text string, place template.Place, known map[string]bool) {
	if len(text) > maxTrackerText {
		r.add(path, fmt.Sprintf("write at most %d bytes", maxTrackerText), "the text is %d bytes long", len(text))
		return
	}
	err := template.Check(text, place, known)
	if err == nil {
		return
	}
	hint := "write it so that whatever a field holds can stand there"
	if errors.Is(err, template.ErrField) {
		hint = "write one of {{" + strings.Join(slices.Sorted(maps.Keys(known)), "}} {{") + "}}"
	}
	r.add(path, hint, "%s", err)
}

// isOurs reports whether a header is not for documents to set: framing, and what
// authenticates.
func isOurs(name string) bool {
	return slices.ContainsFunc([]string{
		"Authorization", "Cookie", "Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection", "Expect", "Upgrade", "TE", "Trailer",
	}, func(ours string) bool { return strings.EqualFold(name, ours) })
}
