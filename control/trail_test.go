package control

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirproxy/weir/control/store"
)

func TestMirror_KeepsTheTrailInOrderWhateverComesWhen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMirror()
		key := rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("%02d", rapid.IntRange(0, 30).Draw(t, "key")) })
		for range rapid.IntRange(1, 40).Draw(t, "updates") {
			u := store.Update{}
			for _, k := range rapid.SliceOfN(key, 0, 3).Draw(t, "puts") {
				u.Puts = append(u.Puts, kv(store.AuditKey(k), AuditView{Text: k}, rapid.Int64Range(1, 9).Draw(t, "revision")))
			}
			for _, k := range rapid.SliceOfN(key, 0, 2).Draw(t, "deletes") {
				u.Deletes = append(u.Deletes, store.AuditKey(k))
			}
			m.apply(u)
			want := slices.Sorted(maps.Keys(m.audit))
			if !slices.Equal(m.auditKeys(), want) {
				t.Fatalf("in order: %q, want %q", m.auditKeys(), want)
			}
			newest := m.newestAudit()
			for i, k := range want {
				if got := newest[len(want)-1-i]; got.ID != k || got.Text != k {
					t.Fatalf("entry %d is %q of %q", i, got.ID, got.Text)
				}
			}
		}
	})
}
