package control

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/hook"
	"github.com/weirproxy/weir/control/rollout"
)

// asker is the other side of hooks.
type asker struct {
	mu    sync.Mutex
	keys  []string // of the questions, in order
	reply func(q rollout.AskHook, nth int) hook.Reply
}

func (a *asker) ask(_ context.Context, q rollout.AskHook, _ rollout.State) hook.Reply {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = append(a.keys, q.Key)
	return a.reply(q, len(a.keys))
}

func (a *asker) asked() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.keys...)
}

func (a *asker) set(reply func(q rollout.AskHook, nth int) hook.Reply) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reply = reply
}

func says(answer rollout.Answer, text string) func(rollout.AskHook, int) hook.Reply {
	return func(rollout.AskHook, int) hook.Reply { return hook.Reply{Answer: answer, Text: text} }
}

func newHookLab(t *testing.T, a *asker) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir(), base: time.Now(), askHook: a.ask}
	l.start()
	t.Cleanup(func() { l.stop() })
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	return l
}

// at the speed of tests, a hook that says wait is asked again after a second.
func hooked(mode, at string) configs.Hook {
	return configs.Hook{Name: "qa", At: at, Mode: mode, URL: "http://127.0.0.1:1/", Interval: configs.Duration(time.Second)}
}

// measures looks for a line in the metrics.
func (l *lab) measures(line string) {
	l.t.Helper()
	var b strings.Builder
	l.WriteMetrics(&b)
	if !strings.Contains(b.String(), "\n"+line) {
		l.t.Errorf("the metrics lack %q", line)
	}
}

func (l *lab) waits(id string, w rollout.Wait) {
	l.t.Helper()
	l.until("it waits for "+string(w), func() bool { return l.rollout(id).State.WaitingFor == w })
}

func TestController_AGateHoldsTheFirstStageAndANewLeaderAsksUnderTheSameKey(t *testing.T) {
	a := &asker{reply: says(rollout.HookWait, "not yet")}
	l := newHookLab(t, a)
	plan := canary(stage(1000, time.Hour))
	plan.Hooks = []configs.Hook{hooked("gate", "start")}
	id := l.do(StartRollout{Plan: plan, Actor: "ana"}).ID
	l.until("the reason is the gate's", func() bool { return strings.Contains(l.rollout(id).State.Reason, "not yet") })
	l.stop()
	a.set(says(rollout.HookGo, ""))
	l.start()
	l.until("the stage begins", func() bool { return l.phase(id) == rollout.Progressing })
	for _, key := range a.asked() {
		if key != a.asked()[0] {
			t.Errorf("asked under %q and %q", a.asked()[0], key)
		}
	}
	if len(a.asked()) < 2 {
		t.Errorf("asked %d times", len(a.asked()))
	}
}

func TestController_ACheckWithoutAnswerIsCalledAgainBeforeItFails(t *testing.T) {
	a := &asker{reply: says(rollout.HookNone, "connection refused")}
	l := newHookLab(t, a)
	plan := canary(stage(1000, time.Hour))
	h := hooked("check", "start")
	h.OnError = "fail"
	once := 1
	h.Retries = &once
	plan.Hooks = []configs.Hook{h}
	id := l.do(StartRollout{Plan: plan, Actor: "ana"}).ID
	l.until("the rollout has failed", func() bool { return l.phase(id) == rollout.Failed })
	if n := len(a.asked()); n != 2 {
		t.Errorf("the hook was called %d times, not twice", n)
	}
	if l.picked("green") != 0 {
		t.Error("green has buckets")
	}
}

func TestController_AVetoPutsTheTrafficBack(t *testing.T) {
	a := &asker{reply: says(rollout.HookGo, "")}
	l := newHookLab(t, a)
	plan := canary(stage(1000, time.Hour))
	plan.Hooks = []configs.Hook{hooked("check", "any")}
	id := l.do(StartRollout{Plan: plan, Actor: "ana"}).ID
	l.until("the hook was asked", func() bool { return l.phase(id) == rollout.Progressing && len(a.asked()) > 0 })
	a.set(says(rollout.HookRefuse, "orders fell by half"))
	l.until("it is put back", func() bool { return l.phase(id) == rollout.RolledBack })
	if r := l.rollout(id).State; !strings.Contains(r.Reason, "orders fell by half") || l.picked("green") != 0 {
		t.Errorf("it ended with %q, green has %d buckets", r.Reason, l.picked("green"))
	}
	l.measures(`weir_hook_calls_total{hook="qa",answer="refuse"} `)
}

