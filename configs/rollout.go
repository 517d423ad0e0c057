package configs

import "github.com/weirproxy/weir/analysis"

// Strategies of a rollout.
const (
	StrategyCanary    = "canary"
	StrategyBlueGreen = "blue-green"
	StrategyRolling   = "rolling"
	StrategyAllAtOnce = "all-at-once"

	// StrategyFlag ramps a variant of a flag by stages, as a canary does a version.
	StrategyFlag = "flag"

	// StrategyManual is the strategy of weights moved by hand. No document
	// carries it.
	StrategyManual = "manual"
)

// Rollout is one attempt to make a candidate the stable version, and the plan
// that it follows.
type Rollout struct {
	// Service is the name of the service. Empty: Flag is named instead.
	Service string `json:"service,omitempty" yaml:"service,omitempty"`

	// To names the candidate. The version that is stable when the rollout starts
	// is where users go back to.
	To string `json:"to" yaml:"to"`

	// Flag, with strategy `flag` alone and instead of Service, names the flag whose
	// variant To is released. Empty: a version is.
	Flag string `json:"flag,omitempty" yaml:"flag,omitempty"`

	// Strategy is `canary`, `blue-green`, `rolling`, `all-at-once` or, for a flag,
	// `flag`.
	Strategy string `json:"strategy" yaml:"strategy"`

	// Stages of a canary in order; their weights never fall. A named list
	// (`deploy-canary: {…}`), `weights: […]` with `duration_each`, and `check`,
	// once or more, decode into the same flat stages.
	Stages []Stage `json:"stages,omitempty" yaml:"stages,omitempty"`

	// Checks of a rolling rollout: they hold in every batch. Empty: the triggers
	// alone judge.
	Checks []analysis.Condition `json:"checks,omitempty" yaml:"checks,omitempty"`

	// Rollback declares the triggers. None, and no check: the default guard.
	Rollback Rollback `json:"rollback,omitzero" yaml:"rollback,omitempty"`

	// Metrics are metrics of the operator's own that checks and triggers may name.
	Metrics []Metric `json:"metrics,omitempty" yaml:"metrics,omitempty"`

	// Bake is how long the candidate is watched at its last weight after the
	// last stage, before it becomes stable. 0: the default, none, or 10m with
	// blue-green and all-at-once, which watch the candidate in no other way.
	Bake Duration `json:"bake,omitempty" yaml:"bake,omitempty"`

	// OnInconclusive says what follows a stage whose checks could not be decided
	// within MaxHold: `hold` (default) pauses and asks a person, `proceed` goes
	// on, `rollback` puts the traffic back.
	OnInconclusive string `json:"on_inconclusive,omitempty" yaml:"on_inconclusive,omitempty"`

	// MaxHold is the longest that a stage or the bake lasts when it waits for
	// evidence, its own duration included. 0: three times its duration, or three
	// minutes if it has none.
	MaxHold Duration `json:"max_hold,omitempty" yaml:"max_hold,omitempty"`

	// Warmup is how long after the candidate's trial began latencies are not
	// judged, so that cold caches are nobody's fault. 0: judged at once.
	Warmup Duration `json:"warmup,omitempty" yaml:"warmup,omitempty"`

	// Holdback is the weight that stable keeps through the last stage and the
	// bake, so that there is something to compare with until the end. 0: none,
	// and at 100 % a fault of both versions looks like the candidate's.
	Holdback Weight `json:"holdback,omitempty" yaml:"holdback,omitempty"`

	// UnreadyFor is how long the candidate may be without healthy endpoints
	// while stable has some. 0: the default, 5s.
	UnreadyFor Duration `json:"unready_for,omitempty" yaml:"unready_for,omitempty"`

	// Version, only through the API, adds the candidate to the service.
	Version *RolloutVersion `json:"version,omitempty" yaml:"version,omitempty"`

	// Approval is `manual` if people must agree before the candidate gets everything
	// that the plan gives it: before the stage that does so, else before it
	// becomes stable; before the first batch of a rolling rollout. Empty: nobody
	// is asked. `weir rollout approve` agrees.
	Approval string `json:"approval,omitempty" yaml:"approval,omitempty"`

	// Approvers is how many different people must agree where Approval or a
	// stage's asks for it: different tokens or certificates or, where the control
	// API has no tokens, different names that they give themselves. 0: the default, 1.
	Approvers int `json:"approvers,omitempty" yaml:"approvers,omitempty"`

	// ProgressDeadline is how long beyond the length of a stage the rollout may
	// make no progress, time that is waited for people, a freeze or a leader left
	// out. 0: for ever.
	ProgressDeadline Duration `json:"progress_deadline,omitempty" yaml:"progress_deadline,omitempty"`

	// OnDeadline says what follows then: `rollback` (default) or `pause`.
	OnDeadline string `json:"on_deadline,omitempty" yaml:"on_deadline,omitempty"`

	// Concurrency says what happens if another planned rollout of the service is
	// in force: `reject` (default) refuses this one, `queue` starts it when those
	// before it have ended, `replace` ends them, with the traffic back on stable.
	Concurrency string `json:"concurrency,omitempty" yaml:"concurrency,omitempty"`

	// Abort says how a person's abort gives the traffic back.
	Abort Abort `json:"abort,omitzero" yaml:"abort,omitempty"`

	// Hooks are HTTP services that are asked or told; each name once, at most 16.
	Hooks []Hook `json:"hooks,omitempty" yaml:"hooks,omitempty"`

	// Release is the version of the service's application that is released by it,
	// as its Release document names it. Empty: what To is called.
	Release string `json:"release,omitempty" yaml:"release,omitempty"`

	// Migrations are those that the version needs, by name: none of its users meets it
	// before they are done in the environment's database. A contract is none of
	// them. Those of its Release count as well. Empty: none.
	Migrations []string `json:"migrations,omitempty" yaml:"migrations,omitempty"`

	// Requires are environments in which the release must have proven itself before
	// its first user here: the rollout stays pending and says what is missing. One
	// that puts the release back later holds the next step that would give the
	// candidate more. Nothing that puts traffic back waits for it, and `weir rollout
	// override` goes on without it. At most 8. Empty: none.
	Requires []Require `json:"requires,omitempty" yaml:"requires,omitempty"`

	// Advise says which advice of `weir check --advise` is not wanted.
	Advise *Advise `json:"advise,omitempty" yaml:"advise,omitempty"`

	// Meta is shown with the rollout: `by`, `via`, links. At most 32 entries, 16 KiB
	// in all. Empty: nothing.
	Meta map[string]string `json:"meta,omitempty" yaml:"meta,omitempty"`

	// Preview leads requests that name it to the candidate, from the start of a
	// blue-green rollout to its end. Nil: nobody reaches it before the switch.
	Preview *Preview `json:"preview,omitempty" yaml:"preview,omitempty"`

	// Smoke are requests that the candidate must answer well before its first
	// user. Empty: none.
	Smoke []Smoke `json:"smoke,omitempty" yaml:"smoke,omitempty"`

	// KeepPrevious is how long the version that was stable before stays, so that
	// `undo` is one swap. 0: the default, 1h.
	KeepPrevious Duration `json:"keep_previous,omitempty" yaml:"keep_previous,omitempty"`

	// MaxUnavailable is by how many endpoints a rolling rollout may fall short:
	// so many of those admitted may be without health, and so many more of stable
	// are drained than the candidate replaces. Nil and 0: none.
	MaxUnavailable *int `json:"max_unavailable,omitempty" yaml:"max_unavailable,omitempty"`

	// Batch is how many of the candidate's endpoints each stage of a rolling
	// rollout admits. 0: the default, 1.
	Batch int `json:"batch,omitempty" yaml:"batch,omitempty"`

	// PauseBetween is how long each batch is watched before the next. 0: no
	// longer than its checks need.
	PauseBetween Duration `json:"pause_between,omitempty" yaml:"pause_between,omitempty"`
}

