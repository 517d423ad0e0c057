package configs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Document is one decoded document: exactly one of its pointers is set. It is
// as it was written; SetDefaults of the value it holds fills what was left out.
type Document struct {
	File string // as given to Decode
	Line int    // of its first field

	Node      *Node
	Service   *Service
	Rollout   *Rollout
	Notifier  *Notifier
	Freeze    *Freeze
	Flag      *Flag
	Release   *Release
	Migration *Migration

	places map[string]place
}

// Decode reads the documents of one file, YAML or JSON, strictly: every field
// must exist, every value must be meant for it, and every document must be
// valid. The error is Problems, with all that is wrong; then no document is
// returned. File only names the input in problems. At most 1 MiB is read.
func Decode(file string, data []byte) ([]Document, error) {
	return decode(file, "", data)
}

// DecodeOne reads an input that holds exactly one document of a known kind, as
// Decode does. The field `kind` may be left out.
func DecodeOne(file string, kind Kind, data []byte) (Document, error) {
	documents, err := decode(file, kind, data)
	if err != nil {
		return Document{}, err
	}
	if len(documents) > 1 {
		return Document{}, Problems{{File: file, Line: documents[1].Line, Column: 1,
			Text: fmt.Sprintf("there are %d documents here", len(documents)), Hint: fmt.Sprintf("give one document of kind %s", kind)}}
	}
	return documents[0], nil
}

func decode(file string, kind Kind, data []byte) ([]Document, error) {
	roots, problems := parse(data)
	documents := make([]Document, 0, len(roots))
	for _, root := range roots {
		document, ps := decodeDocument(root, kind)
		problems = append(problems, ps...)
		document.File = file
		documents = append(documents, document)
	}
	problems = append(problems, duplicates(documents)...)
	if len(problems) == 0 {
		return documents, nil
	}
	problems.sort()
	if more := len(problems) - maxShown; more > 0 {
		problems = append(problems[:maxShown], Problem{Text: fmt.Sprintf("%d more problems are not shown", more), Hint: "mend these first"})
	}
	for i := range problems {
		problems[i].File = file
	}
	return nil, problems
}

