package store

import (
	"encoding/json"
	"reflect"
	"testing"
)

type innerRecord struct {
	Kept string `json:"kept,omitempty"`
}

type embeddedRecord struct {
	Shared string `json:"shared,omitempty"`
}

type record struct {
	embeddedRecord
	Name    string                 `json:"name"`
	Gone    string                 `json:"gone,omitempty"`
	Plain   string                 // named by its field
	Secret  string                 `json:"-"`
	Inner   *innerRecord           `json:"inner,omitempty"`
	Weights map[string]int         `json:"weights,omitempty"`
	Parts   map[string]innerRecord `json:"parts,omitempty"`
	List    []innerRecord          `json:"list,omitempty"`
	Raw     json.RawMessage        `json:"raw,omitempty"`
}

func TestKeepUnknown(t *testing.T) {
	f := func(old, fresh, want string) {
		t.Helper()
		got := KeepUnknown([]byte(old), []byte(fresh), record{})
		var g, w any
		if json.Unmarshal(got, &g) != nil {
			g = string(got)
		}
		if json.Unmarshal([]byte(want), &w) != nil {
			w = want
		}
		if !reflect.DeepEqual(g, w) {
			t.Errorf("KeepUnknown(%s, %s)\n got %s\nwant %s", old, fresh, got, want)
		}
		if again := KeepUnknown([]byte(old), got, &record{}); string(again) != string(got) {
			t.Errorf("a second merge changes %s to %s", got, again)
		}
	}

	f(`{"name":"a","new":1}`, `{"name":"b"}`, `{"name":"b","new":1}`)
	// A field this type has and did not write is gone on purpose, in any case.
	f(`{"gone":"x","GONE":"x","shared":"y","plain":"z"}`, `{"name":"b"}`, `{"name":"b"}`)
	// The type never writes this one: it belongs to somebody else.
	f(`{"Secret":"x"}`, `{"name":"b"}`, `{"name":"b","Secret":"x"}`)
	f(`{"new":{"deep":[1,2.50,1e400]}}`, `{"name":"<"}`, `{"name":"<","new":{"deep":[1,2.50,1e400]}}`)
	f(`{"inner":{"kept":"a","new":1}}`, `{"inner":{}}`, `{"inner":{"new":1}}`)
	f(`{"inner":{"new":1}}`, `{"name":"b"}`, `{"name":"b"}`)
	// The keys of a map are data: one that went is gone.
	f(`{"weights":{"blue":1,"green":2}}`, `{"weights":{"blue":3}}`, `{"weights":{"blue":3}}`)
	f(`{"parts":{"a":{"new":1},"b":{"new":2}}}`, `{"parts":{"a":{"kept":"x"}}}`, `{"parts":{"a":{"kept":"x","new":1}}}`)
	f(`{"list":[{"new":1}]}`, `{"list":[{"kept":"x"}]}`, `{"list":[{"kept":"x"}]}`)
	f(`{"raw":{"a":1}}`, `{"raw":{"b":1}}`, `{"raw":{"b":1}}`)
	for _, old := range []string{"", "null", "[1]", `"x"`, "{", `{"a":}`, "\xff"} {
		f(old, `{"name":"b"}`, `{"name":"b"}`)
	}
	f(`{"new":1}`, `not json`, `not json`)
	f(`{"new":1}`, `null`, `null`)
}

func TestKeepUnknown_LeavesTheBytesAloneIfNothingIsKept(t *testing.T) {
	fresh := `{ "name" : "b" }`
	if got := KeepUnknown([]byte(`{"name":"a"}`), []byte(fresh), record{}); string(got) != fresh {
		t.Errorf("got %s", got)
	}
	if got := KeepUnknown([]byte(`{"new":1}`), []byte(fresh), 7); string(got) != fresh {
		t.Errorf("a record without fields: got %s", got)
	}
}

func FuzzKeepUnknown(f *testing.F) {
	f.Add([]byte(`{"name":"a","new":{"x":[1]},"inner":{"new":1}}`), `b`)
	f.Add([]byte(`{"parts":{"a":null,"b":{"c":1}}}`), `<&>`)
	f.Add([]byte("{\"\xff\":1}"), ``)
	f.Fuzz(func(t *testing.T, old []byte, name string) {
		want := record{Name: name, Inner: &innerRecord{"x"}, Parts: map[string]innerRecord{"a": {"y"}}}
		fresh, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		merged := KeepUnknown(old, fresh, want)
		// Whatever old is, this release reads back what it wrote.
		var a, b record
		if err := json.Unmarshal(merged, &a); err != nil {
			t.Fatalf("merged %s: %v", merged, err)
		}
		if err := json.Unmarshal(fresh, &b); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("merged %s reads as %+v, want %+v", merged, a, b)
		}
	})
}
