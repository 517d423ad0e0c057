package compile

import (
	"cmp"
	"errors"
	"slices"

	"github.com/weirproxy/weir/proxy/route"
)

// table routes the services. One that ties with another gives way to the one
// whose document is older, and falls back on its last good form.
func (b *builder) table() *route.Table {
	for {
		b.sort()
		rules := b.rules()
		var table *route.Table
		var err error
		if last := b.Last.table; last != nil {
			table, err = last.Next(b.Revision, rules)
		} else {
			table, err = route.NewTable(b.Revision, rules)
		}
		if err == nil {
			return table
		}
		b.giveWay(err)
	}
}

// sort orders the services, those of the least recently changed document first.
// It begins with the order of the last Build, which is right but for a few.
func (b *builder) sort() {
	order := make([]*built, 0, len(b.built.services))
	for _, last := range b.Last.order {
		if s := b.built.services[last.service.Name]; s != nil {
			order = append(order, s)
		}
	}
	for name, s := range b.built.services {
		if b.Last.services[name] == nil {
			order = append(order, s)
		}
	}
	slices.SortFunc(order, func(x, y *built) int {
		return cmp.Or(cmp.Compare(x.source.ModRevision, y.source.ModRevision), cmp.Compare(x.service.Name, y.service.Name))
	})
	b.built.order = order
}

// rules returns the rules of all services in their order.
func (b *builder) rules() []route.Rule {
	n := 0
	for _, s := range b.built.order {
		n += len(s.rules) + len(s.previews)
	}
	rules := make([]route.Rule, 0, n)
	for _, s := range b.built.order {
		rules = append(rules, s.rules...)
		if !s.hidden {
			rules = append(rules, s.previews...)
		}
	}
	return rules
}

// giveWay takes the services that err blames out of their present form.
func (b *builder) giveWay(err error) {
	blamed := make(map[string]error)
	var ties []*route.TieError
	for _, problem := range problems(err) {
		if b.hide(problem) {
			continue
		}
		if rule, ok := errors.AsType[*route.RuleError](problem); ok {
			blamed[rule.Rule.Route.Service.Name] = problem
		} else if tie, ok := errors.AsType[*route.TieError](problem); ok {
			ties = append(ties, tie)
		} else {
			panic("BUG: cannot tell whom a table's error is about: " + problem.Error())
		}
	}
	for _, tie := range ties {
		// The rules are in the order of their documents, and so are the ties: by
		// now it is known whether the older one gives way itself.
		older, newer := tie.First.Route.Service.Name, tie.Second.Route.Service.Name
		if blamed[older] == nil || older == newer {
			blamed[newer] = tie
		}
	}
	for name, problem := range blamed {
		b.demote(name, problem)
	}
}

// hide takes the previews of a service out if the problem is one of theirs: no
// user's route gives way to a preview, nor goes down with it.
func (b *builder) hide(problem error) bool {
	name := ""
	for _, rule := range rulesOf(problem) {
		if rule.Route.Forced != nil {
			name = rule.Route.Service.Name
		}
	}
	if name == "" {
		return false
	}
	if s := b.built.services[name]; !s.hidden {
		kept := *s // not the shared one: that may say nothing of a refusal
		kept.hidden, kept.refused = true, "there is no preview: "+problem.Error()
		b.built.services[name] = &kept
		b.refused[name] = kept.refused
	}
	return true
}

// rulesOf are the rules that a table's error is about.
func rulesOf(problem error) []route.Rule {
	if rule, ok := errors.AsType[*route.RuleError](problem); ok {
		return []route.Rule{rule.Rule}
	}
	if tie, ok := errors.AsType[*route.TieError](problem); ok {
		return []route.Rule{tie.First, tie.Second}
	}
	return nil
}

// demote replaces a service by its last good form, or takes it out.
func (b *builder) demote(name string, why error) {
	s, last := b.built.services[name], b.Last.services[name]
	delete(b.built.services, name)
	if last == nil || last.source.ModRevision == s.source.ModRevision {
		b.refused[name] = why.Error()
		return
	}
	if kept := b.lastGood(name, s.state, why); kept != nil {
		b.built.services[name] = kept
	}
}

// problems returns the parts of a joined error.
func problems(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
