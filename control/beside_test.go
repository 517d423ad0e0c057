package control

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/stats"
)

// aside plays rps requests a second of a lane into green until stop is called.
func (l *lab) aside(lane stats.Lane, rps int, status int) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		started, sent := time.Now(), 0
		for ctx.Err() == nil {
			for ; sent < int(time.Since(started).Seconds()*float64(rps)); sent++ {
				v := l.compiled("shop", "green")
				at := int64(time.Since(l.base))
				token := v.Recorder.Begin(0, lane, at, -1)
				o := stats.Outcome{Status: status}
				if status >= 500 {
					o.Reason = stats.Status
				}
				v.Recorder.Head(&token, at+1e6, time.Millisecond, status, status >= 500)
				v.Recorder.End(&token, at+2e6, o)
			}
			time.Sleep(2 * time.Millisecond)
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

func beta(d time.Duration) configs.Stage {
	return configs.Stage{Duration: configs.Duration(d), Match: []configs.Match{{Header: "X-Beta"}}}
}

func copies(d time.Duration) configs.Stage {
	return configs.Stage{Duration: configs.Duration(d), Mirror: 1_000}
}

func TestBeside_CandidateFailsBeforeTheSplitGivesItUsers(t *testing.T) {
	f := func(stages []configs.Stage, lane stats.Lane, ends rollout.Phase) {
		t.Helper()
		l := newLab(t)
		defer l.stop()
		l.do(ApplyService{Document: shop(), Actor: "ana"})
		defer l.traffic(500, func(string) bool { return false })()
		id := l.startPlan(canary(stages...))
		l.until("the stage began", func() bool { return l.phase(id) == rollout.Progressing })
		defer l.aside(lane, 200, 500)()
		l.until("it ended", func() bool { return l.phase(id) == ends })
		r := l.rollout(id)
		if v := r.State.Verdict; v == nil || v.Kind != analysis.Fail || v.Rule != "guard-errors-beside" {
			t.Errorf("the verdict is %+v", v)
		}
		s := l.tables.Load().Service("shop")
		if s.Force != nil || s.Mirror != nil || l.picked("blue") != 10_000 {
			t.Errorf("something of green is left in the table: %v %v", s.Force, s.Mirror)
		}
	}
	f([]configs.Stage{beta(time.Hour), stage(500, time.Hour)}, stats.Forced, rollout.RolledBack)
	f([]configs.Stage{copies(time.Hour), stage(500, time.Hour)}, stats.Mirror, rollout.Failed)
}

// What comes beside the split is no evidence for it: it passes nothing.
func TestBeside_PassesNothing(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	defer l.traffic(50, func(string) bool { return false })()
	plan := canary(beta(500*time.Millisecond), stage(100, 300*time.Millisecond))
	plan.Stages[1].Checks = checks(t, "error_rate < 0.1%")
	id := l.startPlan(plan)
	l.until("users are led to green", func() bool { return l.tables.Load().Service("shop").Force != nil })
	defer l.aside(stats.Forced, 2000, 200)()
	l.until("the split has its weight", func() bool { return l.picked("green") == 100 })
	l.until("it waits for evidence", func() bool { return l.rollout(id).State.WaitingFor == rollout.WaitEvidence })
	if l.tables.Load().Service("shop").Force == nil {
		t.Error("the chosen users are left out of the next stage")
	}
	l.do(Act{ID: id, Verb: "abort", Actor: "ben"})
	if s := l.tables.Load().Service("shop"); s.Force != nil {
		t.Error("the abort lets users stay on green")
	}
}

// Users of stable in trouble say that the candidate is not to blame.
func TestBeside_SharedTroubleIsNotTheCandidates(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	defer l.traffic(500, func(string) bool { return true })()
	id := l.startPlan(canary(copies(3*time.Second), stage(500, time.Hour)))
	l.until("the stage began", func() bool { return l.phase(id) == rollout.Progressing })
	defer l.aside(stats.Mirror, 200, 500)()
	l.until("the stage is over", func() bool { return l.picked("green") == 500 })
}

// startPlan starts a plan, which a person must not have to mend.
func (l *lab) startPlan(plan configs.Rollout) string {
	l.t.Helper()
	return l.do(StartRollout{Plan: plan, Actor: "ana"}).ID
}

func checks(t *testing.T, texts ...string) []analysis.Condition {
	t.Helper()
	var all []analysis.Condition
	for _, text := range texts {
		c, err := analysis.ParseCondition(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}
