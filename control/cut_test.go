package control

import (
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
)

func TestCut_OfTheEvidenceBeforeDoesNotHideANewOne(t *testing.T) {
	b := newBare(t)
	b.trialOf(nil)
	b.cut(cutOf(0))
	b.settle()
	if b.picked("green") != 0 {
		t.Fatal("a cut left the candidate traffic")
	}
	b.deliver(false, shopWith(func(p *rollout.Pair) { p.Rollout.Generation, p.Service.Generation = 1, 1 }))
	if b.picked("green") != 1000 {
		t.Fatalf("a cut of the evidence before still counts: green has %d", b.picked("green"))
	}
	b.cut(cutOf(1))
	b.settle()
	if b.picked("green") != 0 || len(b.opts.Store.Cuts()) != 1 {
		t.Fatalf("the second cut: green has %d, the journal %d cuts", b.picked("green"), len(b.opts.Store.Cuts()))
	}
}

// A success and a cut can be on their way at the same time. The node that cut
// must not forget it on seeing the success.
func TestCut_OutlivesASuccessThatOvertookIt(t *testing.T) {
	b := newBare(t)
	trial := b.trialOf(nil)
	b.cut(cutOf(0))
	b.settle()
	b.deliver(false, shopWith(func(p *rollout.Pair) { *p = must(*p, rollout.Command{At: b.clock, Verb: "promote", Full: true}) }))
	if b.picked("green") != 10_000 {
		t.Fatal("the state says that green is stable")
	}
	pair, _ := b.mirror.pair("r1")
	event := b.unanswered(trial, pair, b.clock.Add(time.Second))
	if len(b.opts.Store.Cuts()) != 1 || event == nil {
		t.Fatalf("the cut is forgotten: %d in the journal, event %v", len(b.opts.Store.Cuts()), event)
	}
	after, _, err := rollout.Step(pair, *event, time.Second)
	if err != nil || after.Rollout.Phase != rollout.RolledBack || after.Service.Stable != "blue" {
		t.Fatalf("the success is not taken back: %s, stable %s, %v", after.Rollout.Phase, after.Service.Stable, err)
	}
	// Not for ever: nobody is asked to undo a release a minute later.
	b.pass(aftermath + time.Second)
	if len(b.opts.Store.Cuts()) != 0 || len(b.cuts) != 0 {
		t.Fatalf("after the aftermath %d cuts are left", len(b.cuts))
	}
}

func TestCut_AllBackToStableByHandWaitsForNoWrite(t *testing.T) {
	b := newBare(t)
	doc := shop()
	p, err := rollout.NewManual("r1", map[string]configs.Weight{"blue": 9000, "green": 1000}, doc, rollout.NewService(doc, shopTime()), shopTime(), "ana")
	if err != nil {
		t.Fatal(err)
	}
	b.trialOf(func(into *rollout.Pair) { *into = p })
	answer, err := b.plan(SetWeights{Service: "shop", Weights: map[string]configs.Weight{"blue": 10_000}, Actor: "ben"}, "ABCDEFGH", shopTime())
	if err != nil || !answer.cut || b.picked("green") != 0 {
		t.Fatalf("plan %+v, %v; green has %d", answer.reply, err, b.picked("green"))
	}
	b.settle()
	if len(b.opts.Store.Cuts()) != 1 {
		t.Fatal("the cut is not on disk")
	}
}

func TestTrial_EndsWithoutATraceWhateverBecameOfItsService(t *testing.T) {
	f := func(end func(b *bare)) {
		t.Helper()
		b := newBare(t)
		trial := b.trialOf(nil)
		b.pass(time.Second)
		if _, ok, _ := b.opts.Store.LoadFuse("r1"); !ok {
			t.Fatal("the evidence is not on disk")
		}
		end(b)
		b.pass(aftermath / 2)
		if len(b.trials) != 1 {
			t.Fatal("the trial ended before its aftermath")
		}
		b.pass(aftermath)
		_, fuse, err := b.opts.Store.LoadFuse("r1")
		if len(b.trials) != 0 || fuse || err != nil || trial.recorder.Armed() != nil {
			t.Fatalf("%d trials are left, fuse on disk: %v, %v, armed: %v", len(b.trials), fuse, err, trial.recorder.Armed() != nil)
		}
	}
	f(func(b *bare) {
		b.deliver(false, shopWith(func(p *rollout.Pair) { *p = must(*p, rollout.Command{At: shopTime(), Verb: "abort"}) }))
	})
	f(func(b *bare) {
		b.deliver(false, map[string]any{"services/shop": nil, "state/shop": nil})
	})
	f(func(b *bare) { b.deliver(true, nil) })
}

// A rollout that begins within the aftermath of another arms its own counts.
func TestTrial_OfARolloutThatIsOverLeavesTheNextOneAlone(t *testing.T) {
	b := newBare(t)
	old := b.trialOf(nil)
	ended := must(running(), rollout.Command{At: shopTime(), Verb: "abort"})
	next, err := rollout.New("r2", canary(stage(1000, time.Hour)), shop(), ended.Service, shopTime(), "ana")
	if err != nil {
		t.Fatal(err)
	}
	b.deliver(false, map[string]any{"rollouts/r1": ended.Rollout, "rollouts/r2": next.Rollout, "state/shop": next.Service})
	fresh := b.trials["r2"]
	b.pass(aftermath + time.Second)
	if len(b.trials) != 1 || old.recorder.Armed() != fresh.stable || fresh.sides[0].recorder.Armed() != fresh.sides[0].recorded {
		t.Fatalf("%d trials; the new one is not armed", len(b.trials))
	}
}
