// Package template fills fields such as {{task.id}} into texts that go to other
// systems: paths, headers, bodies. It is pure.
//
// Threat: what is filled in is foreign. The id of a task comes from whoever writes
// commits, and the call that it ends up in carries a credential. So a value is
// escaped for the very place where it stands, and can neither leave it nor be
// empty where that would name something else: no other path, no other parameter,
// no second header, no other field of JSON. A value that cannot stand somewhere is
// an error for whoever asked, never a request.
package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Place is what a text is a part of.
type Place int

// Places. In a URL, which is a path with perhaps a query, what is escaped how
// follows from where it stands; so it does in JSON.
const (
	Text   Place = iota // nothing is escaped; control characters become spaces
	URL                 // a path, from its first slash on, and perhaps a query
	Header              // the value of a header field
	JSON                // in strings, or for numbers outside of them
	Form                // application/x-www-form-urlencoded
)

// Errors of Check and Fill that callers tell apart.
var (
	ErrField = errors.New("no such field")    // an unknown field
	ErrForm  = errors.New("malformed")        // of the template
	ErrValue = errors.New("cannot be filled") // of a value in its place
)

// part is literal text, or a field.
type part struct {
	text  string
	field bool
}

func parse(s string) ([]part, error) {
	var parts []part
	for s != "" {
		before, rest, open := strings.Cut(s, "{{")
		if before != "" {
			parts = append(parts, part{text: before})
		}
		if !open {
			break
		}
		name, after, closed := strings.Cut(rest, "}}")
		if !closed || strings.Contains(name, "{{") {
			return nil, fmt.Errorf("%w: {{ is not closed", ErrForm)
		}
		parts = append(parts, part{text: strings.TrimSpace(name), field: true})
		s = after
	}
	return parts, nil
}

// Fields are those that a text names, in order. A malformed text has none.
func Fields(s string) []string {
	parts, _ := parse(s)
	var names []string
	for _, p := range parts {
		if p.field {
			names = append(names, p.text)
		}
	}
	return names
}

// Check fills in awkward values, so that what is wrong with a text shows before
// it is used. Known are the fields; true: it is a number.
func Check(s string, place Place, known map[string]bool) error {
	for _, sample := range []string{`"a\"b/c?d&e=f%;` + "\r\n\u2028}", "1"} {
		values := make(map[string]string, len(known))
		for name, number := range known {
			if values[name] = sample; number {
				values[name] = "7"
			}
		}
		if _, err := Fill(s, place, values); err != nil {
			return err
		}
	}
	return nil
}

// Fill returns s with its fields replaced. The error says which one, and never
// shows a value.
func Fill(s string, place Place, values map[string]string) (string, error) {
	parts, err := parse(s)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	w := writer{place: place}
	for _, p := range parts {
		if !p.field {
			w.literal(p.text)
			out.WriteString(p.text)
			continue
		}
		value, ok := values[p.text]
		if !ok {
			return "", fmt.Errorf("%w: {{%s}}", ErrField, p.text)
		}
		escaped, err := w.value(strings.ToValidUTF8(value, "\uFFFD"))
		if err != nil {
			return "", fmt.Errorf("{{%s}}: %w", p.text, err)
		}
		out.WriteString(escaped)
	}
	filled := out.String()
	if place == Header {
		filled = strings.TrimSpace(filled)
	}
	return filled, whole(filled, place)
}

// writer knows where in its text it is.
type writer struct {
	place   Place
	query   bool // of a URL: behind its question mark
	quoted  bool // of JSON: in a string
	escaped bool // of JSON: behind a backslash
}

func (w *writer) literal(s string) {
	switch w.place {
	case URL:
		w.query = w.query || strings.Contains(s, "?")
	case JSON:
		for i := range len(s) {
			switch {
			case w.escaped:
				w.escaped = false
			case w.quoted && s[i] == '\\':
				w.escaped = true
			case s[i] == '"':
				w.quoted = !w.quoted
			}
		}
	}
}

func (w *writer) value(v string) (string, error) {
	switch {
	case w.place == URL && w.query, w.place == Form:
		return url.QueryEscape(v), nil
	case w.place == URL:
		if v == "" {
			return "", fmt.Errorf("%w: it is empty, and the path would be another", ErrValue)
		}
		return url.PathEscape(v), nil
	case w.place == JSON && w.escaped:
		return "", fmt.Errorf("%w: it stands behind a backslash", ErrForm)
	case w.place == JSON && w.quoted:
		return inString(v), nil
	case w.place == JSON:
		if !isNumber(v) {
			return "", fmt.Errorf("%w: it is no number; put it in quotes", ErrValue)
		}
		return v, nil
	}
	return strings.Map(printable, v), nil
}

// inString is v as it stands between the quotes of a string of JSON.
func inString(v string) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("BUG: cannot encode a string: %v", err))
	}
	quoted := bytes.TrimSpace(out.Bytes())
	return string(quoted[1 : len(quoted)-1])
}

func isNumber(v string) bool {
	var n json.Number
	return v != "" && v[0] != '"' && json.Unmarshal([]byte(v), &n) == nil && n.String() == v
}

func printable(r rune) rune {
	if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r == utf8.RuneError {
		return ' '
	}
	return r
}

// whole says what is wrong with a text that has its values.
func whole(s string, place Place) error {
	switch place {
	case URL:
		u, err := url.Parse(s)
		switch {
		case err != nil, !strings.HasPrefix(s, "/"), strings.HasPrefix(s, "//"), u.Fragment != "" || strings.Contains(s, "#"):
			return fmt.Errorf("%w: it is no path with perhaps a query", ErrForm)
		case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
			return fmt.Errorf("%w: it has a space or another byte that a path cannot have", ErrForm)
		}
		for segment := range strings.SplitSeq(u.Path, "/") {
			if segment == "." || segment == ".." {
				return fmt.Errorf("%w: the path would have a segment %q", ErrValue, segment)
			}
		}
	case JSON:
		if s != "" && !json.Valid([]byte(s)) {
			return fmt.Errorf("%w: the result is no JSON", ErrForm)
		}
	case Header:
		if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return fmt.Errorf("%w: it is no value of a header", ErrForm)
		}
	}
	return nil
}