// Stage is one step of a canary.
type Stage struct {
	// Name is shown; default: its number.
	Name string `json:"name,omitempty" yaml:"name,omitempty"`

	// Weight of the candidate in this stage. Nil: that of the stage before. 0,
	// before any weight, only with Mirror or Match.
	Weight *Weight `json:"weight,omitempty" yaml:"weight,omitempty"`

	// Mirror is the share of the service's safe requests (GET, HEAD, OPTIONS)
	// without body of which the candidate gets a copy in this stage, marked with
	// X-Weir-Mirror: 1; nobody sees its answers. What they are
	// can fail the candidate, by limits that are not relative to stable, and never
	// pass it. 0: none.
	Mirror Weight `json:"mirror,omitempty" yaml:"mirror,omitempty"`

	// Match leads the requests of chosen users to the candidate, whatever the
	// weights: those that meet one of the conditions. They are counted apart: like
	// copies they can fail the candidate by limits that are not relative to
	// stable, and never pass it, because nobody drew them. Empty: as in the stage
	// before.
	Match []Match `json:"match,omitempty" yaml:"match,omitempty"`

	// Pause lets nobody but a person end the stage: when it has passed the rollout
	// is paused, and goes on with `resume` or `promote`. False: it goes on by itself.
	Pause bool `json:"pause,omitempty" yaml:"pause,omitempty"`

	// Duration of the stage. 0: it judges what was gathered and goes on at once.
	Duration Duration `json:"duration,omitempty" yaml:"duration,omitempty"`

	// Checks must hold for the stage to pass, and hold on to the rollout's end.
	// Empty: the stage passes by time, unless a trigger breaks.
	Checks []analysis.Condition `json:"checks,omitempty" yaml:"checks,omitempty"`

	// OnFail says what a failed check does: `rollback` (default) or `pause`.
	OnFail string `json:"on_fail,omitempty" yaml:"on_fail,omitempty"`

	// Early lets the stage end before Duration once every check in force is
	// proven to hold, with a risk of 5 % a check that a broken limit passes. It
	// needs a check. False: it lasts for duration.
	Early bool `json:"early,omitempty" yaml:"early,omitempty"`

	// MinSoak is the least that a stage with Early lasts; the service's timeout is
	// waited for in any case. 0: the default, 30s.
	MinSoak Duration `json:"min_soak,omitempty" yaml:"min_soak,omitempty"`

	// MaxHold is the longest that this stage lasts when it waits for evidence. 0:
	// the rollout's max_hold.
	MaxHold Duration `json:"max_hold,omitempty" yaml:"max_hold,omitempty"`

	// OnInconclusive says what follows when this stage could not be decided.
	// Empty: the rollout's on_inconclusive.
	OnInconclusive string `json:"on_inconclusive,omitempty" yaml:"on_inconclusive,omitempty"`

	// Approval is `manual` if people must agree before this stage begins. Empty:
	// nobody is asked.
	Approval string `json:"approval,omitempty" yaml:"approval,omitempty"`

	// Hooks of this stage alone: asked before it begins, before it is left or
	// while it lasts. Their names are unique in the plan.
	Hooks []Hook `json:"hooks,omitempty" yaml:"hooks,omitempty"`
}

