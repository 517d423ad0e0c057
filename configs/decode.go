package configs

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/analysis"
)

// place is where a decoded field was written.
type place struct {
	line, column int
	shown        string // its path as written
}

// decoder fills Go values from a tree and collects what does not fit.
type decoder struct {
	problems Problems
	places   map[string]place // by canonical path

	// broken are the canonical paths that could not be decoded, whose values are
	// therefore zero and must not be complained about again.
	broken []string
}

// where is a field: its canonical path, and its path as it was written.
type where struct{ path, shown string }

func (w where) field(name string) where {
	return where{field(w.path, name), field(w.shown, name)}
}

func (w where) item(i int) where {
	return where{item(w.path, i), item(w.shown, i)}
}

func (d *decoder) fail(n *node, at where, hint, format string, args ...any) {
	d.broken = append(d.broken, at.path)
	d.problems = append(d.problems, Problem{Line: n.line, Column: n.column, Path: at.shown, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// value decodes n into v.
func (d *decoder) value(n *node, v reflect.Value, at where) {
	if n.shown != "" {
		at.shown = n.shown
	}
	d.places[at.path] = place{n.line, n.column, at.shown}
	switch n.kind {
	case absentNode:
		return
	case refusedNode:
		d.broken = append(d.broken, at.path)
		return
	case emptyNode:
		d.fail(n, at, "give it one, or remove the field", "it has no value")
		return
	}
	if value, ok := v.Addr().Interface().(*FlagValue); ok {
		d.flagValue(n, value, at)
		return
	}
	if text, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.text(n, text, at)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), at)
	case reflect.Struct:
		d.structure(n, v, at)
	case reflect.Map:
		d.mapping(n, v, at)
	case reflect.Slice:
		d.list(n, v, at)
	case reflect.String:
		if d.wants(textNode, n, at) {
			v.SetString(n.text)
		}
	case reflect.Bool:
		if n.kind != textNode || n.quoted || n.text != "true" && n.text != "false" {
			d.fail(n, at, "write true or false", "%s is not a truth value", n.literal())
			return
		}
		v.SetBool(n.text == "true")
	case reflect.Int, reflect.Int64:
		number, err := strconv.ParseInt(n.text, 10, v.Type().Bits())
		if n.kind != textNode || n.quoted || err != nil {
			d.fail(n, at, "write a number such as 3", "%s is not a whole number", n.literal())
			return
		}
		v.SetInt(number)
	default:
		panic(fmt.Sprintf("BUG: configs: no decoding into %s", v.Type()))
	}
}

// literal shows the value in a problem.
func (n *node) literal() string {
	if n.kind != textNode {
		return n.what()
	}
	if len(n.text) > 80 {
		return strconv.Quote(n.text[:80]) + "…"
	}
	return strconv.Quote(n.text)
}

func (d *decoder) wants(k kind, n *node, at where) bool {
	if n.kind == k {
		return true
	}
	hint := map[kind]string{textNode: "write a text", listNode: "write a list: [a, b]", dictNode: "write a mapping: {name: value}"}[k]
	if k == listNode && n.kind == textNode && len(n.text) < 80 {
		hint = fmt.Sprintf("write a list: [%s]", n.text)
	}
	d.fail(n, at, hint, "%s is wanted here, not %s", (&node{kind: k}).what(), n.literal())
	return false
}

func (d *decoder) text(n *node, into encoding.TextUnmarshaler, at where) {
	if !d.wants(textNode, n, at) {
		return
	}
	err := into.UnmarshalText([]byte(n.text))
	var value *valueError
	var condition *analysis.ConditionError
	switch {
	case err == nil:
	case errors.As(err, &value):
		d.fail(n, at, value.remedy, "%s", value.text)
	case errors.As(err, &condition):
		d.fail(n, at, condition.Remedy, "cannot parse condition %q: %s", condition.Input, condition.Problem)
	default:
		d.fail(n, at, "", "%v", err)
	}
}

func (d *decoder) list(n *node, v reflect.Value, at where) {
	if !d.wants(listNode, n, at) {
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
	for i, child := range n.items {
		d.value(child, v.Index(i), at.item(i))
	}
}

func (d *decoder) mapping(n *node, v reflect.Value, at where) {
	if !d.wants(dictNode, n, at) {
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.entries)))
	for _, e := range n.entries {
		under := at.field(e.key.text)
		key := reflect.ValueOf(e.key.text)
		if v.MapIndex(key).IsValid() {
			d.duplicate(e, under)
			continue
		}
		element := reflect.New(v.Type().Elem()).Elem()
		d.entry(e, element, under)
		v.SetMapIndex(key, element)
	}
}

// entry decodes the value of one key. A value that begins on a later line is
// found at its key.
func (d *decoder) entry(e entry, v reflect.Value, at where) {
	d.value(e.value, v, at)
	if found := d.places[at.path]; e.key.line < e.value.line && e.value.shown == "" {
		d.places[at.path] = place{e.key.line, e.key.column, found.shown}
	}
}

func (d *decoder) structure(n *node, v reflect.Value, at where) {
	if !d.wants(dictNode, n, at) {
		return
	}
	names := fieldNames(v.Type())
	seen := make(map[string]bool, len(n.entries))
	for _, e := range n.entries {
		name := e.key.text
		under := at.field(name)
		i := slices.Index(names, name)
		switch {
		case i < 0:
			d.unknown(n, e, names, at)
		case seen[name]:
			d.duplicate(e, under)
		default:
			seen[name] = true
			d.entry(e, v.Field(i), under)
		}
	}
}

func (d *decoder) duplicate(e entry, at where) {
	first := d.places[at.path]
	d.fail(e.key, at, "keep one of them", "the key %q stands here a second time; the first is on line %d", e.key.text, first.line)
}

// unknown reports a field that does not exist, with the one that was meant if
// there is one. That one then counts as broken: it is not missing as well.
func (d *decoder) unknown(n *node, e entry, names []string, at where) {
	name := e.key.text
	meant := nearest(name, names)
	hint := "the fields here are " + oneOf(names)
	if meant != "" {
		hint = fmt.Sprintf("did you mean %s?", meant)
	}
	under := at.field(name)
	d.fail(e.key, under, hint, "there is no field %s", e.key.literal())
	if meant != "" && n.get(meant) == nil {
		d.broken = append(d.broken, at.field(meant).path)
	}
}

// fieldNames lists the document names of a struct's fields, in their order.
func fieldNames(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		names[i], _, _ = strings.Cut(t.Field(i).Tag.Get("json"), ",")
	}
	return names
}

// nearest returns the name that name was probably meant to be, or "".
func nearest(name string, names []string) string {
	best, bestDistance := "", min(max(len(name)/3, 1), 3)+1
	if len(name) > 64 {
		return ""
	}
	for _, candidate := range names {
		distance := editDistance(strings.ToLower(strings.ReplaceAll(name, "-", "_")), candidate)
		if distance < bestDistance {
			best, bestDistance = candidate, distance
		}
	}
	return best
}

// editDistance counts the insertions, deletions, substitutions and swaps of
// neighbours that turn a into b.
func editDistance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
