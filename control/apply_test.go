package control

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

// bringing is a plan that brings its version along.
func bringing(name string, endpoints ...string) configs.Rollout {
	plan := canary(stage(1000, time.Hour))
	plan.To = name
	plan.Version = &configs.RolloutVersion{Name: name, Endpoints: endpoints, Revision: "one"}
	return plan
}

func TestApply_LeavesWhatARolloutBrought(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	id := l.do(StartRollout{Plan: bringing("v2", "127.0.0.1:9010"), Actor: "ana"}).ID
	l.until("v2 has 10 %", func() bool { return l.picked("v2") == 1000 })

	doc := shop()
	doc.Timeout = configs.Duration(time.Second)
	l.do(ApplyService{Document: doc, Actor: "ana"})
	if l.picked("v2") != 1000 {
		t.Fatal("an apply took the version of a rollout away")
	}
	doc.Versions["red"] = configs.Version{Endpoints: []string{"127.0.0.1:9010"}}
	if e := l.refused(ApplyService{Document: doc, Actor: "nobody"}); e.Kind != Invalid || !strings.Contains(strings.Join(e.Problems, " "), "v2") {
		t.Fatalf("an address of v2 in another version: %+v", e)
	}
	doc.Versions["red"] = shop().Versions["red"]
	doc.Versions["v2"] = configs.Version{Endpoints: []string{"127.0.0.1:9011"}}
	l.do(ApplyService{Document: doc, Actor: "ana"})
	if r := l.rollout(id); r.State.Generation != 1 {
		t.Fatalf("another build under the same name kept the evidence: generation %d", r.State.Generation)
	}
}

func TestApply_RefusesWhatAnUndoNeedsAndSaysUntilWhen(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	id := l.do(StartRollout{Plan: canary(stage(1000, time.Hour)), Actor: "ana"}).ID
	l.do(Act{ID: id, Verb: "promote", Full: true, Actor: "ana"})
	doc := shop()
	doc.Stable = "green"
	delete(doc.Versions, "blue")
	if e := l.refused(ApplyService{Document: doc, Actor: "nobody"}); e.Kind != Conflict || !strings.Contains(e.Text, "kept for undo until 2") {
		t.Fatalf("removing the version before: %+v", e)
	}
}

// A rollout is judged to its end by what it began with.
func TestApply_RefusesToChangeWhatARolloutIsJudgedBy(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	change := func(with func(*configs.Service)) configs.Service {
		doc := shop()
		with(&doc)
		return doc
	}
	sticky := change(func(s *configs.Service) { s.Sticky = &configs.Sticky{By: "header", Header: "X-User"} })
	guard := change(func(s *configs.Service) {
		s.Guard = &configs.Guard{Triggers: []configs.Trigger{{Condition: analysis.Condition{Metric: analysis.ErrorRate, Rate: 50_000}}}}
	})
	refused := func(doc configs.Service, what string) {
		t.Helper()
		e := l.refused(ApplyService{Document: doc, Actor: "nobody"})
		if e.Kind != Conflict || !strings.Contains(e.Text, what) || len(e.Allowed) == 0 {
			t.Fatalf("another %s: %+v", what, e)
		}
	}

	id := l.do(StartRollout{Plan: canary(stage(1000, time.Hour)), Actor: "ana"}).ID
	refused(sticky, "sticky key")
	l.do(ApplyService{Document: guard, Actor: "ana"}) // a plan has limits of its own
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	l.do(Act{ID: id, Verb: "abort", Actor: "ana"})

	l.do(SetWeights{Service: "shop", Weights: map[string]configs.Weight{"blue": 9000, "green": 1000}, Actor: "ana"})
	refused(sticky, "sticky key")
	refused(guard, "guard")
	l.do(SetWeights{Service: "shop", Weights: map[string]configs.Weight{"blue": 10_000}, Actor: "ana"})
	l.do(ApplyService{Document: guard, Actor: "ana"})
	l.do(ApplyService{Document: sticky, Actor: "ana"})
}

