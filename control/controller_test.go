package control

import (
	"encoding/json"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
)

func TestController_HealthyCandidateBecomesStable(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	stop := l.traffic(1000, func(string) bool { return false })
	defer stop()
	id := l.do(StartRollout{Plan: canary(stage(500, 300*time.Millisecond), stage(5000, 300*time.Millisecond)), Actor: "ana"}).ID
	l.until("the first stage has its weight", func() bool { return l.picked("green") == 500 })
	l.until("the second stage has its weight", func() bool { return l.picked("green") == 5000 })
	l.until("green is stable", func() bool { return l.phase(id) == rollout.Succeeded })
	s, _ := l.View().Service("shop")
	if s.State.Stable != "green" || s.State.Previous != "blue" || l.picked("green") != 10_000 {
		t.Fatalf("state after success: %+v", s.State)
	}
	if v := l.rollout(id).State.Verdict; v == nil || v.Kind != analysis.Pass {
		t.Fatalf("the verdict that moved it on: %+v", v)
	}
	var phases []rollout.Phase
	for _, h := range l.rollout(id).State.History {
		phases = append(phases, h.To)
	}
	if want := []rollout.Phase{rollout.Pending, rollout.Progressing, rollout.Progressing, rollout.Succeeded}; !slices.Equal(phases, want) {
		t.Fatalf("phases %v, want %v", phases, want)
	}
	l.do(Act{ID: id, Verb: "undo", Actor: "ben"})
	if s, _ := l.View().Service("shop"); s.State.Stable != "blue" || l.picked("blue") != 10_000 {
		t.Fatalf("undo left %+v", s.State)
	}
}

