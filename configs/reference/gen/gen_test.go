package main

import (
	"bytes"
	"cmp"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/configs/reference"
)

const folder = "../.."

func TestReference_IsCurrent(t *testing.T) {
	files, err := outputs(folder)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the sources say; run `make docs` (%v)", name, err)
		}
	}
}

// TestReference_EveryFieldIsTold is the reviewer of the comments of package
// configs: whoever writes a document has nothing else to go by.
func TestReference_EveryFieldIsTold(t *testing.T) {
	unit := regexp.MustCompile(`(?i)bytes|percent|port|number|how (many|often)|status|attempts|times|endpoints|failures|successes|requests in a row|share`)
	for _, f := range fields(t) {
		switch {
		case f.Doc == "":
			t.Errorf("%s: write a comment: what it is, its unit, its default", f.Path)
		case f.Object():
		case !f.Needed && f.Default == "":
			t.Errorf("%s: say what holds without it, such as `0: the default, 5s.` or `Empty: any.`; it says: %s", f.Path, f.Doc)
		case strings.HasSuffix(f.Type, "whole number") && !unit.MatchString(f.Doc):
			t.Errorf("%s: say what it counts; it says: %s", f.Path, f.Doc)
		case f.Example == "":
			t.Errorf("%s: put it into samples.yaml", f.Path)
		}
	}
}

// The defaults that comments tell are those that the code fills in.
func TestReference_DefaultsAreTrue(t *testing.T) {
	documents, err := configs.Decode("samples.yaml", sampled)
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for _, f := range fields(t) {
		told[f.Path] = f.Default
	}
	compared := 0
	for i := range documents {
		root, _ := rootOf(&documents[i])
		defaulted, ok := root.Addr().Interface().(interface{ SetDefaults() })
		if !ok {
			continue // its defaults are where it is used
		}
		emptied(root)
		defaulted.SetDefaults()
		compared += compare(t, root, strings.ToLower(string(documents[i].Kind()))+".", told)
	}
	if compared < 60 {
		t.Errorf("only %d defaults were compared", compared)
	}
}

// emptied clears the leaves of v and leaves its objects, lists of them included.
func emptied(v reflect.Value) {
	if _, object := objectOf(v.Type()); !object {
		v.SetZero()
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			emptied(v.Elem())
		}
	case reflect.Struct:
		for f := range v.Type().Fields() {
			// A few texts choose which defaults there are.
			if name := v.Type().Name() + "." + f.Name; name != "Sticky.By" && name != "Rollout.Strategy" && name != "Trigger.Condition" {
				emptied(v.FieldByIndex(f.Index))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			emptied(v.Index(i))
		}
	case reflect.Map:
		v.SetZero()
	}
}

// compare returns how many defaults it compared.
func compare(t *testing.T, v reflect.Value, path string, told map[string]string) (compared int) {
	t.Helper()
	for f := range v.Type().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		value, at := v.FieldByIndex(f.Index), path+name
		if _, object := objectOf(value.Type()); object {
			within := at + "."
			for value.Kind() == reflect.Pointer && !value.IsNil() {
				value = value.Elem()
			}
			if value.Kind() == reflect.Slice && value.Len() > 0 {
				value, within = value.Index(0), at+"[]."
			}
			if value.Kind() == reflect.Struct {
				compared += compare(t, value, within, told)
			}
			continue
		}
		filled := flow(value.Interface())
		if told[at] == "" || value.IsZero() || at == "node.name" || at == "rollout.stages[].weight" || at == "flag.variants" {
			continue // these depend on the machine, on the stage before, and on the type
		}
		compared++
		if !says(told[at], filled) {
			t.Errorf("%s: the comment says that %q is the default, and the code fills in %s", at, told[at], filled)
		}
	}
	return compared
}

// says reports whether a text begins with a value, in whatever unit, or has it.
func says(text, value string) bool {
	if want, err := time.ParseDuration(value); err == nil {
		return slices.ContainsFunc(strings.Fields(text), func(word string) bool {
			got, err := time.ParseDuration(strings.Trim(word, "`.,"))
			return err == nil && got == want
		})
	}
	return strings.Contains(text, strings.Trim(value, `"[]`))
}

func fields(t *testing.T) []reference.Field {
	t.Helper()
	documents, err := configs.Decode("samples.yaml", sampled)
	if err != nil {
		t.Fatal(err)
	}
	fields, err := fieldsOf(folder, documents)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(fields, func(a, b reference.Field) int {
		return cmp.Compare(strings.Count(a.Path, "."), strings.Count(b.Path, "."))
	})
	return fields
}
