package control

import (
	"encoding/json"
	"fmt"
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

// savedEvidence is evidence as it is written: the judges are in it as they stand, so
// that they are encoded once, and not read and copied again as JSON within JSON.
type savedEvidence struct {
	evidence
	Judges map[string]any        `json:"judges"`
	Fleet  map[string]savedFleet `json:"fleet,omitempty"`
}

type savedFleet struct {
	fleetEvidence
	Judge any `json:"judge"`
}

// encode is what the trial knows, as it is stored.
func (t *trial) encode(node, boot string) ([]byte, error) {
	e := savedEvidence{Judges: make(map[string]any, len(t.sides)), evidence: evidence{
		Stretch: t.stretch, StageElapsed: t.stageElapsed, Elapsed: t.elapsed, Judged: t.judged, Node: node, Boot: boot,
	}}
	for _, s := range t.judging() {
		e.Judges[s.key()] = s.judge.State()
		if s.fleet == nil || !s.fleet.leads {
			continue
		}
		if e.Fleet == nil {
			e.Fleet = make(map[string]savedFleet, len(t.sides))
		}
		e.Fleet[s.key()] = savedFleet{
			fleetEvidence: fleetEvidence{Merge: s.fleet.merge, Told: s.fleet.told}, Judge: s.fleet.judge.State(),
		}
	}
	value, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("cannot encode the evidence of rollout %q: %w", t.id, err)
	}
	return value, nil
}
