package stats

import (
	"slices"
	"testing"
)

func TestRegistry_KeepsRecordersByIdentity(t *testing.T) {
	g := NewRegistry()
	blue := g.Recorder("shop", "blue")
	g.Recorder("shop", "green")
	g.Recorder("search", "blue")
	if g.Recorder("shop", "blue") != blue {
		t.Fatalf("the second call made another recorder")
	}
	g.Retain(func(service, version string) bool { return version == "blue" })

	var seen []string
	g.Range(func(service, version string, r *Recorder) {
		seen = append(seen, service+"/"+version)
		g.Recorder(service, version) // must not deadlock
	})
	if want := []string{"search/blue", "shop/blue"}; !slices.Equal(seen, want) {
		t.Fatalf("%v, want %v", seen, want)
	}
	if g.Recorder("shop", "blue") != blue {
		t.Fatalf("Retain replaced a recorder that it keeps")
	}
}

func TestWords_EveryLaneAndReasonHasItsOwn(t *testing.T) {
	seen := map[string]bool{"unknown": true}
	for l := range Lane(Lanes) {
		if seen[l.String()] {
			t.Errorf("lane %d is %q again", l, l)
		}
		seen[l.String()] = true
	}
	for r := range Reason(Reasons) {
		if seen[r.String()] {
			t.Errorf("reason %d is %q again", r, r)
		}
		seen[r.String()] = true
	}
	if Lane(Lanes).String() != "unknown" || Reason(Reasons).String() != "unknown" {
		t.Errorf("Lanes or Reasons does not count all of them")
	}
}
