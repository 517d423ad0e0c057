package rollout

import (
	"time"

	"github.com/weirproxy/weir/configs"
)

// Ending is an abort under way that gives stable its traffic back in steps, so
// that a stable version scaled down meanwhile is not run over. Weights only fall
// in it; a cut or a second abort ends it at once.
type Ending struct {
	Actor  string `json:"actor"`
	Reason string `json:"reason"`

	// Weights are what the rollout had when the abort came.
	Weights map[string]configs.Weight `json:"weights"`
}

// rampSteps is into how many equal steps a ramp is cut: one a second, but at
// least two and, as each is a write, at most twenty.
func rampSteps(ramp time.Duration) int {
	return int(min(max(ramp/time.Second, 2), 20))
}

// ramps begins an abort in steps if the plan asks for one. The first step is
// taken at once.
func (m *machine) ramps(c Command, reason string) bool {
	r := &m.Rollout
	if r.Plan.Abort.Ramp <= 0 || c.Instant || r.Ending != nil || len(onTrial(r.Weights, r.From)) == 0 {
		return false
	}
	r.Ending = &Ending{Actor: person(c.Actor), Reason: reason, Weights: r.Weights}
	m.elapsed = 0
	m.lower()
	r.WaitingFor, r.Reason, r.UpdatedAt = WaitCapacity, reason+", within "+r.Plan.Abort.Ramp.String(), m.at
	m.record(Transition{
		At: m.at, From: r.Phase, To: r.Phase, Stage: r.Stage, Weights: r.Weights,
		Actor: person(c.Actor), Reason: r.Reason,
	})
	m.announce(AnnounceAborting, "%s; %s", describe(r.Weights), r.Reason)
	return true
}

// tickRamp takes the ramp's next step. Elapsed is the time since it began.
func (m *machine) tickRamp(t Tick) {
	m.judge(t)
	m.lower()
	r := &m.Rollout
	if len(onTrial(r.Weights, r.From)) == 0 {
		m.fallBack(Aborted, AnnounceAborted, r.Ending.Actor, r.Ending.Reason, nil)
	}
}

// lower gives the candidates what the ramp leaves them by now, never more than
// they have.
func (m *machine) lower() {
	r := &m.Rollout
	steps := rampSteps(r.Plan.Abort.Ramp.Std())
	taken := int(m.elapsed*time.Duration(steps)/r.Plan.Abort.Ramp.Std()) + 1
	left := configs.Weight(max(0, steps-taken))
	weights := map[string]configs.Weight{r.From: configs.Whole}
	for _, version := range r.Candidates {
		weights[version] = min(r.Weights[version], r.Ending.Weights[version]*left/configs.Weight(steps))
		weights[r.From] -= weights[version]
	}
	if !sameWeights(weights, r.Weights) {
		m.weigh(weights)
		r.UpdatedAt = m.at
	}
}
