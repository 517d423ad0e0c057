package control

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/stats"
)

// aftermath is how long a trial goes on after a cut: stable may break the same
// rule as it takes all requests, which says that the candidate was not to blame.
const aftermath = 10 * time.Second

// defaultUnreadyFor is how long a candidate may have no healthy endpoint.
const defaultUnreadyFor = 5 * time.Second

// trial is a rollout in force as this node measures it: the armed recorders,
// and a judge for each candidate. It belongs to the Controller's goroutine.
type trial struct {
	id, service string
	stretch     rollout.Stretch // what stageElapsed is measured over
	from        string
	timeout     time.Duration
	unreadyFor  time.Duration

	began        time.Duration  // trial time at the start of tick first
	first        uint32         // the first tick that this process measured
	judged       time.Duration  // trial time now
	weight       configs.Weight // of all candidates together
	stageElapsed time.Duration
	elapsed      time.Duration

	stable   *stats.Trial
	recorder *stats.Recorder // of stable, while armed
	pace     *analysis.Pace  // nil: no limit is relative to stable's latency
	sides    []*side
	besides  []*side // what goes to the candidates beside the split; often none
	gauges   *gauges
	record   *record

	// lost says that this node has no fuse: what it knew is gone, and its share
	// of alpha may be spent. Only what probes see counts, until the rollout ends.
	lost bool

	lacks lacking // that its environments do

	warmUp warmUp // of the next raise, or the last one

	asked standing // what the state machine last had nothing to say of
	nap   nap

	place  int           // among many that take turns
	unseen time.Duration // since the last look at it

	saved  time.Time // when the evidence was last handed to the store
	saving bool      // etcd has not taken it yet
	wrote  []byte    // what etcd took last, if this release made all of it
	ended  time.Time // when the rollout left force; zero while it is in force
}

// side is one candidate of a trial.
type side struct {
	version   string
	beside    bool // it judges what goes to the version beside the split
	judge     *analysis.Judge
	collector *analysis.Collector
	recorded  *stats.Trial
	recorder  *stats.Recorder // while armed
	unready   time.Duration   // how long it has had no healthy endpoint
	shared    sharedRounds    // that its probes failed while stable's did too
	fleet     *fleet          // nil: this node is alone
}

// policyOf composes what a rollout is judged by.
func policyOf(r rollout.State, doc configs.Service) analysis.Policy {
	var p analysis.Policy
	if r.Strategy == configs.StrategyManual {
		p = doc.GuardPolicy()
	} else {
		p = r.Plan.Policy(doc)
	}
	p.Candidates = len(r.Candidates)
	if judgedBeside(r) {
		p.Candidates *= 2 // each is judged twice
	}
	p.LiveNodes = r.Nodes
	p.Fuse = r.Nodes > 1
	return p
}

// newTrial arms nothing yet. Tick is the present one. Known is the evidence to
// go on from; nil starts clean.
func newTrial(r rollout.State, doc configs.Service, tick uint32, known *evidence) (*trial, error) {
	t := &trial{
		id: r.ID, service: r.Service, stretch: r.Stretch(), from: r.From,
		timeout: doc.Timeout.Std(), unreadyFor: r.Plan.UnreadyFor.Std(), first: tick,
	}
	if r.Strategy == configs.StrategyManual && doc.Guard != nil {
		t.unreadyFor = doc.Guard.UnreadyFor.Std()
	}
	if t.unreadyFor <= 0 {
		t.unreadyFor = defaultUnreadyFor
	}
	policy := policyOf(r, doc)
	besides := judgedBeside(r)
	if known != nil && known.Stretch.Generation == r.Generation {
		t.began, t.judged, t.elapsed = known.Judged, known.Judged, known.Elapsed
		if known.Stretch == t.stretch {
			t.stageElapsed = known.StageElapsed
		}
	} else {
		known = nil
	}
	limits, marks := policy.Limits(), stats.NewMarks()
	t.stable = stats.NewTrial(limits, policy.Keyed, marks)
	t.pace = analysis.NewPace(policy)
	for _, version := range r.Candidates {
		s := &side{
			version:   version,
			judge:     analysis.NewJudge(policy),
			collector: analysis.NewCollector(policy, t.timeout, int64(tick), t.began),
			recorded:  stats.NewTrial(limits, policy.Keyed, marks),
		}
		if policy.Fuse {
			s.fleet = newFleet(policy, r.ID, r.Generation, version)
		}
		if known != nil {
			if err := json.Unmarshal(known.Judges[version], s.judge); err != nil {
				return nil, fmt.Errorf("cannot resume the evidence of rollout %q: version %q: %w", r.ID, version, err)
			}
		}
		t.sides = append(t.sides, s)
		if besides {
			b, err := newBeside(t, policy, r, version, known, marks)
			if err != nil {
				return nil, err
			}
			t.besides = append(t.besides, b)
		}
	}
	t.gauges = newGauges(policy, r, doc)
	t.record = newRecord(t, policy)
	return t, nil
}

