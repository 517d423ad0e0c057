package configs

import (
	"fmt"
	"reflect"
	"slices"
)

// flattener rewrites the spellings of stages into the flat one before they are
// decoded. Positions and paths stay those of what was written.
type flattener struct {
	problems Problems
}

func (f *flattener) fail(n *node, shown, hint, format string, args ...any) {
	f.problems = append(f.problems, Problem{Line: n.line, Column: n.column, Path: shown, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// rollout returns root with flat stages.
func (f *flattener) rollout(root *node) *node {
	out := *root
	out.entries = slices.Clone(root.entries)
	for i, e := range out.entries {
		if e.key.text != "stages" || e.value.kind != listNode {
			continue
		}
		list := *e.value
		list.items = nil
		for at, stage := range e.value.items {
			list.items = append(list.items, f.stage(stage, item("stages", at))...)
		}
		out.entries[i].value = &list
	}
	return &out
}

// stage returns the flat stages that one item of the list stands for.
func (f *flattener) stage(n *node, shown string) []*node {
	body, name := n, ""
	if n.kind == dictNode && len(n.entries) == 1 && n.entries[0].value.kind == dictNode {
		key := n.entries[0].key.text
		if !slices.Contains(append(fieldNames(reflect.TypeFor[Stage]()), "check", "weights", "duration_each"), key) {
			body, name = n.entries[0].value, key
			shown = field(shown, key)
		}
	}
	if body.kind != dictNode {
		return []*node{n.as(shown)}
	}
	flat := body.as(shown)
	flat.entries = f.checks(body.entries, shown)
	if name != "" && body.get("name") == nil {
		at := n.entries[0].key
		flat.entries = append(flat.entries, entry{at.called("name"), at.as(shown)})
	}
	if body.get("weights") == nil && body.get("duration_each") == nil {
		return []*node{flat}
	}
	return f.expand(flat, name, shown)
}

// checks joins `check` (once or more) and `checks` into one list.
func (f *flattener) checks(entries []entry, shown string) []entry {
	var out []entry
	var list *node
	for _, e := range entries {
		name := e.key.text
		if name != "check" && name != "checks" {
			out = append(out, e)
			continue
		}
		if list == nil {
			list = e.value.as(field(shown, name))
			list.kind, list.items, list.entries = listNode, nil, nil
			out = append(out, entry{e.key.called("checks"), list})
		}
		if e.value.kind != listNode {
			list.items = append(list.items, e.value.as(field(shown, name)))
			continue
		}
		for i, check := range e.value.items {
			list.items = append(list.items, check.as(item(field(shown, name), i)))
		}
	}
	return out
}

// expand makes one stage of each of `weights`, `duration_each` long.
func (f *flattener) expand(flat *node, name, shown string) []*node {
	weights, each := flat.get("weights"), flat.get("duration_each")
	switch {
	case weights == nil:
		f.fail(each, field(shown, "duration_each"), "write duration, or add weights", "duration_each belongs to a list of weights")
		return nil
	case weights.kind != listNode || len(weights.items) == 0:
		f.fail(weights, field(shown, "weights"), "write a list such as [10%, 50%, 100%]", "%s is no list of weights", weights.literal())
		return nil
	case each == nil:
		f.fail(weights, shown, "write duration_each: 30m", "it has weights but no duration_each")
		return nil
	}
	for _, other := range []string{"weight", "duration"} {
		if extra := flat.get(other); extra != nil {
			f.fail(extra, field(shown, other), fmt.Sprintf("remove %s", other), "%s cannot stand beside weights", other)
			return nil
		}
	}
	var stages []*node
	for i, weight := range weights.items {
		stage := *flat
		stage.entries = []entry{
			{weights.called("weight"), weight.as(item(field(shown, "weights"), i))},
			{each.called("duration"), each.as(field(shown, "duration_each"))},
		}
		for _, e := range flat.entries {
			switch e.key.text {
			case "weights", "duration_each":
			case "name":
				numbered := *e.value
				numbered.text = fmt.Sprintf("%s %d/%d", e.value.text, i+1, len(weights.items))
				stage.entries = append(stage.entries, entry{e.key, &numbered})
			default:
				stage.entries = append(stage.entries, e)
			}
		}
		stages = append(stages, &stage)
	}
	return stages
}

// as is a copy of n that problems show under another path.
func (n *node) as(shown string) *node {
	out := *n
	out.shown = shown
	return &out
}

// called is a key at the place of n.
func (n *node) called(name string) *node {
	return &node{kind: textNode, line: n.line, column: n.column, text: name}
}
