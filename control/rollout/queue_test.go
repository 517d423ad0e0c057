package rollout

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/configs"
)

func TestBegin_StartsWhatWasQueuedOrSaysWhyNot(t *testing.T) {
	w := newStage()
	cur := NewService(w.svc, noon)
	first, err := New("r1", planOf(strings.Fields("green 5%/10s")), w.svc, cur, noon, "ana")
	if err != nil {
		t.Fatal(err)
	}
	plan := planOf(strings.Fields("red 5%/10s"))
	queued, err := NewQueued("r2", plan, w.svc, first.Service, noon, "bob")
	if err != nil || queued.Phase != Queued {
		t.Fatalf("queued as %s: %v", queued.Phase, err)
	}
	pair := Pair{Rollout: queued, Service: first.Service}
	gone, _, err := Step(pair, Command{At: noon, Actor: "bob", Verb: "abort"}, 0)
	if err != nil || gone.Rollout.Phase != Aborted || !gone.Service.equal(first.Service) {
		t.Fatalf("its abort led to %s, service %+v, %v", gone.Rollout.Phase, gone.Service, err)
	}
	if _, _, err := Begin(queued, w.svc, first.Service, noon); err == nil {
		t.Fatal("it begins while another is in force")
	}
	ended, _, err := Step(first, Command{At: noon, Actor: "ana", Verb: "abort"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	began, _, err := Begin(queued, w.svc, ended.Service, noon)
	if err != nil || began.Rollout.Phase != Pending || began.Service.Rollout != "r2" || began.Rollout.Actor != "bob" {
		t.Fatalf("it began as %+v, %v", began.Rollout, err)
	}
	cur.Stable = "red" // what it leads to became stable meanwhile
	cur.Weights = map[string]configs.Weight{"red": configs.Whole}
	failed, effects, err := Begin(queued, w.svc, cur, noon)
	if err != nil || failed.Rollout.Phase != Failed || failed.Rollout.Reason == "" || len(effects) != 1 {
		t.Fatalf("it began as %s (%s), %v", failed.Rollout.Phase, failed.Rollout.Reason, err)
	}
	if _, err := NewQueued("r3", planOf(strings.Fields("nothing 5%/10s")), w.svc, first.Service, noon, "bob"); err == nil {
		t.Fatal("a rollout to an unknown version is queued")
	}
}

func (s Service) equal(o Service) bool { return Pair{Service: s}.Equal(Pair{Service: o}) }
