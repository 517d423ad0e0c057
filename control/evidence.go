package control

import (
	"encoding/json"
	"time"

	"github.com/weirproxy/weir/control/rollout"
)

// evidence is the value of evidence/<id>: what the judge knows of a rollout
// and how far its stage has come, so that the next leader or the next process
// goes on where this one stopped.
type evidence struct {
	Stretch      rollout.Stretch `json:"stretch"`          // what StageElapsed is measured over
	StageElapsed time.Duration   `json:"stage_elapsed_ns"` // without the time in pause or without a leader
	Elapsed      time.Duration   `json:"elapsed_ns"`
	Judged       time.Duration   `json:"judged_ns"` // trial time up to which requests were judged

	// Judges hold the judge of each candidate, by version.
	Judges map[string]json.RawMessage `json:"judges"`

	// Fleet is what the leader of a fleet knows beside its own: the judge of
	// all nodes' counts, and what it took of each, by version.
	Fleet map[string]fleetEvidence `json:"fleet,omitempty"`

	Node string `json:"node"`
	Boot string `json:"boot"`
}
