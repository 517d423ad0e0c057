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

func TestDump_WritesADocumentWithItsStateAfterAllElse(t *testing.T) {
	d := Dump{Format: dumpFormat}
	for _, key := range []string{ServiceKey("shop"), StateKey("shop"), StateKey("flag:beta"), FlagKey("beta"), RolloutKey("r1"), KillKey("beta"), ServiceKey("new")} {
		d.Keys = append(d.Keys, DumpKey{key, json.RawMessage(`{}`)})
	}
	if err := d.Validate(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, together := range d.writes(dumpOrder[:len(dumpOrder)-1]) {
		var keys []string
		for _, op := range together {
			keys = append(keys, op.key)
		}
		got = append(got, strings.Join(keys, " + "))
	}
	want := "kills/beta, rollouts/r1, flags/beta + state/flag:beta, services/shop + state/shop, services/new"
	if strings.Join(got, ", ") != want {
		t.Errorf("written: %s\nwant:    %s", strings.Join(got, ", "), want)
	}
	d.Keys = d.Keys[:2:2]
	d.Keys[0].Key = FlagKey("shop")
	if d.Validate() == nil {
		t.Error("a state of a service that is not there is taken")
	}
}

// Twice the services are to cost twice the time.
func BenchmarkDump_Writes(b *testing.B) {
	for _, services := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(services), func(b *testing.B) {
			var d Dump
			for i := range services {
				name := fmt.Sprint("s", i)
				d.Keys = append(d.Keys, DumpKey{ServiceKey(name), json.RawMessage(`{}`)}, DumpKey{StateKey(name), json.RawMessage(`{}`)})
			}
			for b.Loop() {
				if n := len(d.writes(dumpOrder[:len(dumpOrder)-1])); n != services {
					b.Fatal(n)
				}
			}
		})
	}
}
