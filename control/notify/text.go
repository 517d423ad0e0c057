package notify

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// sentence ends a text with a full stop, and begins it with a capital unless it
// begins with the name of a version or a rule.
func sentence(ev *Event, s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	first, _, _ := strings.Cut(s, " ")
	_, weighed := ev.Weights[first]
	if !weighed && first != ev.To && first != ev.From && strings.Trim(first, "abcdefghijklmnopqrstuvwxyz") == "" {
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	switch s[len(s)-1] {
	case '.', '!', '?':
		return s
	}
	return s + "."
}

// clip bounds what people wrote, and keeps it on one line.
func (m *Message) clip() {
	m.Title = line(m.Title, 250)
	for i := range m.Lines {
		m.Lines[i] = line(m.Lines[i], maxText)
	}
	for i := range m.Facts {
		m.Facts[i] = Fact{line(m.Facts[i].Name, 100), line(m.Facts[i].Value, maxText)}
	}
	for i := range m.Links {
		m.Links[i].Name = line(m.Links[i].Name, 100)
	}
	m.Facts = m.Facts[:min(len(m.Facts), 24)]
	m.Links = m.Links[:min(len(m.Links), 10)]
}

// line is s on one line, without control characters, at most n bytes long.
func line(s string, n int) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == '\u2028' || c == '\u2029' {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return clipped(s, n)
}

// clipped is s, or its beginning and an ellipsis, in at most n bytes.
func clipped(s string, n int) string {
	if len(s) <= n {
		return s
	}
	const ellipsis = "…"
	cut := n - len(ellipsis)
	for cut > 0 && s[cut]&0xC0 == 0x80 {
		cut--
	}
	return s[:cut] + ellipsis
}

// isLink reports whether a value of meta is an address to follow.
func isLink(value string) bool {
	u, err := url.Parse(value)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && !strings.ContainsAny(value, " \"<>|")
}

func links(meta map[string]string) []Link {
	var out []Link
	for _, name := range slices.Sorted(maps.Keys(meta)) {
		if isLink(meta[name]) {
			out = append(out, Link{Name: "View " + strings.ReplaceAll(name, "_", " "), URL: meta[name]})
		}
	}
	return out
}

// metaFacts is the rest of meta.
func metaFacts(meta map[string]string) []Fact {
	var out []Fact
	for _, name := range slices.Sorted(maps.Keys(meta)) {
		switch {
		case name == "by", name == "via", name == "environment", isLink(meta[name]), meta[name] == "":
		default:
			out = append(out, Fact{strings.ReplaceAll(name, "_", " "), meta[name]})
		}
	}
	return out
}
