package rollout

import (
	"fmt"
	"maps"

	"github.com/weirproxy/weir/configs"
)

// maxStages bounds the stages of a plan, and with them the batches of a rolling one.
const maxStages = 100

// strategies are those that a plan may have.
func strategies() []string {
	return []string{configs.StrategyCanary, configs.StrategyBlueGreen, configs.StrategyRolling, configs.StrategyAllAtOnce, configs.StrategyFlag}
}

// admit limits the versions of a rolling rollout to the endpoints that its
// present stage admits and leaves. While all weight is on one version, that
// version is served by all its endpoints: nothing may be in a rollback's way.
func (m *machine) admit() {
	r, s := &m.Rollout, &m.Service
	s.Admitted = nil
	if r.Endpoints == nil || r.Stage < 0 {
		return
	}
	if _, one := whole(s.Weights); one {
		return
	}
	s.Admitted = map[string]int{r.To: r.Plan.Admitted(r.Stage, r.Endpoints.To)}
	if r.Ending == nil { // one that goes back goes back to all endpoints
		s.Admitted[r.From] = m.left()
	}
}

// left is how many endpoints of stable take requests: as large a share of them as
// stable has of the keys, rounded up, less those that may be missing. One stays
// in any case.
func (m *machine) left() int {
	r := &m.Rollout
	missing := 0
	if n := r.Plan.MaxUnavailable; n != nil {
		missing = *n
	}
	share := int(configs.Whole - m.stageWeights(r.Stage)[r.To])
	whole := int(configs.Whole)
	return max(1, (r.Endpoints.From*share+whole-1)/whole-missing)
}

// Batch returns how many of the candidate's endpoints the stage after the present
// one admits, and how many of these need not be healthy for it to begin. It is
// false for a strategy that admits all of them at once.
func (s State) Batch() (admits, spare int, ok bool) {
	if s.Endpoints == nil || s.Stage+1 >= len(s.Plan.Stages) {
		return 0, 0, false
	}
	if n := s.Plan.MaxUnavailable; n != nil {
		spare = *n
	}
	return s.Plan.Admitted(s.Stage+1, s.Endpoints.To), spare, true
}

// batchUp reports whether the endpoints that the next stage admits are healthy.
func (m *machine) batchUp(t Tick) bool {
	_, _, rolls := m.Rollout.Batch()
	return !rolls || t.BatchUp
}

// batchDown says what the next stage waits for.
func (m *machine) batchDown() string {
	admits, _, _ := m.Rollout.Batch()
	return fmt.Sprintf("too few of the %d endpoints of %s that %s admits are healthy", admits, m.Rollout.To, m.stageName(m.Rollout.Stage+1))
}

// gated reports whether something had to be checked or approved before the
// candidate's first user, so that another build must pass it again.
func (m *machine) gated() bool {
	p := &m.Rollout.Plan
	if m.Rollout.manual() {
		return false
	}
	first := move{leaves: -1, enters: 0, raises: true}
	return p.Strategy == configs.StrategyBlueGreen || len(p.Smoke) > 0 || m.needs(0) > 0 || len(p.Requires) > 0 || len(m.before(first)) > 0
}

// backToPending takes the candidate out of traffic until it has passed again what
// stands before its first user. A pause stays one.
func (m *machine) backToPending(reason string) {
	r := &m.Rollout
	if r.onStable() {
		m.emit(DropCuts{})
	}
	phase := r.Phase
	r.Stage, r.Smoke, r.Held = -1, nil, nil
	m.weigh(m.allOn(r.From))
	if phase != Paused {
		phase = Pending
	}
	m.become(phase, self, reason, nil)
	if phase == Paused {
		r.Resume = Pending
	}
	m.announce(AnnounceRestarted, "%s", reason)
}

// planned returns the plan with its stages worked out for a service.
func planned(plan configs.Rollout, to configs.Version) (configs.Rollout, *Refusal) {
	stages := plan.Staged(len(to.Endpoints))
	if len(stages) > maxStages {
		return plan, invalid(fmt.Sprintf("write a batch of at least %d", (len(to.Endpoints)+maxStages-1)/maxStages),
			"cannot start rollout of service %q: %d endpoints in batches of %d are more than %d stages", plan.Service, len(to.Endpoints), max(1, plan.Batch), maxStages)
	}
	if plan.Strategy == configs.StrategyRolling && len(to.Endpoints) == 0 {
		return plan, invalid("give it endpoints", "cannot start rollout of service %q: version %q has no endpoints", plan.Service, plan.To)
	}
	plan.Stages = stages
	return plan, nil
}

// previewOf is what the state says of a plan's preview.
func previewOf(plan configs.Rollout) *Preview {
	if plan.Preview == nil {
		return nil
	}
	return &Preview{To: plan.To, Header: maps.Clone(plan.Preview.Header), Host: plan.Preview.Host}
}
