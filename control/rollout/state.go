// Package rollout is the state machine of a release. It is pure: a state, an
// event and the elapsed stage time come in, a new state and effects go out.
// It has no clock, goroutine, logger or I/O.
package rollout

import (
	"cmp"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/proxy/route"
)

// Phase is where a rollout stands.
type Phase string

// Phases of a rollout. The last five are final.
const (
	Queued      Phase = "queued"      // waits for another rollout of the service
	Pending     Phase = "pending"     // accepted, no candidate traffic yet
	Progressing Phase = "progressing" // a stage is running
	Paused      Phase = "paused"      // weights stay, stage time stands still, the judge goes on
	Baking      Phase = "baking"      // after the last stage, still watched
	Succeeded   Phase = "succeeded"   // the candidate is stable
	RolledBack  Phase = "rolled_back" // the judge or a trigger put the traffic back
	Aborted     Phase = "aborted"     // a person put the traffic back
	Failed      Phase = "failed"      // ended before any user traffic
	Superseded  Phase = "superseded"  // another rollout took its place
)

// Final reports whether the rollout is over. Three events still change it: a
// person's undo of a success, a cut that a success overtook, and stable breaking
// the same rule just after a cut.
func (p Phase) Final() bool {
	switch p {
	case Succeeded, RolledBack, Aborted, Failed, Superseded:
		return true
	}
	return false
}

// Wait is what a rollout waits for; empty means time alone.
type Wait string

// Waits of a rollout.
const (
	WaitNothing  Wait = ""
	WaitApproval Wait = "approval"
	WaitHook     Wait = "hook"
	WaitEvidence Wait = "evidence"
	WaitAck      Wait = "ack"
	WaitFreeze   Wait = "freeze"
	WaitHealth   Wait = "health"
	WaitCapacity Wait = "capacity"

	// WaitEnvironment is for the release to prove itself in another environment.
	WaitEnvironment Wait = "environment"
)

// State is the value of rollouts/<id>: the plan and where it stands. It is
// written at transitions only.
type State struct {
	ID       string          `json:"id"`
	Service  string          `json:"service"`
	Strategy string          `json:"strategy"`
	From     string          `json:"from"` // the stable version when the rollout began
	To       string          `json:"to"`   // the candidate; the first of Candidates
	Plan     configs.Rollout `json:"plan"`

	// Retries is the first of the rollouts that this one tries again, one after
	// the other. Empty: it is no retry.
	Retries string `json:"retries,omitempty"`

	// Candidates are the versions under trial in name order: one for a plan,
	// one or more for weights by hand.
	Candidates []string `json:"candidates"`

	Phase Phase `json:"phase"`

	// Stage is the index into Plan.Stages. -1 before the first.
	Stage int `json:"stage"`

	// Weights are what this rollout wants of the service now.
	Weights map[string]configs.Weight `json:"weights"`

	// Resume is the phase that a paused rollout goes back to.
	Resume Phase `json:"resume,omitempty"`

	// Nodes is how many nodes served when the rollout began: it shares alpha out.
	Nodes int `json:"nodes,omitempty"`

	// Generation counts fresh starts of the evidence: a changed revision of
	// the candidate, a resume after a shared break.
	Generation int `json:"generation"`

	// Revision is the candidate's revision when the generation began.
	Revision string `json:"revision,omitempty"`

	// HoldFrom is the stage time from which a wait for evidence is counted: 0,
	// or when a person last resumed the stage. Before the first stage it is that
	// from which the candidate has been without a healthy endpoint.
	HoldFrom configs.Duration `json:"hold_from,omitempty"`

	// Pinned says that the service keeps clients on the version that they met.
	Pinned bool `json:"pinned,omitempty"`

	// Passed says that the present stage has passed and paused the rollout, as the
	// plan wants it. Nothing but time and evidence keeps it from then on.
	Passed bool `json:"passed,omitempty"`

	// Smoke is how the plan's smoke checks went. Nil: none have ended yet.
	Smoke *Smoke `json:"smoke,omitempty"`

	// Endpoints are how many the versions had when the rollout began. Only of a
	// rolling one: its batches are shares of them.
	Endpoints *Endpoints `json:"endpoints,omitempty"`

	// ProgressFrom is the stage time from which a lack of progress is counted: 0,
	// or when people last let the rollout go on.
	ProgressFrom configs.Duration `json:"progress_from,omitempty"`

	// Approvals are people's, oldest first; those of another build are dropped.
	// Asked is one more than the stage that people were last told to approve.
	Approvals []Approval `json:"approvals,omitempty"`
	Asked     int        `json:"asked,omitempty"`

	// Missing is what people, environments and freezes keep the next move from, the
	// first of them first. Told is one more than the stage that people were last told
	// waits for an environment, and Overridden a person's word to go on without.
	Missing    []Missing `json:"missing,omitempty"`
	Told       int       `json:"told,omitempty"`
	Overridden *Override `json:"overridden,omitempty"`

	// Hooks are the last answers of gates and checks in the present round, by
	// name. A round ends with its stage, and with a pause.
	Hooks map[string]HookState `json:"hooks,omitempty"`
	Round int                  `json:"round,omitempty"`

	// Ending is an abort in steps that is under way. Nil: none.
	Ending *Ending `json:"ending,omitempty"`

	// Held are the weights that a cut took away. A rollout that is paused with
	// Held set is on stable, and goes back to them when a person resumes it.
	Held map[string]configs.Weight `json:"held,omitempty"`

	StartedAt time.Time `json:"started_at"` // wall time, for display only, like all here
	UpdatedAt time.Time `json:"updated_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`

	Verdict    *analysis.Verdict `json:"verdict,omitempty"` // the last that moved this rollout
	Reason     string            `json:"reason,omitempty"`  // one sentence: why it stands where it stands
	WaitingFor Wait              `json:"waiting_for"`
	Actor      string            `json:"actor,omitempty"` // who started it
	Replaces   string            `json:"replaces,omitempty"`

	// Observed are the rules that broke in this generation and only observe.
	Observed []string `json:"observed,omitempty"`

	// Announced counts the announcements made so far: it numbers them, so that
	// whoever hears of one twice can tell.
	Announced uint64 `json:"announced,omitempty"`

	// History are the transitions, oldest first, at most MaxHistory.
	History []Transition `json:"history,omitempty"`
}