func TestApply_ResetWeightsFollowsTheDocument(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	id := l.do(StartRollout{Plan: canary(stage(1000, time.Hour)), Actor: "ana"}).ID
	e := l.refused(ApplyService{Document: shop(), ResetWeights: true, Actor: "nobody"})
	if e.Kind != Conflict || !strings.Contains(e.Text, id) {
		t.Fatalf("a reset under a plan: %+v", e)
	}
	l.do(Act{ID: id, Verb: "promote", Full: true, Actor: "ana"})
	doc := shop()
	doc.Weights = map[string]configs.Weight{"blue": 9000, "red": 1000}
	reply := l.do(ApplyService{Document: doc, ResetWeights: true, Actor: "ana"})
	s, _ := l.View().Service("shop")
	if s.State.Stable != "blue" || l.picked("red") != 1000 || reply.ID == "" || s.State.Rollout != reply.ID {
		t.Fatalf("after a reset: %+v; red has %d buckets; %+v", s.State, l.picked("red"), reply)
	}
	if !strings.Contains(l.View().Audit[0].Text, "reset") {
		t.Fatalf("the trail says %q", l.View().Audit[0].Text)
	}
}

func TestApply_MendsAServiceWhoseStateIsGone(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	if _, err := l.opts.Store.Commit(t.Context(), store.Txn{Then: []store.Op{store.Delete(store.StateKey("shop"))}}); err != nil {
		t.Fatal(err)
	}
	l.until("the state is gone", func() bool { s, _ := l.View().Service("shop"); return s.StateRevision == 0 })
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	if s, _ := l.View().Service("shop"); s.State.Stable != "blue" {
		t.Fatalf("state %+v", s.State)
	}
}

func TestService_DeletedAndMadeAnewHasNoPartInOldRollouts(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	id := l.do(StartRollout{Plan: bringing("v2", "127.0.0.1:9010"), Actor: "ana"}).ID
	l.do(Act{ID: id, Verb: "promote", Full: true, Actor: "ana"})
	l.do(DeleteService{Name: "shop", Actor: "ana"})
	if e := l.refused(Act{ID: id, Verb: "undo", Actor: "nobody"}); e.Kind != Conflict || !strings.Contains(e.Text, "deleted") {
		t.Fatalf("a verb on a rollout whose service is gone: %+v", e)
	}
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	if s, _ := l.View().Service("shop"); s.State.Stable != "blue" || len(s.State.Versions) != 0 || s.State.Previous != "" {
		t.Fatalf("the new service remembers the old one: %+v", s.State)
	}
	l.refused(Act{ID: id, Verb: "undo", Actor: "nobody"})
}

func TestRetry_BringsTheVersionAgainIfItIsGone(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	id := l.do(StartRollout{Plan: bringing("v2", "127.0.0.1:9010"), Actor: "ana"}).ID
	l.do(Act{ID: id, Verb: "abort", Actor: "ana"})
	other := l.do(StartRollout{Plan: bringing("v3", "127.0.0.1:9011"), Actor: "ana"}).ID
	l.do(Act{ID: other, Verb: "abort", Actor: "ana"})
	if s, _ := l.View().Service("shop"); s.State.Versions["v2"].Endpoints != nil {
		t.Fatal("v2 is still there")
	}
	again := l.do(Act{ID: id, Verb: "retry", Actor: "ana"})
	l.until("v2 has 10 %", func() bool { return l.picked("v2") == 1000 })
	if r := l.rollout(again.ID); r.State.To != "v2" || r.State.Phase == rollout.Aborted {
		t.Fatalf("retry: %+v", r.State)
	}
}

func TestSupersede_LeavesATrailOfBoth(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	manual := l.do(SetWeights{Service: "shop", Weights: map[string]configs.Weight{"blue": 9000, "green": 1000}, Actor: "ana"}).ID
	planned := l.do(StartRollout{Plan: canary(stage(500, time.Hour)), Actor: "ben"}).ID
	wants := []string{"rollout superseded rollouts/" + manual, "rollout pending rollouts/" + planned, "rollout progressing rollouts/" + planned}
	l.until("the trail tells of both", func() bool {
		seen := map[string]bool{}
		for _, a := range l.View().Audit {
			seen[a.Action+" "+a.Object] = true
		}
		return !slices.ContainsFunc(wants, func(want string) bool { return !seen[want] })
	})
}
