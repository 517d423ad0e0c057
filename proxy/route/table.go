// Package route holds what a request is routed by: the table that matches it to
// a service, the split that gives it a version, and the sticky key that keeps
// it there. Everything in a Table is immutable once it is published; picking
// takes no lock and allocates nothing. The package has no clock, goroutine,
// logger or I/O.
package route

import (
	"errors"
	"fmt"
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

	byName map[string]*Service

	// Flags are all flags in the order of their names.
	Flags []*Flag

	// hosts is keyed by the labels of a host, the last first. Its root holds the
	// rules for any host, as those below no name at all.
	hosts node[host]
}

// host holds the rules of one name.
type host struct {
	exact *node[[]*entry] // rules for the name itself, by segments of the path; nil: none
	below *node[[]*entry] // rules for the names below it
}

// maxHost is the length of the longest DNS name, and more than any address has.
const maxHost = 255

// NewTable compiles rules. Host decides before path, path before methods and
// methods before headers: see Match.
//
// It fails if a rule cannot match (*RuleError) or if two rules could match one
// request and neither is the narrower (*TieError); the error joins all of these.
func NewTable(revision int64, rules []Rule) (*Table, error) {
	t := &Table{Revision: revision, byName: make(map[string]*Service)}
	var problems []error
	for _, rule := range rules {
		e, err := newEntry(rule)
		if err != nil {
			problems = append(problems, &RuleError{Rule: rule, Problem: err})
			continue
		}
		at := t.place(e)
		for _, other := range at.value {
			if e.ties(other) {
				problems = append(problems, &TieError{First: other.rule, Second: rule})
			}
		}
		at.value = append(at.value, e)
		slices.SortStableFunc(at.value, narrower)
		if err := t.list(rule.Route.Service); err != nil {
			problems = append(problems, &RuleError{Rule: rule, Problem: err})
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	t.hosts.seal(func(h *host) {
		for _, paths := range []*node[[]*entry]{h.exact, h.below} {
			if paths != nil {
				paths.seal(func(*[]*entry) {})
			}
		}
	})
	return t, nil
}

// Match returns the route of a request, or nil. Of all rules that match, an
// exact host wins over a wildcard, the longer wildcard over the shorter, any
// wildcard over no host; then the longest path; then a rule with methods over
// one without; then the one with more headers.
func (t *Table) Match(q *Request) *Route {
	var buf [maxHost]byte
	at, whole := t.hosts.descendHost(appendHost(buf[:0], q.Host))
	if whole && at.parent != nil {
		if r := match(at.value.exact, q); r != nil {
			return r
		}
		at = at.parent // a wildcard wants one more label than its suffix has
	}
	for ; at != nil; at = at.parent {
		if r := match(at.value.below, q); r != nil {
			return r
		}
	}
	return nil
}

// Service returns the service of the given name, or nil. Not for the hot path.
func (t *Table) Service(name string) *Service { return t.byName[name] }

// Flag returns the flag of the given name, or nil.
func (t *Table) Flag(name string) *Flag {
	i, ok := slices.BinarySearchFunc(t.Flags, name, func(f *Flag, name string) int { return strings.Compare(f.Name, name) })
	if !ok {
		return nil
	}
	return t.Flags[i]
}

// match returns the route of the narrowest rule below paths, which may be nil.
func match(paths *node[[]*entry], q *Request) *Route {
	if paths == nil {
		return nil
	}
	for at := paths.descendPath(q.Path); at != nil; at = at.parent {
		for _, e := range at.value {
			if e.matches(q) {
				return e.rule.Route
			}
		}
	}
	return nil
}

// place returns the node that e belongs to, and makes it at first.
func (t *Table) place(e *entry) *node[[]*entry] {
	at := &t.hosts
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
		*paths = new(node[[]*entry])
	}
	below := *paths
	for path := e.path; path != ""; {
		var segment string
		segment, path = cutSegment(path)
		below = below.make(segment)
	}
	return below
}

// list adds s to the services unless it is there.
func (t *Table) list(s *Service) error {
	switch known := t.Service(s.Name); {
	case known == s:
	case known != nil:
		return fmt.Errorf("there are two services named %q", s.Name)
	default:
		t.Services = append(t.Services, s)
		t.byName[s.Name] = s
	}
	return nil
}
