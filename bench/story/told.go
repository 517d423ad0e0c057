package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

// recorder stands in for a service that people are told by. It keeps each message
// once, as lines that a person would read.
type recorder struct {
	name   string
	server *httptest.Server

	mu   sync.Mutex
	seen map[string]bool // by what tells duplicates apart
	got  []string
	held int // of got were held against the story
}

// record starts a recorder; read makes a message of a request, with the key by
// which duplicates are told, which may be empty. No text: the request is none. One
// request is read at a time.
func record(name string, read func(r *http.Request, body []byte) (key, text string, err error)) *recorder {
	rec := &recorder{name: name, seen: map[string]bool{}}
	rec.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		rec.mu.Lock()
		defer rec.mu.Unlock()
		key, text, err := read(r, body)
		if err != nil {
			text = "cannot read " + string(body) + ": " + err.Error()
		}
		w.WriteHeader(http.StatusAccepted)
		if text != "" && (key == "" || !rec.seen[key]) {
			rec.seen[key] = true
			rec.got = append(rec.got, text)
		}
	}))
	return rec
}

// next returns the first message that was not held against the story yet.
func (r *recorder) next() (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held == len(r.got) {
		return "", false
	}
	return r.got[r.held], true
}

func (r *recorder) holds() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held++
}

// told waits for the next messages of a recorder, and holds them against what the
// story says. A line of dots stands for any number of lines, dots within a line
// for any text.
func (s *story) told(r *recorder, want ...string) {
	for _, message := range want {
		if s.err != nil {
			return
		}
		text := ""
		s.awaits(r.name+" is told", func() (ok bool, err error) {
			text, ok = r.next()
			return ok, nil
		})
		if s.err != nil {
			s.err = fmt.Errorf("%w: %s", s.err, message)
			return
		}
		r.holds()
		s.say("%s is told", r.name)
		for line := range strings.Lines(text) {
			s.out.Printf("           | %s\n", strings.TrimRight(line, "\n"))
		}
		if !reads(strings.Split(text, "\n"), strings.Split(strings.TrimSpace(message), "\n")) {
			s.check(fmt.Errorf("%s is told\n%s\nand the story says\n%s", r.name, text, message))
		}
	}
}

// silent fails the story if a recorder was told more than it says.
func (s *story) silent(r *recorder) {
	if text, more := r.next(); more && s.err == nil {
		s.check(fmt.Errorf("%s is told more than the story says:\n%s", r.name, text))
	}
}

const dots = "…"

// reads reports whether lines are those that are wanted.
func reads(lines, want []string) bool {
	if len(want) == 0 {
		return len(lines) == 0
	}
	if strings.TrimSpace(want[0]) == dots {
		for i := 0; i <= len(lines); i++ {
			if reads(lines[i:], want[1:]) {
				return true
			}
		}
		return false
	}
	return len(lines) > 0 && matches(lines[0], strings.TrimSpace(want[0])) && reads(lines[1:], want[1:])
}

func matches(line, want string) bool {
	parts := strings.Split(want, dots)
	if !strings.HasPrefix(line, parts[0]) {
		return false
	}
	for i, part := range parts {
		at := strings.Index(line, part)
		if i > 0 && i == len(parts)-1 && part != "" {
			return strings.HasSuffix(line, part)
		}
		if at < 0 {
			return false
		}
		line = line[at+len(part):]
	}
	return line == "" || len(parts) > 1
}

// fromSlack reads a message of an incoming webhook.
func fromSlack(_ *http.Request, body []byte) (key, text string, err error) {
	var m struct {
		Text        string `json:"text"`
		Attachments []struct {
			Blocks []struct {
				Text     *struct{ Text string }
				Fields   []struct{ Text string }
				Elements []struct{ Text string }
			}
		} `json:"attachments"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return "", "", err
	}
	lines := []string{strings.Trim(m.Text, "*")}
	for _, a := range m.Attachments {
		for _, b := range a.Blocks {
			if b.Text != nil {
				lines = append(lines, strings.Split(b.Text.Text, "\n")...)
			}
			for _, f := range b.Fields {
				lines = append(lines, strings.ReplaceAll(strings.Replace(f.Text, "*\n", ": ", 1), "*", ""))
			}
			for _, e := range b.Elements {
				key = e.Text
			}
		}
	}
	text = strings.NewReplacer("&gt;", ">", "&lt;", "<", "&amp;", "&").Replace(strings.Join(lines, "\n"))
	return key, text, nil
}

// fromPagerDuty reads an event of the Events API v2.
func fromPagerDuty(_ *http.Request, body []byte) (key, text string, err error) {
	var m struct {
		Action  string `json:"event_action"`
		Payload struct {
			Summary  string `json:"summary"`
			Severity string `json:"severity"`
		} `json:"payload"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return "", "", err
	}
	text = m.Action
	if m.Payload.Summary != "" {
		text += " " + m.Payload.Severity + ": " + m.Payload.Summary
	}
	return string(body), text, nil
}

// fromTracker reads what a tracker is told of a task: by the story's own template, or
// as labels of an issue of GitHub. What it says again at once it said before.
func fromTracker() func(r *http.Request, body []byte) (key, text string, err error) {
	last := map[string]string{} // by task
	return func(r *http.Request, body []byte) (key, text string, err error) {
		if r.Method == http.MethodDelete {
			return "", "", nil // a label that the issue has no more
		}
		var m struct {
			Status string   `json:"status"`
			Labels []string `json:"labels"`
		}
		if err := json.Unmarshal(body, &m); err != nil {
			return "", "", err
		}
		word := m.Status + strings.Join(m.Labels, ", ")
		if last[r.URL.Path] == word {
			return "", "", nil
		}
		last[r.URL.Path] = word
		return "", r.URL.Path + ": " + word, nil
	}
}
