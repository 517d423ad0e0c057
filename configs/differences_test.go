package configs_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/configs"
)

func TestDifferences_NameEachFieldByItsPath(t *testing.T) {
	type part struct {
		Name string   `json:"name,omitempty"`
		Tags []string `json:"tags,omitempty"`
	}
	type doc struct {
		Parts  []part          `json:"parts,omitempty"`
		ByName map[string]part `json:"by_name,omitempty"`
		Size   int             `json:"size,omitempty"`
		Own    string          `json:"own,omitempty"`
	}
	f := func(a, b doc, want ...string) {
		t.Helper()
		got := configs.Differences(a, b, func(path string) bool { return path == "own" })
		if !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}

	f(doc{Size: 1, Own: "x"}, doc{Size: 1, Own: "y"})
	f(doc{Size: 1}, doc{}, "size: 1 → nothing")
	f(doc{Parts: []part{{Name: "a"}, {Name: "b"}}}, doc{Parts: []part{{Name: "a"}, {Name: "c"}}}, `parts[1].name: "b" → "c"`)
	f(doc{Parts: []part{{Name: "a"}}}, doc{Parts: []part{{Name: "a"}, {Name: "c"}}}, `parts: [{"name":"a"}] → [{"name":"a"},{"name":"c"}]`)
	f(doc{ByName: map[string]part{"x": {Tags: []string{"1", "2"}}}}, doc{ByName: map[string]part{"x": {Tags: []string{"1", "3"}}, "y": {}}},
		`by_name.x.tags: ["1","2"] → ["1","3"]`, "by_name.y: nothing → {}")
}