func parse(data []byte) ([]*node, Problems) {
	if len(data) > maxInput {
		return nil, Problems{{Text: fmt.Sprintf("the input is too long: %d bytes", len(data)), Hint: fmt.Sprintf("split it into files of at most %d bytes", maxInput)}}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	var roots []*node
	var problems Problems
	if strings.HasPrefix(strings.TrimLeft(string(data[:min(len(data), 4096)]), " \t\r\n"), "{") && json.Valid(data) {
		roots, problems = parseJSON(data)
	} else {
		roots, problems = parseYAML(data)
	}
	if len(roots) == 0 && len(problems) == 0 {
		return nil, Problems{{Line: 1, Column: 1, Text: "there is no document here", Hint: "begin one with `kind: Service`"}}
	}
	return roots, problems
}

// decodeDocument decodes and validates one document. A kind that is given is
// the only one allowed.
func decodeDocument(root *node, kind Kind) (Document, Problems) {
	d := decoder{places: map[string]place{}}
	document := Document{Line: root.line, places: d.places}
	if root.kind == refusedNode || !d.wants(dictNode, root, where{}) {
		return document, d.problems
	}
	target := d.target(root, kind, &document)
	if target == nil {
		return document, d.problems
	}
	body := *root
	body.entries = slices.DeleteFunc(slices.Clone(root.entries), func(e entry) bool { return e.key.text == "kind" })
	if document.Rollout != nil {
		f := flattener{}
		body = *f.rollout(&body)
		if len(f.problems) > 0 {
			d.problems = append(d.problems, f.problems...)
			d.broken = append(d.broken, "stages")
		}
	}
	d.value(&body, reflect.ValueOf(target).Elem(), where{})
	if p := document.Rollout; p != nil && p.Flag != "" && p.Service == "" {
		p.Service = FlagService(p.Flag)
	}
	problems := d.problems
	for _, p := range document.check() {
		// A field that could not be decoded is not complained about a second time.
		known := slices.ContainsFunc(d.broken, func(path string) bool {
			return covers(path, p.Path) || p.Path != "" && covers(p.Path, path)
		})
		if !known {
			problems = append(problems, document.located(p))
		}
	}
	return document, problems
}

// target makes the value that the document's kind asks for, or reports why not.
func (d *decoder) target(root *node, wanted Kind, document *Document) any {
	kind, at := wanted, where{"kind", "kind"}
	var first *node
	for _, e := range root.entries {
		if e.key.text != "kind" {
			continue
		}
		if first != nil {
			d.fail(e.key, at, "keep one of them", "the key \"kind\" stands here a second time; the first is on line %d", first.line)
			continue
		}
		if first = e.value; first.kind == refusedNode || !d.wants(textNode, first, at) {
			return nil
		}
		if kind = Kind(first.text); wanted != "" && kind != wanted {
			d.fail(first, at, fmt.Sprintf("write kind: %s, or leave it out", wanted), "%s is not the kind that is wanted here", first.literal())
			return nil
		}
	}
	var names []string
	for _, k := range kinds() {
		if k.kind == kind {
			return k.make(document)
		}
		names = append(names, string(k.kind))
	}
	if kind == "" {
		d.fail(root, at, "write kind: "+oneOf(names), "the document does not say what it is")
		return nil
	}
	hint := "write " + oneOf(names)
	if i := slices.IndexFunc(names, func(k string) bool {
		return editDistance(strings.ToLower(k), strings.ToLower(string(kind[:min(len(kind), 64)]))) < 3
	}); i >= 0 {
		hint = fmt.Sprintf("did you mean %s?", names[i])
	}
	d.fail(first, at, hint, "there is no kind %s", first.literal())
	return nil
}

// duplicates reports documents of one kind with one name.
func duplicates(documents []Document) Problems {
	var problems Problems
	seen := map[[2]string]*Document{}
	for i := range documents {
		d := &documents[i]
		key := [2]string{string(d.Kind()), d.Name()}
		if d.Kind() == KindRollout || d.Name() == "" {
			continue
		}
		if first := seen[key]; first != nil {
			at := d.place("name")
			problems = append(problems, Problem{Line: at.line, Column: at.column, Path: at.shown,
				Text: fmt.Sprintf("there is another %s %q on line %d", d.Kind(), d.Name(), first.Line), Hint: "give it another name, or remove one"})
			continue
		}
		seen[key] = d
	}
	return problems
}

// check validates what the document holds; paths are canonical, without places.
func (d *Document) check() Problems {
	if v := d.Value(); v != nil {
		return v.Validate()
	}
	return nil
}

// Locate fills in file, line, column and the path as it was written of problems
// that a method of the held value returned (Validate, ValidateAgainst).
func (d *Document) Locate(problems Problems) Problems {
	out := make(Problems, len(problems))
	for i, p := range problems {
		out[i] = d.located(p)
	}
	out.sort()
	return out
}

func (d *Document) located(p Problem) Problem {
	at := d.place(p.Path)
	p.File, p.Line, p.Column, p.Path = d.File, at.line, at.column, at.shown
	return p
}

// place finds where a field was written: its own place, or that of the nearest
// field around it.
func (d *Document) place(path string) place {
	if at, ok := d.places[path]; ok {
		return at
	}
	for around := path; around != ""; {
		around = around[:max(strings.LastIndexAny(around, ".["), 0)]
		if at, ok := d.places[around]; ok {
			at.shown = field(at.shown, strings.TrimPrefix(path[len(around):], "."))
			if strings.HasPrefix(path[len(around):], "[") {
				at.shown = strings.Replace(at.shown, ".[", "[", 1)
			}
			return at
		}
	}
	return place{line: d.Line, column: 1, shown: path}
}
