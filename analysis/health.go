package analysis

import "fmt"

// healthRule names the health of a candidate that no rule speaks of.
const healthRule = "health"

// NoEndpoint is what Health is told when the candidate has had no healthy
// endpoint for the service's unready_for.
const NoEndpoint = -1

type healthState struct {
	Failing    int  `json:"failing"` // probe rounds in a row, or NoEndpoint
	StableDown bool `json:"stable_down"`
}

// Health tells how many probe rounds in a row the candidate failed, or
// NoEndpoint, which fails it by path "health" even if no rule says so, and
// whether stable has a healthy endpoint. While it has none nothing fails: there
// would be nowhere to put the traffic.
func (j *Judge) Health(candidateFailing int, stableHealthy bool) {
	next := healthState{Failing: max(candidateFailing, NoEndpoint), StableDown: !stableHealthy}
	if next == j.state.Health {
		return
	}
	j.state.Health = next
	j.decideAll()
}

func (j *Judge) decideHealth() {
	h := j.state.Health
	if h.StableDown {
		return
	}
	for i := range j.rules {
		if j.unhealthy(i) && j.active(i) {
			j.fail(i, Verdict{Path: PathHealth})
		}
	}
	if h.Failing == NoEndpoint && j.state.Fail == nil {
		j.state.Fail = &Verdict{
			Kind: Fail, Rule: healthRule, Path: PathHealth, Action: Rollback, At: j.state.Now,
			Text: "The candidate has no healthy endpoint, and stable has.",
		}
	}
}

// unhealthy reports whether the probes of the candidate break rule i.
func (j *Judge) unhealthy(i int) bool {
	failing := j.state.Health.Failing
	return j.rules[i].Condition.Metric == HealthCheck && (failing == NoEndpoint || failing >= j.rules[i].count())
}

func (h healthState) text() string {
	if h.Failing == NoEndpoint {
		return "the candidate has no healthy endpoint"
	}
	return fmt.Sprintf("the candidate failed %d probe rounds in a row", h.Failing)
}
