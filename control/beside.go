package control

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/stats"
)

// key tells the sides of a trial apart, in evidence and in tallies: the version or,
// beside the split, what no version can be called, as it has a space.
func (s *side) key() string {
	if s.beside {
		return s.version + " beside"
	}
	return s.version
}

// judgedBeside reports whether a rollout gives its candidates requests beside the
// split: by its stages, or by pins, which keep the clients of earlier stages.
func judgedBeside(r rollout.State) bool {
	return r.Pinned || slices.ContainsFunc(r.Plan.Stages, func(s configs.Stage) bool { return s.Beside() })
}

// newBeside returns the side of a candidate that judges what goes to it beside
// the split: it can fail, and its passing means nothing. In a fleet each node has
// a fuse for it and the leader judges what all counted, as with the split.
func newBeside(t *trial, policy analysis.Policy, r rollout.State, version string, known *evidence, marks *stats.Marks) (*side, error) {
	limits := policy.Limits()
	policy = policy.Beside()
	s := &side{
		version:   version,
		beside:    true,
		judge:     analysis.NewJudge(policy),
		collector: analysis.NewCollector(policy, t.timeout, int64(t.first), t.began),
		recorded:  stats.NewTrial(limits, policy.Keyed, marks),
	}
	if policy.Fuse {
		s.fleet = newFleet(policy, r.ID, r.Generation, s.key())
	}
	if known == nil || known.Judges[s.key()] == nil {
		return s, nil
	}
	if err := json.Unmarshal(known.Judges[s.key()], s.judge); err != nil {
		return nil, fmt.Errorf("cannot resume the evidence of rollout %q: version %q beside the split: %w", t.id, version, err)
	}
	return s, nil
}

func (t *trial) armBesides(recorders *stats.Registry) {
	for _, s := range t.besides {
		s.recorder = recorders.Recorder(t.service, s.version)
		s.recorder.ArmBeside(s.recorded)
	}
}

func (t *trial) disarmBesides() {
	for _, s := range t.besides {
		if s.recorder.ArmedBeside() == s.recorded {
			s.recorder.ArmBeside(nil)
		}
	}
}

// advanceBesides judges what has ripened by tick. Stable's users are what both
// versions' trouble shows in: a break that they share is not the candidate's.
func (t *trial) advanceBesides(tick uint32) {
	for _, s := range t.besides {
		s.collector.Collect(int64(tick), func(at int64) (stable, candidate analysis.Outcomes, ok bool) {
			a, okStable := outcomes(t.stable, uint32(at))
			b, okCandidate := outcomes(s.recorded, uint32(at))
			return a, b, okStable && okCandidate
		}, s.observe)
		s.judge.SetStage(t.stageOf(s))
		s.judge.Advance(t.judged)
		if t.lost && s.judge.Failed() {
			s.judge.Clear()
		}
	}
}

// stageOf is where the rollout stands, for a judge of a side.
func (t *trial) stageOf(s *side) analysis.Stage {
	stage := analysis.Stage{Index: max(t.stretch.Stage, 0), Elapsed: t.stageElapsed, Weight: int(t.weight)}
	if s.beside {
		stage.Weight = max(1, stage.Weight) // without weight nothing would be judged
	}
	return stage
}

// judging are all sides of a trial, those beside the split last.
func (t *trial) judging() []*side {
	if len(t.besides) == 0 {
		return t.sides
	}
	return slices.Concat(t.sides, t.besides)
}

// seen are the rules that have counted anything: the others say nothing that the
// rules of the split do not.
func seen(rules []analysis.RuleReport) []analysis.RuleReport {
	return slices.DeleteFunc(rules, func(r analysis.RuleReport) bool { return r.Verdict.Candidate.N == 0 })
}
