package control

import (
	"context"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
	"github.com/weirproxy/weir/proxy/stats"
)

// ticking is a bare leader with a rollout in a stage, whose clocks go on with its looks.
func ticking(t *testing.T, stage time.Duration) (*bare, *trial, func()) {
	t.Helper()
	b := newBare(t)
	trial := b.trialOf(func(p *rollout.Pair) { p.Rollout.Plan.Stages[0].Duration = configs.Duration(stage) })
	clock := int64(time.Second)
	b.opts.Now = func() int64 { return clock }
	return b, trial, func() {
		clock += int64(lookEvery)
		b.clock = b.clock.Add(lookEvery)
		b.lookAs(true, store.Compare{}, b.clock)
	}
}

func TestLook_NapsUntilTheTickEndsAndStageTimePasses(t *testing.T) {
	b, trial, look := ticking(t, time.Hour)
	look() // the first one has no time before it
	naps := 0
	for i := range 40 {
		was := trial.nap
		look()
		if want := time.Duration(i+1) * lookEvery; trial.stageElapsed != want || trial.elapsed != want {
			t.Fatalf("look %d: stage time %s of %s, want %s", i, trial.stageElapsed, trial.elapsed, want)
		}
		if trial.nap == was {
			naps++
		}
	}
	if naps != 30 {
		t.Errorf("%d of 40 looks were left out, want three of four", naps)
	}
	b.settle()
}

func TestLook_WakesForTheEndOfAStageWithinATick(t *testing.T) {
	for _, stage := range []time.Duration{210 * time.Millisecond, 225 * time.Millisecond, 300 * time.Millisecond} {
		b, trial, look := ticking(t, stage)
		for !b.turns["shop"].underWay {
			look()
			if trial.stageElapsed > stage+lookEvery {
				t.Fatalf("a stage of %s goes on after %s", stage, trial.stageElapsed)
			}
		}
		if late := trial.stageElapsed - stage; late < 0 || late >= lookEvery {
			t.Errorf("a stage of %s ended after %s", stage, trial.stageElapsed)
		}
		b.settle()
	}
}

func TestLook_WakesForWhatIsNeitherTimeNorTraffic(t *testing.T) {
	f := func(what string, happen func(b *bare)) {
		t.Helper()
		b, trial, look := ticking(t, time.Hour)
		look()
		for look(); trial.nap.tick != b.tick(); look() {
		}
		was := b.stirred
		happen(b)
		if b.settle(); b.stirred == was {
			t.Errorf("%s wakes nobody", what)
		}
		if trial.naps(b.tick(), 0, b.stirred) {
			t.Errorf("%s finds the trial napping", what)
		}
	}
	f("what etcd says", func(b *bare) { b.deliver(false, map[string]any{"state/other": rollout.NewService(shop(), shopTime())}) })
	f("what a worker brings", func(b *bare) { b.work(func(ctx context.Context) func() { return func() {} }) })
	f("a new table", func(b *bare) { b.publish() })
	f("an endpoint", func(b *bare) {
		e := b.opts.Endpoints.Endpoint("shop", "green", "127.0.0.1:9002")
		b.tellEndpoint(e, "ejected", "")
	})
}

// A request that outlives its tick is waited for, look by look.
func TestLook_StaysAwakeWhileARequestOfAnEarlierTickIsUnderWay(t *testing.T) {
	b, trial, look := ticking(t, time.Hour)
	look()
	token := b.opts.Recorders.Recorder("shop", "blue").Begin(0, stats.Split, b.opts.Now(), -1)
	for range 8 {
		look()
	}
	if trial.nap.tick != 0 {
		t.Error("it naps, and does not see the request end")
	}
	b.opts.Recorders.Recorder("shop", "blue").End(&token, b.opts.Now(), stats.Outcome{Status: 200})
	if look(); trial.nap.tick == 0 {
		t.Error("it stays awake with nothing to wait for")
	}
	b.settle()
}
