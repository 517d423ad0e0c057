// Package reference tells what every field of a document is: its type, meaning,
// default and an example. `weir explain` and the pages of configs/examples print
// it. All of it is generated from the comments of package configs and from what
// its code does: see package gen.
package reference

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// generated is written by `make docs`.
//
//go:embed fields.json
var generated []byte

//go:embed schema.json
var schema []byte

// Field is one field of a document. A kind of document is the field at the root.
type Field struct {
	// Path begins with the kind in lower case: `service.versions.NAME.endpoints`.
	// NAME stands for any key of a mapping, [] for any item of a list.
	Path string `json:"path"`

	// Type is in words: `duration`, `list of text`, `mapping of NAME to object`.
	Type string `json:"type"`

	// Doc is what it means, in paragraphs with an empty line between them.
	Doc string `json:"doc"`

	// Needed says that a document without it is refused.
	Needed bool `json:"needed,omitempty"`

	// Default is what holds when it is left out. Empty for a field that is needed
	// and for an object, whose fields have theirs.
	Default string `json:"default,omitempty"`

	// Allowed are the only texts that it takes. Empty: any that its type allows.
	Allowed []string `json:"allowed,omitempty"`

	// Example is the field as a line of YAML. Empty for an object.
	Example string `json:"example,omitempty"`
}

// Name is the last part of the path, as it stands in a document.
func (f *Field) Name() string {
	path := strings.TrimSuffix(f.Path, "[]")
	return path[strings.LastIndexByte(path, '.')+1:]
}

// Object reports whether the field holds other fields.
func (f *Field) Object() bool { return strings.HasSuffix(f.Type, "object") }

// Within is the path that the fields of an object begin with.
func (f *Field) Within() string {
	switch {
	case strings.HasPrefix(f.Type, "list of object"):
		return f.Path + "[]."
	case strings.HasPrefix(f.Type, "mapping of"):
		return f.Path + ".NAME."
	}
	return f.Path + "."
}

// Fields returns all fields of all kinds: each before those that it holds, in the
// order of the documents. The slice is the caller's.
func Fields() []Field {
	var fields []Field
	if err := json.Unmarshal(generated, &fields); err != nil {
		panic(fmt.Sprintf("BUG: reference: fields.json: %v", err))
	}
	return fields
}

// Schema is a JSON Schema (draft 2020-12) of every kind of document, for editors.
// It knows fields, types and choices; `weir check` knows more.
func Schema() []byte { return schema }

// Find returns the field at a path and the fields that it holds itself. Keys of
// mappings and [] may be left out of the path; capitals mean nothing.
func Find(fields []Field, path string) (field Field, children []Field, ok bool) {
	want := parts(path)
	i := slices.IndexFunc(fields, func(f Field) bool { return leads(parts(f.Path), want) })
	if i < 0 && len(want) > 1 {
		// The last part may be a key of a mapping.
		i = slices.IndexFunc(fields, func(f Field) bool {
			return strings.HasPrefix(f.Type, "mapping of") && leads(parts(f.Path), want[:len(want)-1])
		})
	}
	if i < 0 {
		return Field{}, nil, false
	}
	field = fields[i]
	for _, f := range fields {
		rest, below := strings.CutPrefix(f.Path, field.Within())
		if below && !strings.Contains(rest, ".") {
			children = append(children, f)
		}
	}
	return field, children, true
}

// leads reports whether the path of a field is the one that is wanted, in which
// a key or nothing may stand for NAME.
func leads(path, want []string) bool {
	for i, part := range path {
		switch {
		case part == "NAME":
			return leads(path[i+1:], want[i:]) || len(want) > i && leads(path[i+1:], want[i+1:])
		case i >= len(want) || !strings.EqualFold(part, want[i]):
			return false
		}
	}
	return len(path) == len(want)
}

func parts(path string) []string {
	return strings.Split(strings.ReplaceAll(path, "[]", ""), ".")
}