// Smoke is how the smoke checks of a plan went.
type Smoke struct {
	Passed bool `json:"passed"`
	Runs   int  `json:"runs"`             // that ended
	Failed int  `json:"failed,omitempty"` // the last so many failed

	// FailedAt is the stage time at which the last that failed ended.
	FailedAt configs.Duration `json:"failed_at,omitempty"`
}

// Endpoints are numbers of endpoints.
type Endpoints struct {
	From int `json:"from"` // of the stable version
	To   int `json:"to"`   // of the candidate
}

// MaxHistory bounds the transitions that a State keeps. The first is never dropped.
const MaxHistory = 100

// Transition is one change of a rollout, with what caused it.
type Transition struct {
	At      time.Time                 `json:"at"`
	From    Phase                     `json:"from"`
	To      Phase                     `json:"to"`
	Stage   int                       `json:"stage"`
	Weights map[string]configs.Weight `json:"weights"`
	Actor   string                    `json:"actor,omitempty"` // a person or `weir`
	Reason  string                    `json:"reason,omitempty"`
	Verdict *analysis.Verdict         `json:"verdict,omitempty"`
}

// Service is the value of state/<service>: the only source of a split.
type Service struct {
	Name    string                    `json:"name"`
	Stable  string                    `json:"stable"`
	Weights map[string]configs.Weight `json:"weights"`

	// Order names the versions that Labels' numbers stand for. Only while mixed.
	Order  []string     `json:"order,omitempty"`
	Labels route.Labels `json:"labels,omitempty"`

	// Rollout is the id in force. Empty: none.
	Rollout string `json:"rollout,omitempty"`

	// Generation is that of the rollout in force: cuts of an older one are void.
	Generation int `json:"generation,omitempty"`

	// Previous was stable before the last rollout succeeded, and is kept until
	// KeepUntil, so that undo is one swap.
	Previous  string    `json:"previous,omitempty"`
	KeepUntil time.Time `json:"keep_until,omitzero"`

	// Preview leads the requests that it names to a version, whatever the
	// weights. Nil: none.
	Preview *Preview `json:"preview,omitempty"`

	// Admitted limits versions to the first so many of their endpoints, in the
	// order of their documents. A version left out is served by all it has.
	Admitted map[string]int `json:"admitted,omitempty"`

	// Versions were brought by rollouts through the API and survive applies.
	Versions map[string]configs.Version `json:"versions,omitempty"`

	// Mirror copies requests to a version before, or beside, its weight. Nil: none.
	Mirror *Mirror `json:"mirror,omitempty"`

	// Pins keep clients on the version that they met. Nil: none do, and none is
	// given.
	Pins *Pins `json:"pins,omitempty"`

	// Force leads chosen users to a version. Nil: none.
	Force *Force `json:"force,omitempty"`
}

// Mirror is a share of requests whose copies go to a version. Their answers are
// dropped, and their outcomes are counted in lane mirror.
type Mirror struct {
	To string `json:"to"`

	// Share is of the safe requests (GET, HEAD, OPTIONS) without body. 0: none
	// is copied.
	Share configs.Weight `json:"share"`
}

// Preview says which requests go to a version before users do.
type Preview struct {
	To     string            `json:"to"`
	Header map[string]string `json:"header,omitempty"` // all must have these values
	Host   string            `json:"host,omitempty"`   // an exact name
}

// Cut is the value of cuts/<rollout>/<node>: a node's fact that it took a
// candidate to 0, ahead of etcd. While one exists no table gives the version
// weight and no transaction raises it.
type Cut struct {
	Rollout    string           `json:"rollout"`
	Service    string           `json:"service"`
	Version    string           `json:"version"`
	Generation int              `json:"generation"` // of the rollout's evidence; a cut of an older one is void
	Node       string           `json:"node"`
	Boot       string           `json:"boot"`
	At         time.Time        `json:"at"`
	Actor      string           `json:"actor,omitempty"` // a person who aborted; empty: the judge
	Reason     string           `json:"reason"`
	Verdict    analysis.Verdict `json:"verdict,omitzero"`
}

// First is the rollout itself or, of a retry, the first of those that it tries again.
func (s State) First() string { return cmp.Or(s.Retries, s.ID) }
