package control

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/notify"
	"github.com/weirproxy/weir/control/rollout"
)

// wall is a machine's clock that somebody sets: what it shows goes by an offset,
// what it measures does not, as with the real one.
type wall struct{ offset atomic.Int64 }

func (w *wall) step(by time.Duration) { w.offset.Add(int64(by)) }

func (w *wall) now() time.Time { return stepped(time.Now(), time.Duration(w.offset.Load())) }

// stepped is t as a clock shows it that was set by whole seconds. A time with a
// reading of the monotonic clock has the seconds of its wall clock above 30 bits of
// nanoseconds; nothing else can make one without the other.
func stepped(t time.Time, by time.Duration) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) += uint64(int64(by/time.Second)) << 30
	return t
}

func TestClock_SteppedTimesDifferByTheWallAlone(t *testing.T) {
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		now := time.Now()
		set := stepped(now, by)
		if measured, shown := set.Sub(now), set.Round(0).Sub(now.Round(0)); measured != 0 || shown != by {
			t.Fatalf("set by %s: it measures %s and shows %s", by, measured, shown)
		}
	}
}

// The clocks of both nodes are set by an hour in the middle of a rollout, in both
// ways: no stage is shortened, repeated or skipped, nobody loses the lead, and what
// is to be told is told.
func TestClock_AnHourEitherWayMovesNoPlan(t *testing.T) {
	endpoint := sharedEtcd(t)
	var clocks [2]wall
	var failures atomic.Int32
	var told atomic.Int32
	deliver := func(context.Context, *configs.Notifier, *notify.Entry) error {
		if failures.Add(1) <= 2 {
			return errors.New("down")
		}
		told.Add(1)
		return nil
	}
	join := func(i int, node string) *lab {
		l := &lab{t: t, dir: t.TempDir(), base: time.Now(), node: node, external: endpoint, deliver: deliver, clock: clocks[i].now}
		l.start()
		t.Cleanup(func() { l.stop() })
		return l
	}
	a, b := join(0, "a"), join(1, "b")
	a.until("both nodes are known", func() bool { return len(a.View().Nodes) == 2 && len(b.View().Nodes) == 2 })
	a.do(ApplyNotifier{Document: configs.Notifier{Name: "ops", Webhook: &configs.WebhookTarget{URL: "http://127.0.0.1:1/"}, On: []string{"started"}}, Actor: "ana"})
	a.do(ApplyService{Document: shop(), Actor: "ana"})
	const stageTime = 3 * time.Second
	weights := []configs.Weight{1000, 3000, 6000}
	plan := canary(stage(weights[0], stageTime), stage(weights[1], stageTime), stage(weights[2], stageTime))
	led := a.View().LeaderNode
	id := a.do(StartRollout{Plan: plan, Actor: "ana"}).ID
	steps := []func(){
		func() { clocks[0].step(time.Hour); clocks[1].step(-time.Hour) },
		func() { clocks[0].step(-2 * time.Hour); clocks[1].step(2 * time.Hour) },
		func() { clocks[0].step(time.Hour); clocks[1].step(-time.Hour) },
	}
	var began time.Time
	for i, w := range weights {
		a.until("the stage's weight", func() bool { return a.picked("green") == int(w) })
		if took := time.Since(began); i > 0 && took < stageTime-time.Second {
			t.Errorf("stage %d lasted %s instead of %s", i, took, stageTime)
		}
		began = time.Now()
		steps[i]()
	}
	a.until("the end", func() bool { return a.phase(id) == rollout.Succeeded && b.phase(id) == rollout.Succeeded })
	next := -1
	for _, h := range a.rollout(id).State.History {
		if h.Stage < next || h.Stage > next+1 {
			t.Errorf("from stage %d to %d: %+v", next, h.Stage, a.rollout(id).State.History)
		}
		next = h.Stage
	}
	if now := a.View().LeaderNode; now != led {
		t.Errorf("the lead went from %s to %s", led, now)
	}
	a.until("the event is told though its tries are of another hour", func() bool { return told.Load() == 1 })
}

// A freeze is a thing of the wall clock: it holds while that says so, and no more.
func TestClock_AFreezeGoesByTheWall(t *testing.T) {
	var clock wall
	l := &lab{t: t, dir: t.TempDir(), base: time.Now(), clock: clock.now}
	l.start()
	t.Cleanup(func() { l.stop() })
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	l.do(ApplyFreeze{Document: configs.Freeze{Name: "lunch", Until: time.Now().Add(30 * time.Minute).Format(time.RFC3339)}, Actor: "ana"})
	id := l.do(StartRollout{Plan: canary(stage(1000, time.Hour)), Actor: "ana"}).ID
	l.until("it waits", func() bool { return l.rollout(id).State.WaitingFor == rollout.WaitFreeze })
	clock.step(time.Hour)
	l.until("the freeze is over", func() bool { return l.picked("green") == 1000 })
}