func TestController_AHangingHookDelaysNoAbort(t *testing.T) {
	release := make(chan struct{})
	a := &asker{}
	l := &lab{t: t, dir: t.TempDir(), base: time.Now(), askHook: func(ctx context.Context, q rollout.AskHook, _ rollout.State) hook.Reply {
		a.mu.Lock()
		a.keys = append(a.keys, q.Key)
		a.mu.Unlock()
		select {
		case <-release:
		case <-ctx.Done():
		}
		return hook.Reply{Answer: rollout.HookGo}
	}}
	l.start()
	t.Cleanup(func() { l.stop() })
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	plan := canary(stage(1000, time.Hour), stage(2000, time.Hour))
	plan.Hooks = []configs.Hook{hooked("check", "any")}
	id := l.do(StartRollout{Plan: plan, Actor: "ana"}).ID
	l.until("the hook hangs", func() bool { return len(a.asked()) == 1 })
	l.do(Act{ID: id, Verb: "abort", Actor: "ana"})
	if l.phase(id) != rollout.Aborted || l.picked("green") != 0 {
		t.Errorf("the rollout is %s, green has %d buckets", l.phase(id), l.picked("green"))
	}
	close(release)
	l.do(ApplyFreeze{Document: configs.Freeze{Name: "now"}, Actor: "ana"}) // the Controller goes on
	if l.phase(id) != rollout.Aborted {
		t.Errorf("a late answer made it %s", l.phase(id))
	}
}

func TestController_TwoPeopleApprove(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	plan := canary(stage(configs.Whole, time.Hour))
	plan.Approval, plan.Approvers = "manual", 2
	id := l.do(StartRollout{Plan: plan, Actor: "ana"}).ID
	l.waits(id, rollout.WaitApproval)
	l.do(Act{ID: id, Verb: "approve", Actor: "ana", Reason: "looks good"})
	if e := l.refused(Act{ID: id, Verb: "approve", Actor: "ana"}); e.Kind != Conflict {
		t.Errorf("a second approval by the same person: %+v", e)
	}
	if got := l.phase(id); got != rollout.Pending {
		t.Errorf("one approval made it %s", got)
	}
	l.do(Act{ID: id, Verb: "approve", Actor: "bob"})
	l.until("the stage begins", func() bool { return l.phase(id) == rollout.Progressing })
	by := l.rollout(id).State.Approvals
	if len(by) != 2 || by[0].Actor != "ana" || by[0].Reason != "looks good" || by[1].Actor != "bob" {
		t.Errorf("approved by %+v", by)
	}
}

func TestController_AFreezeHoldsStagesAndRaisesUntilItIsDeleted(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	l.do(ApplyFreeze{Document: configs.Freeze{Name: "now", Reason: "incident", Services: []string{"shop"}}, Actor: "ana"})
	if f, ok := l.View().Freeze("now"); !ok || !f.Active {
		t.Fatalf("the view shows %+v", l.View().Freezes)
	}
	l.measures(`weir_freeze_active{freeze="now"} 1`)
	if e := l.refused(SetWeights{Service: "shop", Weights: map[string]configs.Weight{"blue": 9000, "green": 1000}, Actor: "nobody"}); e.Kind != Conflict || !strings.Contains(e.Text, "incident") {
		t.Errorf("weights by hand: %+v", e)
	}
	started := l.do(StartRollout{Plan: canary(stage(1000, time.Hour), stage(2000, time.Hour)), Actor: "ana"})
	id := started.ID
	if !slices.ContainsFunc(started.Warnings, func(w string) bool { return strings.Contains(w, "incident") }) {
		t.Errorf("the start warns of %q", started.Warnings)
	}
	l.waits(id, rollout.WaitFreeze)
	if e := l.refused(Act{ID: id, Verb: "promote", Actor: "nobody"}); e.Kind != Conflict {
		t.Errorf("promote: %+v", e)
	}
	l.do(DeleteFreeze{Name: "now", Actor: "ana"})
	l.until("the stage begins", func() bool { return l.phase(id) == rollout.Progressing })
	l.do(ApplyFreeze{Document: configs.Freeze{Name: "now"}, Actor: "ana"})
	l.do(Act{ID: id, Verb: "abort", Actor: "ana"})
	if l.phase(id) != rollout.Aborted {
		t.Errorf("the abort led to %s", l.phase(id))
	}
	past := configs.Freeze{Name: "old", Until: "2020-01-01T00:00:00Z"}
	if e := l.refused(ApplyFreeze{Document: past, Actor: "nobody"}); e.Kind != Invalid {
		t.Errorf("a freeze that is over: %+v", e)
	}
	if e := l.refused(DeleteFreeze{Name: "none", Actor: "nobody"}); e.Kind != NotFound {
		t.Errorf("no such freeze: %+v", e)
	}
}

