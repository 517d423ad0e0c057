package configs

import (
	"cmp"
	"time"
)

// Where a Hook is asked or told.
const (
	HookStart     = "start"     // before the first stage gets its weight
	HookStage     = "stage"     // before a stage is left; notify: as it begins
	HookIncrease  = "increase"  // before a stage that gives the candidate more
	HookPromotion = "promotion" // before the candidate becomes stable
	HookEnd       = "end"       // notify: the rollout is over, however it ended
	HookRollback  = "rollback"  // notify: the traffic was put back, by weir or a person
	HookAny       = "any"       // check: again and again; notify: every event
)

// What a Hook may do.
const (
	HookGate   = "gate"   // weir waits until it says go
	HookCheck  = "check"  // a refusal acts as OnFail says
	HookNotify = "notify" // told, never waited for
)

// Hook is an HTTP service that is asked before a rollout goes on, or told of
// what it did. Nothing that puts traffic back ever waits for one.
//
// Flagger's eight kinds of webhook are these: confirm-rollout is a gate at
// start, pre-rollout a check at start, rollout a check at any,
// confirm-traffic-increase a gate at increase, confirm-promotion a gate at
// promotion, post-rollout a notify at end, event a notify at any, and rollback
// a check at any whose answer is turned round: 2xx lets the rollout live.
//
// A call is a POST of JSON. Its header `Weir-Key` is the same whenever the same
// question is asked again. With a secret, `Weir-Signature: t=<seconds>,v1=<hex>`
// holds the HMAC-SHA256 of the seconds since 1970, a dot and the body.
//
// The answer to a gate or a check: 2xx says go, unless its body is JSON with
// `"hold": true`, which like 409 says wait and ask again. 429, 502, 503, 504,
// a timeout and no connection are no answer. Anything else refuses: a gate goes
// on asking, a check has failed. A body with `"reason"` is shown to people.
type Hook struct {
	// Name is unique in the plan.
	Name string `json:"name" yaml:"name"`

	// At is `start`, `stage`, `increase`, `promotion`, `end`, `rollback` or
	// `any`. Of a stage's own hook: `start` (before it begins), `end` (before it
	// is left) or `any` (while it lasts). Empty: the end of a stage's own,
	// needed elsewhere.
	At string `json:"at,omitempty" yaml:"at,omitempty"`

	// Mode is `gate` (default), `check` or `notify`.
	Mode string `json:"mode,omitempty" yaml:"mode,omitempty"`

	// URL is http or https, without user or fragment. Redirects are not followed.
	URL string `json:"url" yaml:"url"`

	// SecretFile holds the key that calls are signed with, below the node's folder
	// of secrets; it is read anew for each call. Empty: unsigned.
	SecretFile string `json:"secret_file,omitempty" yaml:"secret_file,omitempty"`

	// Timeout is of one call. 0: the default, 10s.
	Timeout Duration `json:"timeout,omitempty" yaml:"timeout,omitempty"`

	// Retries is how often a check without an answer is called again, with
	// growing pauses, before OnError holds. Nil: the default, 3. A gate is asked
	// until it answers, and a notify is sent for a day.
	Retries *int `json:"retries,omitempty" yaml:"retries,omitempty"`

	// Interval is how long after an answer to wait a gate or check is asked again,
	// and how often a check at any is asked. 0: the default, 10s.
	Interval Duration `json:"interval,omitempty" yaml:"interval,omitempty"`

	// OnFail says what a refusal of a check does: `rollback` (default) or `pause`.
	OnFail string `json:"on_fail,omitempty" yaml:"on_fail,omitempty"`

	// OnError says what a check without an answer does: `hold` (default) goes on
	// asking, as nothing is known; `fail` takes it for a refusal.
	OnError string `json:"on_error,omitempty" yaml:"on_error,omitempty"`
}

// Defaults of a Hook.
const (
	DefaultHookTimeout  = 10 * time.Second
	DefaultHookInterval = 10 * time.Second
	DefaultHookRetries  = 3
)

// SetDefaults fills in what h leaves out, but for At.
func (h *Hook) SetDefaults() {
	h.Mode = cmp.Or(h.Mode, HookGate)
	h.Timeout = orDuration(h.Timeout, DefaultHookTimeout)
	h.Interval = orDuration(h.Interval, DefaultHookInterval)
	h.OnFail = cmp.Or(h.OnFail, "rollback")
	h.OnError = cmp.Or(h.OnError, "hold")
	if h.Retries == nil {
		retries := DefaultHookRetries
		h.Retries = &retries
	}
}
