package configs

import (
	"slices"
	"testing"
)

// The presets are templates like any other: they pass the same checks.
func TestTracker_PresetsAreValidTemplates(t *testing.T) {
	for _, name := range trackerPresets() {
		doc := TrackerTarget{
			Preset: name, URL: "https://tracker.example.com/", Project: "example/shop",
			States: []TrackerState{{State: "live", Word: "live-in-{{environment}}"}},
		}
		if !presetOf(&doc).project {
			doc.Project = ""
		}
		n := Notifier{Name: "a", Tracker: &doc}
		if problems := n.Validate(); len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
		}
		full := doc.Tracker()
		full.Preset, full.Project = "", ""
		n.Tracker = &full
		if problems := n.Validate(); len(problems) > 0 {
			t.Errorf("%s written out: %v", name, problems)
		}
		if full.URL != "https://tracker.example.com" || full.Tasks == "" || len(full.Requests) < 2 {
			t.Errorf("%s comes to %+v", name, full)
		}
		if slices.ContainsFunc(full.Requests, func(q TrackerRequest) bool { return q.Method == "" || q.Type == "" }) {
			t.Errorf("%s leaves defaults open: %+v", name, full.Requests)
		}
	}
}

func TestTracker_TheFirstStateThatMatchesCounts(t *testing.T) {
	doc := TrackerTarget{States: []TrackerState{
		{State: "live", Environment: "production", Word: "a"}, {State: "live", Word: "b"}, {State: "merged", Environment: "staging", Word: "c"},
	}}
	f := func(state, environment string, want int) {
		t.Helper()
		if got := doc.Rule(state, environment); got != want {
			t.Errorf("%s in %q: %d, not %d", state, environment, got, want)
		}
	}
	f("live", "production", 0)
	f("live", "staging", 1)
	f("merged", "", -1)
	f("merged", "staging", 2)
	f("deploying", "production", -1)
}
