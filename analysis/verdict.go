package analysis

import "time"

// Kind is the kind of a verdict.
type Kind string

const (
	Pass         Kind = "pass"         // every check holds on enough requests
	Fail         Kind = "fail"         // a rule is broken, and stable is not to blame
	Inconclusive Kind = "inconclusive" // not enough is known yet
	Shared       Kind = "shared"       // a rule is broken and stable breaks it too: hold
	Unmeasured   Kind = "error"        // a rule could not be measured
)

// Path is the road by which a rule was found broken.
type Path string

const (
	PathFast    Path = "fast"    // evidence passed its threshold
	PathSlow    Path = "slow"    // the rate over the patience is above the limit by more than luck
	PathLiteral Path = "literal" // the plain rate over the patience is above the limit
	PathHealth  Path = "health"  // probes failed
	PathFuse    Path = "fuse"    // evidence of one node of a fleet passed its threshold
	PathSmoke   Path = "smoke"   // smoke checks failed
	PathValue   Path = "value"   // every measurement over the patience was beyond the limit
)

// Verdict is what the Judge would say if the stage ended now. A fail stays until
// Clear. All numbers that led to it are in it, so that a person can recompute it.
type Verdict struct {
	Kind   Kind          `json:"kind"`
	Rule   string        `json:"rule,omitempty"`   // id of the deciding rule; "health" for an undeclared one
	Path   Path          `json:"path,omitempty"`   // of fail and shared
	Action Action        `json:"action,omitempty"` // of fail: what the rule asks for
	At     time.Duration `json:"at_ns"`            // since the trial began

	Stable        Counts  `json:"stable"` // since the rule began; over the patience for the slow path
	Candidate     Counts  `json:"candidate"`
	StableRate    float64 `json:"stable_rate"`
	CandidateRate float64 `json:"candidate_rate"`
	Limit         float64 `json:"limit"`              // largest allowed share of bad requests
	Evidence      float64 `json:"evidence,omitempty"` // of the fast path, weighted with the rule's share
	Threshold     float64 `json:"threshold,omitempty"`
	NoBaseline    bool    `json:"no_baseline,omitempty"` // stable had too few requests: the promise does not cover it

	Needed uint64 `json:"needed,omitempty"` // of inconclusive: candidate requests that the rule needs in this stage
	Seen   uint64 `json:"seen,omitempty"`   // of those, how many there were

	// Clearance is the evidence that a check holds in this stage; of the whole, the
	// least of all checks. Proven says that it is enough for every check, so that
	// the stage may pass before its time.
	Clearance float64 `json:"clearance,omitempty"`
	Proven    bool    `json:"proven,omitempty"`
	// ETA is about how many more candidate requests decide an inconclusive check,
	// and how long they take at the rate of this stage; 0 if that is not known.
	ETA     uint64        `json:"eta_requests,omitempty"`
	ETATime time.Duration `json:"eta_ns,omitempty"`

	Value *Value `json:"value,omitempty"` // of a rule on measurements: the last of them

	Text string `json:"text"` // one sentence for a person on call
}

// RuleState is where a rule stands.
type RuleState string

const (
	StateWaiting      RuleState = "waiting"      // its stage has not come
	StateHolding      RuleState = "holding"      // a trigger that is not broken
	StatePass         RuleState = "pass"         // a check that holds on enough requests
	StateInconclusive RuleState = "inconclusive" // a check without enough requests, or outside its limit without proof
	StateShared       RuleState = "shared"       // broken by stable too
	StateFail         RuleState = "fail"         // broken
	StateUnmeasured   RuleState = "error"        // cannot be measured
)

// RuleReport is how one rule stands, with the numbers of a Verdict.
type RuleReport struct {
	Condition Condition `json:"condition"`
	Check     bool      `json:"check"`
	State     RuleState `json:"state"`
	Verdict
}
