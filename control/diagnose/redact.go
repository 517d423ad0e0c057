package diagnose

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// redacted stands where something was taken out.
const redacted = "[redacted]"

// redactor takes secrets out of what leaves the node.
//
// Threat: a bundle is mailed to strangers. Nothing of weir's documents is meant
// to hold a secret, and people put them there all the same: a password in a URL,
// a key in a header. So what is known to be harmless stays (names, numbers,
// hosts), and whatever may be a secret goes: all of a URL behind its host, all
// values of headers and bodies, what was before and after a change, whatever
// stands behind a word like token, and every key of the state.
type redactor struct {
	urls, schemes, named, tokens, keys *regexp.Regexp
}

func newRedactor() *redactor {
	return &redactor{
		keys:    regexp.MustCompile(`-----BEGIN [A-Z0-9 ]*(?:PRIVATE KEY|CERTIFICATE)-----[\s\S]*?(?:-----END [A-Z0-9 ]*-----|$)`),
		urls:    regexp.MustCompile(`\b[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>\\` + "`" + `]+`),
		schemes: regexp.MustCompile(`(?i)\b(bearer|basic|digest|negotiate)\s+[A-Za-z0-9._~+/=-]+`),
		named: regexp.MustCompile(`(?i)([A-Za-z0-9_-]*(?:password|passwd|secret|token|api[_-]?key|authorization|cookie|credential|routing[_-]?key|private[_-]?key)` +
			`[A-Za-z0-9_-]*["']?\s*[:=]\s*["']?)[^\s"',;&}\[]+`),
		tokens: regexp.MustCompile(`\bweir_[0-9a-f]{16,}|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9._-]+|\bxox[a-z]-[A-Za-z0-9-]+`),
	}
}

// text takes secrets out of text that anybody may have written.
func (r *redactor) text(s string) string {
	s = r.keys.ReplaceAllString(s, redacted)
	s = r.urls.ReplaceAllStringFunc(s, hostAlone)
	s = r.schemes.ReplaceAllString(s, "$1 "+redacted)
	s = r.named.ReplaceAllString(s, "${1}"+redacted)
	return r.tokens.ReplaceAllString(s, redacted)
}

// hostAlone keeps scheme and host of a URL: user, path and query may be secrets,
// as with Slack's webhooks.
func hostAlone(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		scheme, _, _ := strings.Cut(text, "://")
		return scheme + "://" + redacted
	}
	kept := u.Scheme + "://" + u.Host
	if u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		kept += "/" + redacted
	}
	return kept
}

// json takes secrets out of a value and encodes it for a reader.
func (r *redactor) json(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("cannot encode it: %w", err)
	}
	var plain any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber() // revisions are larger than a float holds
	if err := d.Decode(&plain); err != nil {
		return nil, fmt.Errorf("cannot read it back: %w", err)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(r.value("", plain)); err != nil {
		return nil, fmt.Errorf("cannot encode it: %w", err)
	}
	return out.Bytes(), nil
}

// line takes secrets out of a line of the log, which is JSON.
func (r *redactor) line(line []byte) []byte {
	var fields map[string]any
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if err := d.Decode(&fields); err != nil {
		return []byte(r.text(string(bytes.TrimSpace(line)))) // it was cut
	}
	out, err := json.Marshal(r.value("", fields))
	if err != nil {
		panic(fmt.Sprintf("BUG: what was JSON does not encode: %v", err))
	}
	return out
}

// value takes secrets out of a value that stands under a name.
func (r *redactor) value(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			switch {
			case secretName(key):
				v[key] = emptied(inner)
			case changesName(key):
				v[key] = fieldsAlone(inner)
			default:
				v[key] = r.value(key, inner)
			}
		}
	case []any:
		for i := range v {
			v[i] = r.value(name, v[i])
		}
	case string:
		return r.text(v)
	}
	return v
}

// secretName reports whether what stands under a name may be a secret, or is
// what people send: values of headers, bodies.
func secretName(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case "header", "headers", "set", "add", "body", "contains", "meta", "values", "variants", "username":
		return true
	}
	if strings.HasSuffix(name, "_file") || strings.HasSuffix(name, "file") {
		return false // the name of a file
	}
	for _, part := range []string{"token", "secret", "password", "passwd", "credential", "authorization", "salt", "signature"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// emptied keeps the form of a value and the names in it.
func emptied(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			v[key] = emptied(inner)
		}
	case []any:
		for i := range v {
			v[i] = emptied(v[i])
		}
	case string:
		if v != "" {
			return redacted
		}
	}
	return v
}

func changesName(name string) bool { return strings.EqualFold(name, "changes") }

// fieldsAlone keeps which fields changed: `path: before → after` without both.
func fieldsAlone(v any) any {
	list, ok := v.([]any)
	if !ok {
		return emptied(v)
	}
	for i := range list {
		text, _ := list[i].(string)
		field, _, found := strings.Cut(text, ": ")
		if !found {
			list[i] = redacted
			continue
		}
		list[i] = field
	}
	return list
}