func TestController_QueuesRolloutsInOrder(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	first := l.do(StartRollout{Plan: canary(stage(1000, time.Hour)), Actor: "ana"}).ID
	if e := l.refused(StartRollout{Plan: canary(stage(1000, time.Hour)), Actor: "nobody"}); e.Kind != Conflict {
		t.Errorf("without a policy: %+v", e)
	}
	queue := func(actor string) string {
		plan := canary(stage(1000, time.Hour))
		plan.To, plan.Concurrency = "red", "queue"
		return l.do(StartRollout{Plan: plan, Actor: actor}).ID
	}
	second, dropped, third := queue("bob"), queue("cyd"), queue("dan")
	for _, id := range []string{second, dropped, third} {
		if l.phase(id) != rollout.Queued {
			t.Fatalf("%s is %s", id, l.phase(id))
		}
	}
	l.do(Act{ID: dropped, Verb: "abort", Actor: "cyd"})
	if l.phase(dropped) != rollout.Aborted || l.rollout(first).State.Phase.Final() {
		t.Fatalf("the abort of a queued one: %s, and the first is %s", l.phase(dropped), l.phase(first))
	}
	l.do(Act{ID: first, Verb: "abort", Actor: "ana"})
	l.until("the second begins", func() bool { return l.phase(second) == rollout.Progressing })
	if l.phase(third) != rollout.Queued {
		t.Errorf("the third is %s", l.phase(third))
	}
	l.do(Act{ID: second, Verb: "abort", Actor: "ana"})
	l.until("the third begins", func() bool { return l.phase(third) == rollout.Progressing })
	if e := l.refused(Act{ID: dropped, Verb: "pause", Actor: "nobody"}); e.Kind != Conflict {
		t.Errorf("a verb on what is over: %+v", e)
	}
}

func TestController_ReplacesWhatIsInForceAndWhatWaits(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	first := l.do(StartRollout{Plan: canary(stage(1000, time.Hour)), Actor: "ana"}).ID
	l.until("the first runs", func() bool { return l.phase(first) == rollout.Progressing })
	plan := canary(stage(1000, time.Hour))
	plan.To, plan.Concurrency = "red", "queue"
	second := l.do(StartRollout{Plan: plan, Actor: "bob"}).ID
	plan.Concurrency = "replace"
	third := l.do(StartRollout{Plan: plan, Actor: "cyd"}).ID
	l.until("the third runs", func() bool { return l.phase(third) == rollout.Progressing })
	if l.phase(first) != rollout.Superseded || l.phase(second) != rollout.Superseded {
		t.Errorf("the first is %s, the second %s", l.phase(first), l.phase(second))
	}
	if l.picked("green") != 0 || l.picked("red") != 1000 {
		t.Errorf("green has %d buckets, red %d", l.picked("green"), l.picked("red"))
	}
	if l.rollout(third).State.Replaces != first {
		t.Errorf("it replaces %q", l.rollout(third).State.Replaces)
	}
}

func TestController_AnAbortInStepsFallsToItsEnd(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	plan := canary(stage(5000, time.Hour))
	plan.Abort.Ramp = configs.Duration(3 * time.Second)
	id := l.do(StartRollout{Plan: plan, Actor: "ana"}).ID
	l.until("it runs", func() bool { return l.phase(id) == rollout.Progressing })
	l.do(Act{ID: id, Verb: "abort", Actor: "ana"})
	last := 5000
	l.until("it has ended", func() bool {
		now := l.picked("green")
		if now > last {
			t.Errorf("green rose from %d to %d", last, now)
		}
		last = now
		return l.phase(id) == rollout.Aborted
	})
	between := false
	for _, step := range l.rollout(id).State.History {
		between = between || step.Weights["green"] == 3333
	}
	if !between {
		t.Errorf("it went in no steps: %+v", l.rollout(id).State.History)
	}

	plan.Abort.Ramp = configs.Duration(10 * time.Minute)
	again := l.do(StartRollout{Plan: plan, Actor: "ana"}).ID
	l.until("it runs again", func() bool { return l.phase(again) == rollout.Progressing })
	l.do(Act{ID: again, Verb: "abort", Actor: "ana"})
	if r := l.rollout(again).State; r.Phase.Final() || r.WaitingFor != rollout.WaitCapacity || r.Weights["green"] >= 5000 {
		t.Fatalf("the abort led to %s, %v", r.Phase, r.Weights)
	}
	l.do(Act{ID: again, Verb: "abort", Actor: "ana"})
	if l.phase(again) != rollout.Aborted || l.picked("green") != 0 {
		t.Errorf("a second abort led to %s, %d buckets", l.phase(again), l.picked("green"))
	}
}
