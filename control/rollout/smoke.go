package rollout

import (
	"fmt"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
)

// SmokePause is how long after a run of smoke checks that failed the next begins.
const SmokePause = 2 * time.Second

// smoked reports whether the plan's smoke checks stand in nobody's way.
func (m *machine) smoked() bool {
	r := &m.Rollout
	return len(r.Plan.Smoke) == 0 || r.Smoke != nil && r.Smoke.Passed
}

// runSmoke asks for the next run of the smoke checks, when it is time for it.
func (m *machine) runSmoke() {
	r := &m.Rollout
	run := 1
	if s := r.Smoke; s != nil {
		if m.elapsed < s.FailedAt.Std()+SmokePause && s.Failed > 0 {
			return
		}
		run = s.Runs + 1
	}
	m.wait(WaitEvidence, "smoke checks of %s are under way", r.To)
	m.emit(RunSmoke{Service: r.Service, Version: r.To, Generation: r.Generation, Run: run, Checks: r.Plan.Smoke})
}

// smokeDone takes in how a run ended.
func (m *machine) smokeDone(ev SmokeDone) {
	r := &m.Rollout
	before := r.Phase == Pending || r.Phase == Paused && r.Resume == Pending
	s := Smoke{}
	if r.Smoke != nil {
		s = *r.Smoke
	}
	if !before || m.smoked() || ev.Generation != r.Generation || ev.Run != s.Runs+1 {
		return
	}
	s.Runs = ev.Run
	r.Smoke = &s
	r.UpdatedAt = m.at
	if ev.Passed {
		s.Passed, s.Failed = true, 0
		if r.Phase == Pending {
			m.wait(WaitNothing, "the smoke checks passed")
		}
		return
	}
	s.Failed++
	s.FailedAt = configs.Duration(m.elapsed)
	limit, action := r.Plan.SmokeLimit()
	reason := fmt.Sprintf("smoke checks failed %s: %s", times(s.Failed), ev.Text)
	switch {
	case s.Failed < limit, r.Phase == Paused && action != analysis.Rollback:
		r.Reason = reason
	case action == analysis.Notify:
		s.Passed = true // it is only observed
		m.wait(WaitNothing, "%s; it is only observed", reason)
	case action == analysis.Pause:
		m.hold(self, reason, nil)
	default:
		m.fallBack(Failed, AnnounceFailed, self, reason, nil)
	}
}

// forgiveSmoke lets the smoke checks start over: a person wants to go on.
func (m *machine) forgiveSmoke() {
	if s := m.Rollout.Smoke; s != nil && !s.Passed && s.Failed > 0 {
		again := *s
		again.Failed = 0
		m.Rollout.Smoke = &again
	}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times in a row", n)
}
