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

// besideKey is where the evidence of a candidate beside the split is stored. No
// version has a name with a space.
func besideKey(version string) string { return version + " beside" }

// judgedBeside reports whether a rollout gives its candidates requests beside the
// split: by its stages, or by pins, which keep the clients of earlier stages.
func judgedBeside(r rollout.State) bool {
	return r.Pinned || slices.ContainsFunc(r.Plan.Stages, func(s configs.Stage) bool { return s.Beside() })
}

// newBeside returns the side of a candidate that judges what goes to it beside
// the split: it can fail, and its passing means nothing. Each node bets for
// itself, as with a fuse.
func newBeside(t *trial, policy analysis.Policy, version string, known *evidence, marks *stats.Marks) (*side, error) {
	limits := policy.Limits()
	policy = policy.Beside()
	s := &side{
		version:   version,
		judge:     analysis.NewJudge(policy),
		collector: analysis.NewCollector(policy, t.timeout, int64(t.first), t.began),
		recorded:  stats.NewTrial(limits, policy.Keyed, marks),
	}
	if known == nil || known.Judges[besideKey(version)] == nil {
		return s, nil
	}
	if err := json.Unmarshal(known.Judges[besideKey(version)], s.judge); err != nil {
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
	stage := t.stage()
	stage.Weight = max(1, stage.Weight) // without weight nothing would be judged
	for _, s := range t.besides {
		s.collector.Collect(int64(tick), func(at int64) (stable, candidate analysis.Outcomes, ok bool) {
			a, okStable := outcomes(t.stable, uint32(at))
			b, okCandidate := outcomes(s.recorded, uint32(at))
			return a, b, okStable && okCandidate
		}, s.observe)
		s.judge.SetStage(stage)
		s.judge.Advance(t.judged)
		if t.lost && s.judge.Failed() {
			s.judge.Clear()
		}
	}
}

// judging are all sides of a trial, those beside the split last.
func (t *trial) judging() []*side { return slices.Concat(t.sides, t.besides) }

// seen are the rules that have counted anything: the others say nothing that the
// rules of the split do not.
func seen(rules []analysis.RuleReport) []analysis.RuleReport {
	return slices.DeleteFunc(rules, func(r analysis.RuleReport) bool { return r.Verdict.Candidate.N == 0 })
}
