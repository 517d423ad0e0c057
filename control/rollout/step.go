package rollout

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
)

// Limits of a rollout's patience with things that are not its candidate's traffic.
const (
	// PendingLimit is how long a candidate may take to have a healthy endpoint.
	PendingLimit = 10 * time.Minute

	// DefaultSoak is the least that a stage lasts that may end early.
	DefaultSoak = 30 * time.Second

	// SharedWindow is how soon after a cut a break of stable counts as shared.
	SharedWindow = 10 * time.Second

	// DefaultKeep is how long the version that was stable before is kept.
	DefaultKeep = time.Hour

	// DefaultBake is how long weights by hand bake at 100 %.
	DefaultBake = 10 * time.Minute
)

// self is the actor of what no person asked for.
const self = "weir"

// Step takes a rollout through one event. Elapsed is the stage time: what has
// passed in the present Stretch, pauses and time without a leader left out.
//
// The same pair, event and elapsed give the same result on every node. Equal
// pairs and no effects mean that there is nothing to write. An error is a
// *Refusal of what a person asked for, or says that p is not a state that Step
// made (ErrState); p comes back unchanged.
func Step(p Pair, ev Event, elapsed time.Duration) (Pair, []Effect, error) {
	if err := p.Validate(); err != nil {
		return p, nil, err
	}
	m := &machine{Pair: p, elapsed: elapsed}
	var err error
	switch ev := ev.(type) {
	case Tick:
		m.at = ev.At
		m.tick(ev)
	case Command:
		m.at = ev.At
		err = m.command(ev)
	case SetWeights:
		m.at = ev.At
		err = m.setWeights(ev)
	case HookAnswered:
		m.at = ev.At
		m.hookAnswered(ev)
	case CutSeen:
		m.at = ev.At
		m.cutSeen(ev.Cut)
	case SmokeDone:
		m.at = ev.At
		m.smokeDone(ev)
	case StableBreaks:
		m.at = ev.At
		m.stableBreaks(ev.Rule)
	case RevisionChanged:
		m.at = ev.At
		m.revisionChanged(ev)
	case Supersede:
		m.at = ev.At
		err = m.supersede(ev)
	default:
		panic(fmt.Sprintf("BUG: unknown event %T", ev))
	}
	if err != nil {
		return p, nil, err
	}
	m.mustHold()
	return m.Pair, m.effects, nil
}

// machine is one step under way.
type machine struct {
	Pair
	at      time.Time
	elapsed time.Duration
	effects []Effect
}

func (m *machine) emit(e Effect) { m.effects = append(m.effects, e) }

func (m *machine) announce(kind, format string, args ...any) {
	m.Rollout.Announced++
	text := fmt.Sprintf("%s: ", m.Rollout.Service) + fmt.Sprintf(format, args...)
	m.emit(Announce{Seq: m.Rollout.Announced, Kind: kind, Text: text})
}

// become enters a phase, and resets what belonged to the one before.
func (m *machine) become(phase Phase, actor, reason string, v *analysis.Verdict) {
	r := &m.Rollout
	from := r.Phase
	r.Resume = ""
	if phase == Paused {
		r.Resume = from
	}
	r.Phase = phase
	r.Reason = reason
	r.WaitingFor, r.Missing = WaitNothing, nil
	if v != nil {
		r.Verdict = v
	}
	r.UpdatedAt = m.at
	r.EndedAt = time.Time{}
	if phase.Final() {
		r.EndedAt, r.Ending = m.at, nil
		if m.Service.Rollout == r.ID {
			m.Service.Rollout, m.Service.Generation = "", 0
			m.Service.Preview, m.Service.Admitted, m.Service.Mirror, m.Service.Force = nil, nil, nil, nil
		}
	} else {
		m.Service.Rollout, m.Service.Generation = r.ID, r.Generation
	}
	m.record(Transition{
		At: m.at, From: from, To: phase, Stage: r.Stage, Weights: r.Weights,
		Actor: actor, Reason: reason, Verdict: v,
	})
}

// record adds to the history. The first transition is never dropped.
func (m *machine) record(t Transition) {
	h := m.Rollout.History
	if len(h) < MaxHistory {
		m.Rollout.History = append(slices.Clip(h), t)
		return
	}
	h = slices.Clone(h[len(h)-MaxHistory+1:])
	h[0] = m.Rollout.History[0]
	m.Rollout.History = append(h, t)
}

// wait says what the rollout waits for. Saying it again writes nothing, so that
// numbers in reason do not cause a write a tick.
func (m *machine) wait(w Wait, format string, args ...any) {
	r := &m.Rollout
	if r.WaitingFor != w {
		m.waits(w, fmt.Sprintf(format, args...))
	}
}

