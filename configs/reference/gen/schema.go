package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/weirproxy/weir/configs/reference"
)

// schemaOf is a JSON Schema of all kinds of documents.
func schemaOf(fields []reference.Field) ([]byte, error) {
	var names []string
	var kinds []any
	for _, kind := range fields {
		if strings.Contains(kind.Path, ".") {
			continue
		}
		name := strings.ToUpper(kind.Path[:1]) + kind.Path[1:]
		names = append(names, name)
		object := objectSchema(kind, fields)
		object["properties"].(map[string]any)["kind"] = map[string]any{"const": name}
		object["required"] = append([]string{"kind"}, object["required"].([]string)...)
		kinds = append(kinds, map[string]any{
			"if":   map[string]any{"properties": map[string]any{"kind": map[string]any{"const": name}}, "required": []string{"kind"}},
			"then": object,
		})
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	err := encoder.Encode(map[string]any{
		"$schema":     "https://json-schema.org/draft/2020-12/schema",
		"title":       "A document of weir",
		"description": "Put `# yaml-language-server: $schema=FILE` on the first line of a document. `weir check` knows more than this schema.",
		"type":        "object",
		"properties":  map[string]any{"kind": map[string]any{"enum": names}},
		"required":    []string{"kind"},
		"allOf":       kinds,
	})
	return b.Bytes(), err
}

func objectSchema(f reference.Field, fields []reference.Field) map[string]any {
	properties := map[string]any{}
	required := []string{}
	_, children, _ := reference.Find(fields, f.Path)
	for _, child := range children {
		properties[child.Name()] = valueSchema(child, fields)
		if child.Needed {
			required = append(required, child.Name())
		}
	}
	return map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

func valueSchema(f reference.Field, fields []reference.Field) map[string]any {
	out := typeSchema(f.Type, f, fields)
	out["description"] = f.Doc
	if f.Example != "" {
		out["description"] = f.Doc + "\n\nExample: " + f.Example
	}
	return out
}

func typeSchema(name string, f reference.Field, fields []reference.Field) map[string]any {
	if item, ok := strings.CutPrefix(name, "list of "); ok {
		items := typeSchema(item, f, fields)
		if f.Path == "rollout.stages" {
			items = stageSchema(items)
		}
		return map[string]any{"type": "array", "items": items}
	}
	if value, ok := strings.CutPrefix(name, "mapping of NAME to "); ok {
		return map[string]any{"type": "object", "additionalProperties": typeSchema(value, f, fields)}
	}
	switch name {
	case "any value":
		return map[string]any{}
	case "object":
		return objectSchema(f, fields)
	case "whole number":
		return map[string]any{"type": "integer"}
	case "true or false":
		return map[string]any{"type": "boolean"}
	case "percentage":
		return map[string]any{"type": "string", "pattern": `^[0-9]+(\.[0-9]+)?%$`}
	case "duration":
		return map[string]any{"type": []string{"string", "integer"}, "pattern": `^([0-9.]+(ns|us|µs|ms|s|m|h))+$|^0$`}
	case "condition":
		return map[string]any{"type": "string"}
	case "text":
		out := map[string]any{"type": []string{"string", "number", "boolean"}}
		if len(f.Allowed) > 0 {
			out = map[string]any{"enum": f.Allowed}
		}
		return out
	}
	panic(fmt.Sprintf("BUG: gen: no schema of %q", name))
}

// stageSchema adds the other spellings of a stage: `check`, a list of weights,
// and the stage below its name.
func stageSchema(flat map[string]any) map[string]any {
	properties := flat["properties"].(map[string]any)
	properties["check"] = map[string]any{"type": "string", "description": "One of checks; once or more."}
	properties["weights"] = map[string]any{"type": "array", "items": map[string]any{"type": "string"}, "description": "One stage for each of these weights, duration_each long."}
	properties["duration_each"] = map[string]any{"type": "string", "description": "How long each of weights lasts."}
	return map[string]any{"anyOf": []any{flat, map[string]any{"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": flat}}}
}