// arm attaches the trial to the recorders of its versions.
func (t *trial) arm(recorders *stats.Registry) {
	t.recorder = recorders.Recorder(t.service, t.from)
	t.recorder.Arm(t.stable)
	for _, s := range t.sides {
		s.recorder = recorders.Recorder(t.service, s.version)
		s.recorder.Arm(s.recorded)
	}
	t.armBesides(recorders)
}

// disarm detaches it, unless another trial has taken its place.
func (t *trial) disarm() {
	if t.recorder.Armed() == t.stable {
		t.recorder.Disarm()
	}
	for _, s := range t.sides {
		if s.recorder.Armed() == s.recorded {
			s.recorder.Disarm()
		}
	}
	t.disarmBesides()
}

// advance judges every request that has ripened by tick.
func (t *trial) advance(tick uint32) {
	t.repace(tick)
	t.judged = t.began + time.Duration(tick-t.first)*stats.TickLength
	for _, s := range t.sides {
		s.collector.Collect(int64(tick), func(at int64) (stable, candidate analysis.Outcomes, ok bool) {
			a, okStable := outcomes(t.stable, uint32(at))
			b, okCandidate := outcomes(s.recorded, uint32(at))
			return a, b, okStable && okCandidate
		}, s.observe)
		s.judge.SetStage(t.stageOf(s))
		s.judge.Advance(t.judged)
		if t.lost && s.judge.Failed() && promised(s.judge.Verdict().Path) {
			s.judge.Clear()
		}
	}
	t.advanceBesides(tick)
}

// observe takes a sample of this node.
func (s *side) observe(sample analysis.Sample) {
	s.judge.Observe(sample)
	if s.fleet != nil {
		s.fleet.own.add(sample)
	}
}

// repace lets limits relative to stable's latency follow it, from a tick on in
// which no request has begun.
func (t *trial) repace(tick uint32) {
	if t.pace == nil || t.recorder == nil || !t.pace.Due(int64(tick)) {
		return
	}
	var totals stats.Totals
	t.recorder.Totals(&totals)
	paces, ok := t.pace.Update(int64(tick), &totals.Latency)
	if !ok {
		return
	}
	from := tick + 2
	t.stable.SetLevels(stats.Levels{From: from, At: paces.Stable})
	for _, s := range t.sides {
		s.recorded.SetLevels(stats.Levels{From: from, At: paces.Candidate})
		s.collector.SetPaces(int64(from), paces)
	}
}

// promised reports whether a failure by path counts against alpha.
func promised(path analysis.Path) bool {
	return path == analysis.PathFast || path == analysis.PathSlow || path == analysis.PathFuse
}

// followLeader takes over the stage time that the leader saved, so that a node
// that comes to lead goes on from there.
func (t *trial) followLeader(e evidence) {
	if e.Stretch == t.stretch {
		t.stageElapsed = max(t.stageElapsed, e.StageElapsed)
	}
	if e.Stretch.Generation == t.stretch.Generation {
		t.elapsed = max(t.elapsed, e.Elapsed)
	}
}

// outcomes are one tick of a recorder in the judge's form.
func outcomes(t *stats.Trial, tick uint32) (analysis.Outcomes, bool) {
	var o stats.Outcomes
	ok := t.Outcomes(tick, &o)
	return analysis.Outcomes(o), ok
}

// sinceStep is the stage time or, once the rollout is over, the time since.
func (t *trial) sinceStep(now time.Time) time.Duration {
	if t.ended.IsZero() {
		return t.stageElapsed
	}
	return now.Sub(t.ended)
}

// follow takes in where the rollout stands now. Stage time starts at 0 with
// every new stretch.
func (t *trial) follow(r rollout.State) {
	if now := r.Stretch(); now != t.stretch {
		t.stretch, t.stageElapsed = now, 0
	}
	t.weight = 0
	for _, version := range r.Candidates {
		t.weight += r.Weights[version]
	}
}

// verdicts are those of the candidates, by version.
func (t *trial) verdicts() map[string]analysis.Verdict {
	byVersion := make(map[string]analysis.Verdict, len(t.sides))
	for _, s := range t.sides {
		byVersion[s.version] = s.decides().Verdict()
	}
	for _, s := range t.besides {
		if v := s.decides().Verdict(); v.Kind == analysis.Fail && byVersion[s.version].Kind != analysis.Fail {
			byVersion[s.version] = v
		}
	}
	return byVersion
}

// broken reports whether a rule of a candidate has failed, those that only observe
// among them.
func (t *trial) broken() bool {
	for _, s := range t.judging() {
		if j := s.decides(); j.Failed() || j.Observes() {
			return true
		}
	}
	return false
}

// report is how each rule stands, candidate by candidate.
func (t *trial) report() []analysis.RuleReport {
	var rules []analysis.RuleReport
	for _, s := range t.sides {
		rules = append(rules, s.decides().Report()...)
	}
	for _, s := range t.besides {
		rules = append(rules, seen(s.decides().Report())...)
	}
	return rules
}

// observed are the verdicts of broken rules that only observe.
func (t *trial) observed() []analysis.Verdict {
	var broken []analysis.Verdict
	for _, s := range t.sides {
		broken = append(broken, s.decides().Observed()...)
	}
	return broken
}
