package rollout

import (
	"fmt"
	"time"

	"github.com/weirproxy/weir/configs"
)

// length is how long the present stage or bake lasts at least.
func (m *machine) length() time.Duration {
	r := &m.Rollout
	switch {
	case r.Phase == Baking:
		return r.Plan.Bake.Std()
	case r.Phase == Progressing && !r.manual():
		return r.Plan.Stages[r.Stage].Duration.Std()
	}
	return 0
}

// overdue acts on a rollout that has not gone on for longer than its plan
// allows beyond the length of a stage. Waits for people, environments and freezes do not count.
func (m *machine) overdue(t Tick) bool {
	r := &m.Rollout
	limit := r.Plan.ProgressDeadline.Std()
	if limit <= 0 || r.manual() || forPeople(r.WaitingFor) {
		return false
	}
	if m.elapsed-max(m.length(), r.ProgressFrom.Std()) < limit {
		return false
	}
	reason := fmt.Sprintf("no progress for %s", limit)
	if r.WaitingFor != WaitNothing {
		reason += fmt.Sprintf(", waiting for %s: %s", r.WaitingFor, r.Reason)
	}
	switch {
	case r.Plan.OnDeadline == "pause":
		m.hold(self, reason, nil)
	case r.Weights[r.To] == 0:
		m.fallBack(Failed, AnnounceFailed, self, reason, nil)
	case !t.StableUp:
		return false
	default:
		m.emit(CutNow{m.cut(r.To, "", reason, m.at)})
	}
	return true
}

// forPeople reports whether a wait is one that no deadline runs in: people decide
// when it ends, here or in another environment.
func forPeople(w Wait) bool { return w == WaitApproval || w == WaitFreeze || w == WaitEnvironment }

// waits notes what the rollout waits for. The deadline begins anew when people
// let it go on.
func (m *machine) waits(w Wait, reason string) {
	r := &m.Rollout
	if forPeople(r.WaitingFor) && !forPeople(w) {
		r.ProgressFrom = configs.Duration(m.elapsed)
	}
	r.WaitingFor, r.Reason, r.UpdatedAt = w, reason, m.at
}
