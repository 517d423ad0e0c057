package store

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// testDump is of a state that needs several transactions.
func testDump(t *testing.T, opts Options) {
	n := openNode(t, opts)
	d := Dump{Format: dumpFormat}
	big := json.RawMessage(`"` + strings.Repeat("x", 300<<10) + `"`)
	for i := range 250 {
		name := fmt.Sprintf("s%03d", i)
		value := json.RawMessage(fmt.Sprintf(`{"n":%d}`, i))
		if i%50 == 0 {
			value = big
		}
		d.Keys = append(d.Keys, DumpKey{ServiceKey(name), value}, DumpKey{StateKey(name), json.RawMessage(`{}`)})
	}
	if err := d.Validate(); err != nil {
		t.Fatal(err)
	}
	n.put("services/old", "{}")
	n.put("nodes/other", "{}")
	n.put("cuts/r1/one", "{}")
	for range 2 { // as often as it is run
		if _, err := n.Restore(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	got, err := n.Dump(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Keys) != len(d.Keys) {
		t.Fatalf("%d keys of %d", len(got.Keys), len(d.Keys))
	}
	values := make(map[string]string)
	for _, k := range got.Keys {
		values[k.Key] = string(k.Value)
	}
	for _, k := range d.Keys {
		if values[k.Key] != string(k.Value) {
			t.Fatalf("%s differs", k.Key)
		}
	}
	if _, kept, err := n.Get(t.Context(), "nodes/other"); err != nil || !kept {
		t.Fatalf("what is a process's own is gone: %v", err)
	}
	if key, err := n.Occupied(t.Context()); err != nil || !strings.HasPrefix(key, Services) {
		t.Fatalf("occupied by %q, %v", key, err)
	}
}