// weigh gives the service new weights. The rollout's id draws which keys move.
func (m *machine) weigh(weights map[string]configs.Weight) {
	s, err := m.Service.weigh(weights, m.Rollout.ID)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	m.Service = s
	m.Rollout.Weights = maps.Clone(weights)
	m.admit()
	m.lead()
	m.pin()
}

// allOn are the weights with everything on one version of this rollout.
func (m *machine) allOn(version string) map[string]configs.Weight {
	weights := map[string]configs.Weight{m.Rollout.From: 0}
	for _, candidate := range m.Rollout.Candidates {
		weights[candidate] = 0
	}
	weights[version] = configs.Whole
	return weights
}

// stageWeights are the weights of a stage of the plan: a stage without a weight
// keeps that of the stage before, and stable keeps what is held back.
func (m *machine) stageWeights(stage int) map[string]configs.Weight {
	candidate := configs.Weight(0)
	for _, s := range m.Rollout.Plan.Stages[:stage+1] {
		if s.Weight != nil {
			candidate = *s.Weight
		}
	}
	candidate = min(candidate, configs.Whole-m.Rollout.Plan.Holdback)
	return map[string]configs.Weight{
		m.Rollout.From: configs.Whole - candidate,
		m.Rollout.To:   candidate,
	}
}

func (m *machine) stageName(stage int) string {
	if name := m.Rollout.Plan.Stages[stage].Name; name != "" {
		return fmt.Sprintf("stage %d (%s)", stage+1, name)
	}
	return fmt.Sprintf("stage %d", stage+1)
}

// enterStage begins a stage of the plan with its weights. The one stage of a
// switch is its bake.
func (m *machine) enterStage(stage int, actor, reason string) {
	first := m.Rollout.Stage < 0
	m.Rollout.Stage = stage
	m.Rollout.HoldFrom, m.Rollout.ProgressFrom = 0, 0
	m.askAnew()
	m.Rollout.Passed = false
	m.weigh(m.stageWeights(stage))
	m.become(m.phaseOf(m.Rollout.Weights), actor, reason, nil)
	kind := AnnounceStage
	if first {
		kind = AnnounceStarted
	}
	m.announce(kind, "%s of %d, %s; %s", m.stageName(stage), len(m.Rollout.Plan.Stages), describe(m.Rollout.Weights)+m.Service.besideText(), reason)
}

// next goes on after the present stage or the bake.
func (m *machine) next(actor, reason string) {
	r := &m.Rollout
	switch {
	case r.Phase == Progressing && r.Stage+1 < len(r.Plan.Stages):
		m.enterStage(r.Stage+1, actor, reason)
	case r.Phase == Progressing && r.Plan.Bake > 0:
		m.bake(actor, reason)
	default:
		m.succeed(actor, reason)
	}
}

// bake watches the candidate at the weight that it has.
func (m *machine) bake(actor, reason string) {
	m.Rollout.HoldFrom, m.Rollout.ProgressFrom = 0, 0
	m.askAnew()
	m.become(Baking, actor, reason, nil)
	m.announce(AnnounceBaking, "%s bakes for %s at %s", m.Rollout.To, m.Rollout.Plan.Bake.Std(), describe(m.Rollout.Weights))
}

// succeed makes the candidate the stable version.
func (m *machine) succeed(actor, reason string) {
	r := &m.Rollout
	if trial := onTrial(r.Weights, r.From); len(trial) == 1 {
		r.To = trial[0] // one of several whose others are out
	}
	keep := r.Plan.KeepPrevious.Std()
	if keep == 0 {
		keep = DefaultKeep
	}
	m.weigh(m.allOn(r.To))
	m.Service.Stable = r.To
	m.Service.Previous = r.From
	m.Service.KeepUntil = m.at.Add(keep)
	r.Held = nil
	m.become(Succeeded, actor, reason, nil)
	m.announce(AnnounceSucceeded, "%s is stable now; %s is kept until %s", r.To, r.From, m.Service.KeepUntil.UTC().Format(time.RFC3339))
}

// fallBack ends the rollout with everything on stable, in one step.
func (m *machine) fallBack(phase Phase, kind, actor, reason string, v *analysis.Verdict) {
	r := &m.Rollout
	if phase == RolledBack && m.unseen() {
		phase, kind = Failed, AnnounceFailed
	}
	r.Held = nil
	if phase == RolledBack && len(onTrial(r.Weights, r.From)) > 0 {
		r.Held = r.Weights // stable's own break, seen within seconds, brings them up again
	}
	m.weigh(m.allOn(r.From))
	m.become(phase, actor, reason, v)
	m.announce(kind, "all on %s; %s", r.From, reason)
}

// freshen starts the evidence anew. Cuts of the evidence before are void.
func (m *machine) freshen() {
	m.Rollout.Generation++
	m.Rollout.HoldFrom, m.Rollout.ProgressFrom = 0, 0
	m.Rollout.Verdict = nil
	m.Rollout.Observed = nil
	m.emit(ResetEvidence{})
}
