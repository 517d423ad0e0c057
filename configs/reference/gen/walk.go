package main

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/configs/reference"
)

// kinds are the documents that are described, in the order of the pages.
func kinds() []any {
	return []any{configs.Node{}, configs.Service{}, configs.Rollout{}, configs.Notifier{}, configs.Freeze{}, configs.Flag{}, configs.Release{}, configs.Migration{}}
}

// walker lists the fields of documents as the decoder sees them.
type walker struct {
	comments comments
	samples  *samples
	fields   []reference.Field
}

// fieldsOf describes all kinds. Folder holds the sources of package configs,
// sampled the documents that examples are taken from.
func fieldsOf(folder string, sampled []configs.Document) ([]reference.Field, error) {
	c, err := readComments(folder)
	if err != nil {
		return nil, err
	}
	w := &walker{comments: c, samples: newSamples(sampled)}
	for _, kind := range kinds() {
		t := reflect.TypeOf(kind)
		path := strings.ToLower(t.Name())
		w.fields = append(w.fields, reference.Field{Path: path, Type: "object", Doc: forReaders(c[t.Name()], "", "", goNames(t))})
		w.object(t, path+".")
	}
	return w.fields, nil
}

func (w *walker) object(t reflect.Type, within string) {
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		out := reference.Field{Path: within + name, Type: typeName(f.Type), Needed: options == ""}
		doc := w.comments[t.Name()+"."+f.Name]
		inner, object := objectOf(f.Type)
		switch {
		case object:
			held := forReaders(w.comments[inner.Name()], inner.Name(), name, goNames(inner))
			if out.Type != "object" {
				held = strings.Replace(held, "`"+name+"`", "Each", 1)
			}
			doc = strings.TrimSpace(doc + "\n\n" + held)
		case !out.Needed:
			out.Default = defaultOf(forReaders(doc, "", "", goNames(t)))
		}
		out.Doc = forReaders(doc, f.Name, name, goNames(t))
		if !object {
			out.Example, out.Allowed = w.samples.of(out.Path)
		}
		w.fields = append(w.fields, out)
		if object {
			w.object(inner, out.Within())
		}
	}
}

// goNames are the document names of a struct's fields by their Go names, and
// those of the structs that it holds.
func goNames(t reflect.Type) map[string]string {
	names := map[string]string{}
	for f := range t.Fields() {
		names[f.Name], _, _ = strings.Cut(f.Tag.Get("json"), ",")
		if inner, ok := objectOf(f.Type); ok && inner != t {
			for g := range inner.Fields() {
				if _, taken := names[g.Name]; !taken {
					names[g.Name], _, _ = strings.Cut(g.Tag.Get("json"), ",")
				}
			}
		}
	}
	return names
}

// objectOf is the struct that a field holds: itself, by a pointer, in a list or
// as the values of a mapping.
func objectOf(t reflect.Type) (reflect.Type, bool) {
	for !isText(t) && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map) {
		t = t.Elem()
	}
	return t, !isText(t) && t.Kind() == reflect.Struct
}

// isText reports whether values of t are written as one text.
func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func typeName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[configs.Duration]():
		return "duration"
	case reflect.TypeFor[configs.Weight]():
		return "percentage"
	case reflect.TypeFor[analysis.Condition]():
		return "condition"
	case reflect.TypeFor[configs.FlagValue]():
		return "any value"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Slice:
		return "list of " + typeName(t.Elem())
	case reflect.Map:
		return "mapping of NAME to " + typeName(t.Elem())
	case reflect.Struct:
		return "object"
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "whole number"
	}
	panic(fmt.Sprintf("BUG: gen: no name for %s", t))
}
