package reference

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestFind_PathsAsPeopleWriteThem(t *testing.T) {
	fields := Fields()
	if len(fields) < 250 {
		t.Fatalf("there are %d fields", len(fields))
	}
	f := func(path, want string, children ...string) {
		t.Helper()
		got, held, ok := Find(fields, path)
		if !ok || got.Path != want {
			t.Errorf("%s: found %q, %v", path, got.Path, ok)
		}
		if len(children) > 0 {
			var names []string
			for _, child := range held {
				names = append(names, child.Name())
			}
			if strings.Join(names, " ") != strings.Join(children, " ") {
				t.Errorf("%s holds %v, want %v", path, names, children)
			}
		}
	}
	f("Service", "service")
	f("service.timeout", "service.timeout")
	f("service.versions", "service.versions", "endpoints", "revision")
	f("service.versions.endpoints", "service.versions.NAME.endpoints")
	f("service.versions.NAME.endpoints", "service.versions.NAME.endpoints")
	f("service.versions.blue.endpoints", "service.versions.NAME.endpoints")
	f("service.versions.blue", "service.versions")
	f("rollout.stages[].weight", "rollout.stages[].weight")
	f("rollout.stages.weight", "rollout.stages[].weight")
	f("rollout.rollback", "rollout.rollback", "triggers", "action")
	f("node.errors.404.body", "node.errors.NAME.body")
	for _, path := range []string{"", "pod", "service.timeouts", "service.timeout.seconds", "service.versions.blue.green.endpoints", strings.Repeat("service.versions.", 50)} {
		if found, _, ok := Find(fields, path); ok {
			t.Errorf("%q is %s", path, found.Path)
		}
	}
}

func TestSchema_IsJSON(t *testing.T) {
	if !json.Valid(Schema()) {
		t.Error("schema.json is no JSON")
	}
}
