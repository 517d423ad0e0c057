package configs

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Differences names, as `path: before → after`, the fields in which two
// documents differ, in the order of their paths. Lists are compared as a whole,
// unless both hold objects and as many. Paths for which ignored is true are
// left out; nil leaves none out.
func Differences(a, b any, ignored func(path string) bool) []string {
	d := differ{ignored: ignored}
	d.compare("", plain(a), plain(b))
	return d.found
}

// plain is v as its document is written.
func plain(v any) any {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("BUG: cannot encode %T: %v", v, err))
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		panic(fmt.Sprintf("BUG: cannot read back %T: %v", v, err))
	}
	return out
}

type differ struct {
	ignored func(path string) bool
	found   []string
}

func (d *differ) compare(path string, a, b any) {
	if path != "" && d.ignored != nil && d.ignored(path) {
		return
	}
	if x, ok := a.(map[string]any); ok {
		if y, ok := b.(map[string]any); ok {
			d.fields(path, x, y)
			return
		}
	}
	if x, ok := a.([]any); ok {
		if y, ok := b.([]any); ok && len(x) == len(y) && len(x) > 0 && isObject(x[0]) {
			for i := range x {
				d.compare(item(path, i), x[i], y[i])
			}
			return
		}
	}
	if was, is := compact(a), compact(b); was != is {
		d.found = append(d.found, fmt.Sprintf("%s: %s → %s", path, was, is))
	}
}

func (d *differ) fields(path string, a, b map[string]any) {
	names := maps.Clone(a)
	maps.Copy(names, b)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		at := name
		if path != "" {
			at = field(path, name)
		}
		d.compare(at, a[name], b[name])
	}
}

func isObject(v any) bool { _, ok := v.(map[string]any); return ok }

// compact is a value on one line.
func compact(v any) string {
	if v == nil {
		return "nothing"
	}
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("BUG: cannot encode %T again: %v", v, err))
	}
	return string(raw)
}