func TestController_BrokenCandidateIsPutBackWithTheNumbersThatProveIt(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	var broken atomic.Bool
	stop := l.traffic(1000, func(version string) bool { return version == "green" && broken.Load() })
	defer stop()
	events, cancel := l.Subscribe(100)
	defer cancel()
	id := l.do(StartRollout{Plan: canary(stage(1000, time.Minute)), Actor: "ana"}).ID
	l.until("green has 10 %", func() bool { return l.picked("green") == 1000 })
	time.Sleep(300 * time.Millisecond)
	broken.Store(true)
	began := time.Now()
	l.until("green has nothing", func() bool { return l.picked("green") == 0 })
	took := time.Since(began)
	l.until("the state says so", func() bool { return l.phase(id) == rollout.RolledBack })
	r := l.rollout(id)
	v := r.State.Verdict
	if v == nil || v.Kind != analysis.Fail || v.Path != analysis.PathFast || v.Candidate.X < 4 || v.Stable.X != 0 || v.Evidence < v.Threshold {
		t.Fatalf("the verdict does not prove it: %+v", v)
	}
	if took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
	if !strings.Contains(r.State.Reason, "error_rate > 1%") {
		t.Errorf("reason %q does not name the rule", r.State.Reason)
	}
	if len(r.Rules) == 0 {
		t.Error("the rules of the ended rollout are gone")
	}
	var cut, ended bool
	for !cut || !ended {
		select {
		case e := <-events:
			cut = cut || e.Kind == "cut" && e.Verdict != nil
			if e.Kind == "rollout" && e.Phase == rollout.RolledBack {
				ended = true
				if !cut {
					t.Error("the state changed before the traffic")
				}
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("events: cut %v, rolled back %v", cut, ended)
		}
	}
	var metrics strings.Builder
	l.WriteMetrics(&metrics)
	for _, want := range []string{
		`weir_rollbacks_total{service="shop",path="fast"} 1`, `weir_split_weight_ratio{service="shop",version="green"} 0`,
		`weir_request_errors_total{service="shop",version="green",reason="status"}`, `weir_request_duration_seconds_bucket{service="shop",version="blue",le="0.003"}`,
	} {
		if !strings.Contains(metrics.String(), want) {
			t.Errorf("metrics lack %s in\n%s", want, metrics.String())
		}
	}
}

func TestController_AbortIsInForceWhenItReturns(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	f := func(prepare func(id string)) {
		t.Helper()
		id := l.do(StartRollout{Plan: canary(stage(5000, time.Hour)), Actor: "ana"}).ID
		l.until("half is on green", func() bool { return l.picked("green") == 5000 })
		prepare(id)
		l.do(Act{ID: id, Verb: "abort", Actor: "ben", Reason: "smells"})
		if n := l.picked("green"); n != 0 {
			t.Fatalf("green still has %d buckets", n)
		}
		if r := l.rollout(id); r.State.Phase != rollout.Aborted || !strings.Contains(r.State.Reason, "ben") || !strings.Contains(r.State.Reason, "smells") {
			t.Fatalf("after abort: %s, %q", r.State.Phase, r.State.Reason)
		}
	}
	f(func(string) {})
	f(func(id string) { l.do(Act{ID: id, Verb: "pause", Actor: "ana"}) })
}

func TestController_PauseStopsTheStageAndResumeGoesOn(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	stop := l.traffic(500, func(string) bool { return false })
	defer stop()
	id := l.do(StartRollout{Plan: canary(stage(1000, 700*time.Millisecond), stage(9000, time.Hour)), Actor: "ana"}).ID
	l.until("the stage runs", func() bool { return l.phase(id) == rollout.Progressing })
	l.do(Act{ID: id, Verb: "pause", Actor: "ana"})
	time.Sleep(time.Second)
	if r := l.rollout(id); r.State.Stage != 0 || r.State.Phase != rollout.Paused || r.StageElapsed > 600*time.Millisecond {
		t.Fatalf("while paused: stage %d, %s, elapsed %s", r.State.Stage, r.State.Phase, r.StageElapsed)
	}
	e := l.refused(Act{ID: id, Verb: "pause", Actor: "nobody"})
	if e.Kind != Conflict || !slices.Contains(e.Allowed, "resume") {
		t.Fatalf("a second pause: %+v", e)
	}
	l.do(Act{ID: id, Verb: "resume", Actor: "ana"})
	l.until("the next stage begins", func() bool { return l.rollout(id).State.Stage == 1 })
	l.do(Act{ID: id, Verb: "promote", Actor: "ana"})
	if got := l.phase(id); got != rollout.Succeeded {
		t.Fatalf("promoting the last stage left %s", got)
	}
}

func TestController_RestartResumesStageTimeAndEvidence(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	stop := l.traffic(1000, func(string) bool { return false })
	id := l.do(StartRollout{Plan: canary(stage(1000, 30*time.Second)), Actor: "ana"}).ID
	l.until("a second was judged", func() bool {
		r := l.rollout(id)
		return r.StageElapsed > time.Second && len(r.Rules) > 0 && r.Rules[0].Candidate.N > 50
	})
	stop()
	before := l.rollout(id)
	l.stop()
	time.Sleep(500 * time.Millisecond)
	l.start()
	l.until("the trial is resumed", func() bool { return len(l.rollout(id).Rules) > 0 })
	after := l.rollout(id)
	if after.State.Phase != rollout.Progressing || after.State.Stage != 0 || l.picked("green") != 1000 {
		t.Fatalf("after the restart: %s, stage %d, green has %d buckets", after.State.Phase, after.State.Stage, l.picked("green"))
	}
	if d := after.StageElapsed - before.StageElapsed; d < 0 || d > time.Second {
		t.Fatalf("stage time went from %s to %s", before.StageElapsed, after.StageElapsed)
	}
	if after.Rules[0].Candidate.N < before.Rules[0].Candidate.N {
		t.Fatalf("evidence went from %d to %d requests", before.Rules[0].Candidate.N, after.Rules[0].Candidate.N)
	}
}

func TestController_WeightsByHand(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	w := func(blue, green, red configs.Weight) map[string]configs.Weight {
		return map[string]configs.Weight{"blue": blue, "green": green, "red": red}
	}
	first := l.do(SetWeights{Service: "shop", Weights: w(9000, 1000, 0), Actor: "ana"})
	if l.picked("green") != 1000 || !first.Created {
		t.Fatalf("green has %d buckets; %+v", l.picked("green"), first)
	}
	if again := l.do(SetWeights{Service: "shop", Weights: w(8000, 2000, 0), Actor: "ana"}); again.ID != first.ID || l.picked("green") != 2000 {
		t.Fatalf("a further change: %+v, green has %d buckets", again, l.picked("green"))
	}
	second := l.do(SetWeights{Service: "shop", Weights: w(7000, 2000, 1000), Actor: "ana"})
	if second.ID == first.ID || l.phase(first.ID) != rollout.Superseded || l.picked("red") != 1000 {
		t.Fatalf("another candidate: %+v, the first is %s", second, l.phase(first.ID))
	}
	l.do(SetWeights{Service: "shop", Weights: w(10000, 0, 0), Actor: "ana"})
	if got := l.phase(second.ID); got != rollout.Aborted || l.picked("blue") != 10_000 {
		t.Fatalf("all on stable left %s", got)
	}
}

func TestController_RefusesWhatContradictsTheState(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	f := func(cmd Command, kind ErrorKind, hint string) {
		t.Helper()
		e := l.refused(cmd)
		if e.Kind != kind || !strings.Contains(e.Error()+strings.Join(e.Problems, " "), hint) {
			t.Errorf("%T: kind %d, %q %q, want kind %d and %q", cmd, e.Kind, e.Error(), e.Problems, kind, hint)
		}
	}
	state, _ := l.View().Service("shop")
	half := map[string]configs.Weight{"blue": 5000, "green": 5000}
	f(SetWeights{Service: "shop", Weights: map[string]configs.Weight{"blue": 5000, "green": 4000}, Actor: "nobody"}, Invalid, "90%")
	f(SetWeights{Service: "shop", Weights: map[string]configs.Weight{"blue": 5000, "grean": 5000}, Actor: "nobody"}, Invalid, "grean")
	f(SetWeights{Service: "shop", Weights: half, IfMatch: state.StateRevision + 1, Actor: "nobody"}, Stale, "read them again")
	f(SetWeights{Service: "shoe", Weights: half, Actor: "nobody"}, NotFound, "shop")
	f(StartRollout{Plan: configs.Rollout{Service: "shop", To: "greeen", Strategy: "canary", Stages: []configs.Stage{stage(100, time.Second)}}, Actor: "nobody"}, Invalid, "greeen")
	f(Act{ID: "shop-1", Verb: "abort", Actor: "nobody"}, NotFound, "shop-1")
	f(ApplyService{Document: shop(), IfMatch: -1, Actor: "nobody"}, Stale, "exists")
	other := shop()
	other.Name = "other"
	f(ApplyService{Document: other, Actor: "nobody"}, Conflict, "shop")

	id := l.do(StartRollout{Plan: canary(stage(1000, time.Hour)), Actor: "ana"}).ID
	l.until("green has 10 %", func() bool { return l.picked("green") == 1000 })
	f(SetWeights{Service: "shop", Weights: half, Actor: "nobody"}, Conflict, id)
	f(StartRollout{Plan: canary(stage(1000, time.Hour)), Actor: "nobody"}, Conflict, id)
	f(DeleteService{Name: "shop", Actor: "nobody"}, Conflict, id)
	without := shop()
	delete(without.Versions, "green")
	f(ApplyService{Document: without, Actor: "nobody"}, Conflict, id)
	rebuilt := shop()
	rebuilt.Versions["blue"] = configs.Version{Endpoints: []string{"127.0.0.1:9001"}, Revision: "new"}
	f(ApplyService{Document: rebuilt, Actor: "nobody"}, Conflict, "revision")
	if n := l.picked("green"); n != 1000 {
		t.Fatalf("a refused command moved weights: green has %d", n)
	}
	l.do(Act{ID: id, Verb: "abort", Actor: "ana"})
	f(Act{ID: id, Verb: "resume", Actor: "nobody"}, Conflict, id)
	l.do(DeleteService{Name: "shop", Actor: "ana"})
	if l.tables.Load().Service("shop") != nil {
		t.Fatal("a deleted service is still routed")
	}
}

func TestController_ChangedRevisionOfACandidateStartsOver(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	stop := l.traffic(500, func(string) bool { return false })
	defer stop()
	id := l.do(StartRollout{Plan: canary(stage(500, 200*time.Millisecond), stage(5000, time.Hour)), Actor: "ana"}).ID
	l.until("the second stage runs", func() bool { return l.picked("green") == 5000 })
	rebuilt := shop()
	rebuilt.Versions["green"] = configs.Version{Endpoints: []string{"127.0.0.1:9002"}, Revision: "new"}
	l.do(ApplyService{Document: rebuilt, Actor: "ana"})
	r := l.rollout(id)
	if r.State.Stage != 0 || r.State.Generation != 1 || l.picked("green") != 500 {
		t.Fatalf("stage %d, generation %d, green has %d buckets", r.State.Stage, r.State.Generation, l.picked("green"))
	}
}

func TestController_ApplyNeverMovesWeights(t *testing.T) {
	l := newLab(t)
	doc := shop()
	l.do(ApplyService{Document: doc, Actor: "ana"})
	l.do(SetWeights{Service: "shop", Weights: map[string]configs.Weight{"blue": 7000, "green": 3000}, Actor: "ana"})
	doc.Weights = map[string]configs.Weight{"blue": 10_000}
	doc.Timeout = configs.Duration(time.Second)
	if r := l.do(ApplyService{Document: doc, DryRun: true, Actor: "ana"}); len(r.Changes) != 1 || !strings.HasPrefix(r.Changes[0], "timeout") {
		t.Fatalf("dry run: %+v", r)
	}
	if s, _ := l.View().Service("shop"); s.Document.Timeout.Std() != 15*time.Second {
		t.Fatal("a dry run changed the document")
	}
	l.do(ApplyService{Document: doc, Actor: "ana"})
	if s, _ := l.View().Service("shop"); s.Document.Timeout.Std() != time.Second || l.picked("green") != 3000 {
		t.Fatalf("timeout %s, green has %d buckets", s.Document.Timeout, l.picked("green"))
	}
}

func TestController_NewServiceOffStableOpensAManualRollout(t *testing.T) {
	l := newLab(t)
	doc := shop()
	doc.Weights = map[string]configs.Weight{"blue": 9975, "green": 25}
	reply := l.do(ApplyService{Document: doc, Actor: "ana"})
	if reply.ID == "" || l.picked("green") != 25 {
		t.Fatalf("reply %+v, green has %d buckets", reply, l.picked("green"))
	}
	if r := l.rollout(reply.ID); r.State.Strategy != configs.StrategyManual || !r.InForce {
		t.Fatalf("rollout %+v", r.State)
	}
	raw, err := json.Marshal(l.rollout(reply.ID).State)
	if err != nil || !strings.Contains(string(raw), `"green":"0.25%"`) {
		t.Fatalf("as JSON: %s, %v", raw, err)
	}
}