// Abort says how a person's abort gives the traffic back. What the judge or a
// trigger puts back goes at once, whatever stands here.
type Abort struct {
	// Ramp spreads the way back over this time in steps of about a second, for a
	// stable version that was scaled down meanwhile. A second abort, a cut and an
	// abort without a leader are instant. 0: at once.
	Ramp Duration `json:"ramp,omitempty" yaml:"ramp,omitempty"`
}

// Rollback declares what puts the traffic back.
type Rollback struct {
	Triggers []Trigger `json:"triggers,omitempty" yaml:"triggers,omitempty"`

	// Action is `revert_to_previous` (default) or `pause`.
	Action string `json:"action,omitempty" yaml:"action,omitempty"`
}

// Trigger is a limit whose break at any time acts.
type Trigger struct {
	// Condition is what must not be: `error_rate > 1%`, `client_error_rate > 5%`,
	// `latency_p99 > 200ms`, any of the three `> 1.5x baseline`, `memory > 1GiB`,
	// `cpu > 90%`, a metric of Metrics, `health_check == failing` or
	// `smoke_test == failing`.
	Condition analysis.Condition `json:"condition" yaml:"condition"`

	// Duration is the patience with a marginal break. A blatant one acts as
	// soon as it is proven. 0: the default, 5m.
	Duration Duration `json:"duration,omitempty" yaml:"duration,omitempty"`

	// Count is the number of consecutive failures of a health or smoke
	// condition. 0: the default, 3.
	Count int `json:"count,omitempty" yaml:"count,omitempty"`

	// Action is `rollback`, `pause` or `notify` (observe only). Default: what
	// rollback.action says, and `rollback` in a guard.
	Action string `json:"action,omitempty" yaml:"action,omitempty"`

	// Confidence says when a marginal break acts: `proven` (default), when the
	// rate over Duration is above the limit by more than luck, or `literal`, when
	// it is above at all. Literal is outside the promise: at 200 requests a window
	// of 5m a candidate at half its limit is put back within the hour in 98 % of
	// rollouts, at 1 000 in 61 %.
	Confidence string `json:"confidence,omitempty" yaml:"confidence,omitempty"`
}

// RolloutVersion is a version that a rollout brings along. It belongs to the
// API and survives later applies of the service's document.
type RolloutVersion struct {
	Name      string   `json:"name" yaml:"name"`                             // that of the candidate: To
	Endpoints []string `json:"endpoints" yaml:"endpoints"`                   // its addresses, host:port; at least one
	Revision  string   `json:"revision,omitempty" yaml:"revision,omitempty"` // tells builds of one name apart; empty: none
}

// Preview says which requests try the candidate before users do: those with all
// the headers, and those to the host. Of each route of the service, the rest of
// what it wants must match too.
//
// Threat: whoever knows the header's value or the host reaches a build that is
// not released. Treat the value as a password, or limit who can connect.
type Preview struct {
	// Header are names with the exact values that a request must have. Empty:
	// no request is led by a header.
	Header map[string]string `json:"header,omitempty" yaml:"header,omitempty"`

	// Host is an exact name. Empty: no request is led by its host.
	Host string `json:"host,omitempty" yaml:"host,omitempty"`
}

// Smoke is one request to the candidate, and what must come back.
type Smoke struct {
	Get    string      `json:"get" yaml:"get"` // path and query
	Expect SmokeExpect `json:"expect,omitzero" yaml:"expect,omitempty"`
}

// SmokeExpect is what an answer must be. All that is set must hold.
type SmokeExpect struct {
	Status   int      `json:"status,omitempty" yaml:"status,omitempty"`     // status of the answer; 0: any 2xx
	Within   Duration `json:"within,omitempty" yaml:"within,omitempty"`     // until the whole answer; 0: the service's timeout
	Contains string   `json:"contains,omitempty" yaml:"contains,omitempty"` // in the body; empty: anything
}
