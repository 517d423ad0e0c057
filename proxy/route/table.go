// Package route holds what a request is routed by: the table that matches it to
// a service, the split that gives it a version, and the sticky key that keeps
// it there. Everything in a Table is immutable once it is published; picking
// takes no lock and allocates nothing. The package has no clock, goroutine,
// logger or I/O.
package route

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Table is a node's routing at one revision. Immutable and safe for concurrent
// use.
type Table struct {
	// Revision is that of the state which the table was compiled from.
	Revision int64

	// Services are all that a rule leads to, in the order of the rules.
	Services []*Service

	// Flags are all flags in the order of their names.
	Flags []*Flag

	routes []*Route // in the order of the rules, which the matcher knows by their places
	*matcher
}

// matcher finds the rule of a request. It knows nothing of where the rules lead,
// so that tables which differ in that alone share it. Immutable once it is made.
type matcher struct {
	rules    []Rule         // that it was made of, without their routes
	services []int          // by rule: which of Table.Services it leads to
	byName   map[string]int // services by their place in Table.Services

	// hosts is keyed by the labels of a host, the last first. Its root holds the
	// rules for any host, as those below no name at all.
	hosts node[host]
}

// host holds the rules of one name.
type host struct {
	exact *node[[]placed] // rules for the name itself, by segments of the path; nil: none
	below *node[[]placed] // rules for the names below it
}

// placed is an entry with the index of its rule.
type placed struct {
	*entry
	index int
}

// maxHost is the length of the longest DNS name, and more than any address has.
const maxHost = 255

// NewTable compiles rules. Host decides before path, path before methods and
// methods before headers: see Match.
//
// It fails if a rule cannot match (*RuleError) or if two rules could match one
// request and neither is the narrower (*TieError); the error joins all of these.
func NewTable(revision int64, rules []Rule) (*Table, error) {
	t := &Table{Revision: revision, matcher: &matcher{rules: slices.Clone(rules), byName: make(map[string]int)}}
	var problems []error
	for i, rule := range rules {
		e := rule.prepared
		if e == nil || rule.Route == nil {
			var err error
			if e, err = newEntry(rule); err != nil {
				problems = append(problems, &RuleError{Rule: rule, Problem: err})
				continue
			}
		}
		at := t.place(e)
		for _, other := range at.value {
			if e.ties(other.entry) {
				problems = append(problems, &TieError{First: rules[other.index], Second: rule})
			}
		}
		at.value = append(at.value, placed{e, i})
		slices.SortStableFunc(at.value, func(a, b placed) int { return narrower(a.entry, b.entry) })
		if err := t.list(rule.Route); err != nil {
			problems = append(problems, &RuleError{Rule: rule, Problem: err})
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	for i := range t.rules {
		t.rules[i].Route, t.rules[i].prepared = nil, nil // routes come and go; this stays
	}
	t.hosts.seal(func(h *host) {
		for _, paths := range []*node[[]placed]{h.exact, h.below} {
			if paths != nil {
				paths.seal(func(*[]placed) {})
			}
		}
	})
	return t, nil
}

// Next is NewTable for the rules of a later revision. If they match the same
// requests as those of t in the same order, and lead to services of the same
// names, the two tables share how they match. That is so for most changes.
func (t *Table) Next(revision int64, rules []Rule) (*Table, error) {
	if next := t.redirected(revision, rules); next != nil {
		return next, nil
	}
	return NewTable(revision, rules)
}

// redirected is t with other routes. Nil: it takes another matcher.
func (t *Table) redirected(revision int64, rules []Rule) *Table {
	if len(rules) != len(t.rules) {
		return nil
	}
	next := &Table{Revision: revision, matcher: t.matcher, Services: make([]*Service, len(t.Services)), routes: make([]*Route, len(rules))}
	for i := range rules {
		route := rules[i].Route
		if route == nil || route.Service == nil || !rules[i].matchesLike(&t.rules[i]) {
			return nil
		}
		place, ok := t.services[i], false
		if known := next.Services[place]; known == nil {
			ok = route.Service.Name == t.Services[place].Name
		} else {
			ok = route.Service == known
		}
		if !ok {
			return nil
		}
		next.Services[place], next.routes[i] = route.Service, route
	}
	return next
}

// matchesLike reports whether r and o match the same requests for the same reasons.
func (r *Rule) matchesLike(o *Rule) bool {
	return r.Host == o.Host && r.Path == o.Path && slices.Equal(r.Methods, o.Methods) && maps.Equal(r.Headers, o.Headers)
}

// Match returns the route of a request, or nil. Of all rules that match, an
// exact host wins over a wildcard, the longer wildcard over the shorter, any
// wildcard over no host; then the longest path; then a rule with methods over
// one without; then the one with more headers.
func (t *Table) Match(q *Request) *Route {
	var buf [maxHost]byte
	at, whole := t.hosts.descendHost(appendHost(buf[:0], q.Host))
	if whole && at.parent != nil {
		if r := t.match(at.value.exact, q); r != nil {
			return r
		}
		at = at.parent // a wildcard wants one more label than its suffix has
	}
	for ; at != nil; at = at.parent {
		if r := t.match(at.value.below, q); r != nil {
			return r
		}
	}
	return nil
}

// Service returns the service of the given name, or nil. Not for the hot path.
func (t *Table) Service(name string) *Service {
	if i, ok := t.byName[name]; ok {
		return t.Services[i]
	}
	return nil
}

// Flag returns the flag of the given name, or nil.
func (t *Table) Flag(name string) *Flag {
	i, ok := slices.BinarySearchFunc(t.Flags, name, func(f *Flag, name string) int { return strings.Compare(f.Name, name) })
	if !ok {
		return nil
	}
	return t.Flags[i]
}

// match returns the route of the narrowest rule below paths, which may be nil.
func (t *Table) match(paths *node[[]placed], q *Request) *Route {
	if paths == nil {
		return nil
	}
	for at := paths.descendPath(q.Path); at != nil; at = at.parent {
		for _, e := range at.value {
			if e.matches(q) {
				return t.routes[e.index]
			}
		}
	}
	return nil
}

// place returns the node that e belongs to, and makes it at first.
func (m *matcher) place(e *entry) *node[[]placed] {
	at := &m.hosts
	for name := e.host; name != ""; {
		var label string
		name, label = cutLabel(name)
		at = at.make(label)
	}
	paths := &at.value.exact
	if e.wildcard || e.host == "" {
		paths = &at.value.below
	}
	if *paths == nil {
		*paths = new(node[[]placed])
	}
	below := *paths
	for path := e.path; path != ""; {
		var segment string
		segment, path = cutSegment(path)
		below = below.make(segment)
	}
	return below
}

// list adds a route, and its service unless that is there.
func (t *Table) list(r *Route) error {
	i, ok := t.byName[r.Service.Name]
	switch {
	case !ok:
		i = len(t.Services)
		t.Services = append(t.Services, r.Service)
		t.byName[r.Service.Name] = i
	case t.Services[i] != r.Service:
		return fmt.Errorf("there are two services named %q", r.Service.Name)
	}
	t.routes, t.services = append(t.routes, r), append(t.services, i)
	return nil
}
