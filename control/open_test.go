package control

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/control/rollout"
)

func TestOpen_LostEvidenceTakesTheFuseOfAFleetAndOnlyThat(t *testing.T) {
	f := func(what string, nodes int, fuse func(b *bare), lost bool) {
		t.Helper()
		b := newBare(t)
		fuse(b)
		if trial := b.trialOf(func(p *rollout.Pair) { p.Rollout.Nodes = nodes }); trial.lost != lost {
			t.Errorf("%s: lost %v, want %v", what, trial.lost, lost)
		}
	}
	save := func(change func(e *evidence)) func(b *bare) {
		return func(b *bare) {
			trial, err := newTrial(running().Rollout, shop(), 1, nil)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := trial.encode("one", "boot")
			if err != nil {
				t.Fatal(err)
			}
			var e evidence
			if err := json.Unmarshal(raw, &e); err != nil {
				t.Fatal(err)
			}
			change(&e)
			if raw, err = json.Marshal(e); err != nil {
				t.Fatal(err)
			}
			b.opts.Store.SaveFuse("r1", raw)
		}
	}
	none := func(*bare) {}
	f("alone, nothing on disk", 1, none, false)
	f("fleet, nothing on disk", 3, none, true)
	f("fleet, no judge of the candidate", 3, save(func(e *evidence) { e.Judges = nil }), true)
	f("fleet, of another policy", 3, save(func(*evidence) {}), true) // it was a node alone
	f("fleet, not JSON", 3, func(b *bare) { b.opts.Store.SaveFuse("r1", []byte("{")) }, true)
	f("alone, as saved", 1, save(func(*evidence) {}), false)
}

func TestOpen_RolloutThatBeginsHereHasItsFuse(t *testing.T) {
	b := newBare(t)
	b.deliver(true, map[string]any{"services/shop": shop(), "state/shop": rollout.NewService(shop(), shopTime())})
	b.deliver(false, shopWith(func(p *rollout.Pair) { p.Rollout.Nodes = 3 }))
	if b.trials["r1"] == nil || b.trials["r1"].lost {
		t.Fatalf("trial %+v", b.trials["r1"])
	}
}

func TestTrial_WithoutItsFuseHeedsProbesAlone(t *testing.T) {
	b := newBare(t)
	trial := b.trialOf(func(p *rollout.Pair) { p.Rollout.Nodes = 3 })
	side := trial.sides[0]
	for at := analysis.TickLength; at < 10*time.Second; at += analysis.TickLength {
		side.judge.Observe(analysis.Sample{
			At: at, Horizon: analysis.Settled, Stable: analysis.Counts{N: 90}, Candidate: analysis.Counts{N: 10, X: 10, Raw: 10},
		})
	}
	if !side.judge.Failed() {
		t.Fatal("all requests failed, and the judge did not")
	}
	b.pass(time.Millisecond)
	if side.judge.Failed() || b.picked("green") != 1000 {
		t.Fatal("evidence that may have been spent cut the candidate")
	}
	b.opts.Endpoints.Endpoint("shop", "green", "127.0.0.1:9002").SetUp(false)
	b.stirred++
	for range 6 {
		b.pass(time.Second)
	}
	if b.picked("green") != 0 {
		t.Fatal("a dead candidate keeps its traffic")
	}
}

func TestTrial_FollowerTakesOverTheStageTimeOfTheLeader(t *testing.T) {
	b := newBare(t)
	trial := b.trialOf(nil)
	of := func(elapsed time.Duration, stage int) evidence {
		return evidence{Stretch: rollout.Stretch{Stage: stage, Phase: rollout.Progressing}, StageElapsed: elapsed, Elapsed: elapsed}
	}
	f := func(e evidence, want time.Duration) {
		t.Helper()
		b.deliver(false, map[string]any{"evidence/r1": e})
		b.pass(time.Second)
		if trial.stageElapsed != want {
			t.Errorf("stage time %s, want %s", trial.stageElapsed, want)
		}
	}
	f(of(7*time.Second, 0), 7*time.Second)
	f(of(9*time.Second, 1), 7*time.Second) // of another stage
	f(of(2*time.Second, 0), 7*time.Second) // older than what is known
	f(of(11*time.Second, 0), 11*time.Second)
}
