package store

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
)

// KeepUnknown returns fresh, the JSON of a value of the same type as record,
// with those fields of old added that this type does not have: a newer weir
// put them there, and a rewrite by an older one must not lose them. Fields of
// the type that fresh lacks are gone on purpose and stay gone. It goes into
// fields that are structs, and into map entries that both sides have; elements
// of lists cannot be told apart, so they are fresh's.
//
// old is foreign: if it is not a JSON object, fresh is returned as it is.
// record is used for its type only, a struct or a pointer to one.
func KeepUnknown(old, fresh []byte, record any) []byte {
	return keepUnknown(old, fresh, reflect.TypeOf(record))
}

func keepUnknown(old, fresh []byte, t reflect.Type) []byte {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct && t.Kind() != reflect.Map || opaque(t) {
		return fresh
	}
	var was, is map[string]json.RawMessage
	if json.Unmarshal(old, &was) != nil || json.Unmarshal(fresh, &is) != nil || was == nil || is == nil {
		return fresh
	}
	changed := false
	set := func(name string, v json.RawMessage) {
		is[name] = v
		changed = true
	}
	for name, value := range was {
		now, present := is[name]
		inner, known := fieldType(t, name)
		switch {
		case !known && !present:
			set(name, value)
		case known && present:
			if merged := keepUnknown(value, now, inner); !bytes.Equal(merged, now) {
				set(name, merged)
			}
		}
	}
	if !changed {
		return fresh
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(is); err != nil {
		// Only invalid JSON could fail here, and both sides were just decoded.
		return fresh
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}

// opaque reports whether t writes its JSON itself: its fields say nothing about it.
func opaque(t reflect.Type) bool {
	m := reflect.TypeFor[json.Marshaler]()
	return t.Implements(m) || reflect.PointerTo(t).Implements(m)
}

// fieldType returns the type of the value that t writes under name. Every name
// is known to a map: its keys are data.
func fieldType(t reflect.Type, name string) (reflect.Type, bool) {
	if t.Kind() == reflect.Map {
		return t.Elem(), true
	}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && tag == "" {
			if inner := f.Type; inner.Kind() == reflect.Struct {
				if ft, ok := fieldType(inner, name); ok {
					return ft, true
				}
				continue
			}
		}
		if !f.IsExported() || tag == "-" {
			continue
		}
		if tag == "" {
			tag = f.Name
		}
		// Decoding ignores case, so what differs in case only was read by this type.
		if strings.EqualFold(tag, name) {
			return f.Type, true
		}
	}
	return nil, false
}
