package route

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"
)

// entry is a rule in the form that requests are matched by.
type entry struct {
	host     string // lower case, without the `*.`
	wildcard bool
	path     string // without a final slash; empty: any
	methods  []string
	headers  []header
}

type header struct{ name, value string }

// RuleError is a rule that no request could match, or that leads nowhere.
type RuleError struct {
	Rule    Rule
	Problem error
}

// Error names the service and the rule.
func (e *RuleError) Error() string {
	return fmt.Sprintf("cannot route %s of service %q: %v", e.Rule, e.Rule.serviceName(), e.Problem)
}

// Unwrap returns the problem.
func (e *RuleError) Unwrap() error { return e.Problem }

// TieError is two rules of which neither is narrower than the other, although
// one request could match both.
type TieError struct{ First, Second Rule }

// Error names both rules, both services and what to do.
func (e *TieError) Error() string {
	return fmt.Sprintf("cannot choose between %s of service %q and %s of service %q: both match the same requests; "+
		"give one of them another host, a longer path, methods or more headers",
		e.First, e.First.serviceName(), e.Second, e.Second.serviceName())
}

// String returns r as in an error message.
func (r Rule) String() string {
	text := "route " + cmp.Or(r.Host, "*") + cmp.Or(r.Path, "/")
	if len(r.Methods) > 0 {
		text += " methods " + strings.Join(r.Methods, ",")
	}
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		text += fmt.Sprintf(" header %s: %s", name, r.Headers[name])
	}
	return text
}

func (r Rule) serviceName() string {
	if r.Route == nil || r.Route.Service == nil {
		return ""
	}
	return r.Route.Service.Name
}

func newEntry(rule Rule) (*entry, error) {
	e := &entry{methods: rule.Methods}
	if rule.Route == nil || rule.Route.Service == nil {
		return nil, errors.New("it leads to no service")
	}
	var err error
	if e.host, e.wildcard, err = parseHost(rule.Host); err != nil {
		return nil, err
	}
	if rule.Path != "" && rule.Path[0] != '/' || strings.ContainsAny(rule.Path, "?# \t\r\n") {
		return nil, fmt.Errorf("path %q must begin with a slash and have no query, fragment or space", rule.Path)
	}
	e.path = strings.TrimSuffix(rule.Path, "/")
	if slices.Contains(rule.Methods, "") {
		return nil, errors.New("one of its methods is empty")
	}
	for name, value := range rule.Headers {
		if name == "" {
			return nil, errors.New("one of its headers has no name")
		}
		e.headers = append(e.headers, header{textproto.CanonicalMIMEHeaderKey(name), value})
	}
	slices.SortFunc(e.headers, func(a, b header) int { return cmp.Compare(a.name, b.name) })
	for i := 1; i < len(e.headers); i++ {
		if e.headers[i].name == e.headers[i-1].name {
			return nil, fmt.Errorf("header %s is there twice", e.headers[i].name)
		}
	}
	return e, nil
}

// parseHost returns the name of a rule's host as appendHost writes it.
func parseHost(text string) (name string, wildcard bool, err error) {
	if text == "" {
		return "", false, nil
	}
	if ip, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil && ip.Is6() {
		return "[" + ip.String() + "]", false, nil
	}
	name, wildcard = strings.CutPrefix(text, "*.")
	normal := string(appendHost(nil, []byte(name)))
	if normal == "" || normal != strings.TrimSuffix(strings.ToLower(name), ".") || strings.ContainsAny(name, "*/@[] \t\r\n") {
		return "", false, fmt.Errorf("host %q must be a name, an address or *. and a name, without a port", text)
	}
	return normal, wildcard, nil
}

// matches reports whether a request that came to e's host and path has one of
// its methods and all of its headers.
func (e *entry) matches(q *Request) bool {
	if len(e.methods) > 0 && !contains(e.methods, q.Method) {
		return false
	}
	for i := range e.headers {
		h := &e.headers[i]
		if q.Header == nil {
			return false
		}
		if value := q.Header(h.name); value == nil || string(value) != h.value {
			return false
		}
	}
	return true
}

// narrower orders the entries of one host and path.
func narrower(a, b *entry) int {
	return cmp.Or(
		cmp.Compare(min(len(b.methods), 1), min(len(a.methods), 1)),
		cmp.Compare(len(b.headers), len(a.headers)),
	)
}

// ties reports whether one request could match both e and o, of one host and
// path, while neither is narrower.
func (e *entry) ties(o *entry) bool {
	if narrower(e, o) != 0 {
		return false
	}
	if len(e.methods) > 0 && !slices.ContainsFunc(e.methods, func(m string) bool { return slices.Contains(o.methods, m) }) {
		return false
	}
	for _, h := range e.headers {
		for _, other := range o.headers {
			if h.name == other.name && h.value != other.value {
				return false
			}
		}
	}
	return true
}

func contains(methods []string, method []byte) bool {
	for _, m := range methods {
		if m == string(method) {
			return true
		}
	}
	return false
}
