package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/configs"
)

// samples are valid documents that examples of fields are taken from, and whose
// texts are made wrong to learn what is allowed in their place.
type samples struct {
	examples map[string]string   // lines of YAML by path
	allowed  map[string][]string // by path
}

func newSamples(documents []configs.Document) *samples {
	s := &samples{map[string]string{}, map[string][]string{}}
	for i := range documents {
		root, validate := rootOf(&documents[i])
		kind := strings.ToLower(string(documents[i].Kind()))
		s.object(root, kind+".", "", validate)
	}
	return s
}

// of returns the example and the choices of a field.
func (s *samples) of(path string) (example string, allowed []string) {
	if rest, ok := strings.CutPrefix(path, "flag.guard."); ok && s.examples[path] == "" {
		path = "service.guard." + rest // the same, and some of it has no meaning for a flag
	}
	return s.examples[path], s.allowed[path]
}

func rootOf(d *configs.Document) (reflect.Value, func() configs.Problems) {
	v := d.Value()
	return reflect.ValueOf(v).Elem(), v.Validate
}

// object takes the fields of v. Path is that of the reference, at that of
// problems.
func (s *samples) object(v reflect.Value, path, at string, validate func() configs.Problems) {
	for f := range v.Type().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		value := v.FieldByIndex(f.Index)
		if value.IsZero() {
			continue
		}
		s.value(value, name, path+name, strings.TrimPrefix(at+"."+name, "."), validate)
	}
}

func (s *samples) value(v reflect.Value, name, path, at string, validate func() configs.Problems) {
	if _, object := objectOf(v.Type()); !object {
		s.leaf(v, name, path, at, validate)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		s.value(v.Elem(), name, path, at, validate)
	case reflect.Struct:
		s.object(v, path+".", at, validate)
	case reflect.Slice:
		for i := range v.Len() {
			s.value(v.Index(i), name, path+"[]", fmt.Sprintf("%s[%d]", at, i), validate)
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, key := range keys {
			// What a map holds cannot be changed in place; none has choices.
			s.value(reflect.Indirect(v.MapIndex(key)), name, path+".NAME", at+"."+key.String(), validate)
		}
	}
}

func (s *samples) leaf(v reflect.Value, name, path, at string, validate func() configs.Problems) {
	if _, known := s.examples[path]; !known {
		s.examples[path] = name + ": " + flow(v.Interface())
	}
	text := v
	if v.Kind() == reflect.Slice && v.Len() > 0 && v.Index(0).Kind() == reflect.String {
		text, at = v.Index(0), at+"[0]"
	}
	if text.Kind() == reflect.String && text.CanSet() && s.allowed[path] == nil {
		s.allowed[path] = choices(text, at, validate)
	}
}

// listed is a hint that lists all that may be written.
var listed = regexp.MustCompile(`^write ([^ ,]+(?:, [^ ,]+)* or [^ ,]+)$`)

// choices are the only texts that may stand in v, as its validation says, or nil.
func choices(v reflect.Value, at string, validate func() configs.Problems) []string {
	kept := v.String()
	defer v.SetString(kept)
	v.SetString("no-such-choice")
	for _, p := range validate() {
		m := listed.FindStringSubmatch(p.Hint)
		// Which versions there are is for each document to say.
		if p.Path == "stable" || p.Path == "default" || strings.HasSuffix(p.Path, ".variant") || p.Path != at || m == nil || !strings.Contains(p.Text, "no-such-choice") {
			continue
		}
		return strings.Split(strings.ReplaceAll(m[1], " or ", ", "), ", ")
	}
	return nil
}

// bare is a text that YAML takes for a text without quotes.
var bare = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9 ._/:+=<>%()-]*[A-Za-z0-9._/%)]$|^[A-Za-z/]$|^[0-9.]+[a-z%][a-z0-9%]*$|^[0-9.]+(:[0-9]+)?$`)

// flow writes a value as YAML on one line.
func flow(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("BUG: gen: %v", err))
	}
	var plain any
	if err := json.Unmarshal(data, &plain); err != nil {
		panic(fmt.Sprintf("BUG: gen: %v", err))
	}
	return flowOf(plain)
}

func flowOf(v any) string {
	var parts []string
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			parts = append(parts, flowOf(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, flowOf(key)+": "+flowOf(v[key]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case string:
		number := strings.Trim(v, "0123456789.") == "" && strings.Count(v, ".") < 2
		if bare.MatchString(v) && !number && !strings.Contains(v, ": ") && !strings.HasSuffix(v, ":") && v != "true" && v != "false" && v != "off" {
			return v
		}
		return strconv.Quote(v)
	}
	return fmt.Sprint(v)
}
