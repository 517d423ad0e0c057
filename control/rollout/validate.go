package rollout

import (
	"errors"
	"fmt"
	"slices"

	"github.com/weirproxy/weir/configs"
)

// ErrState says that a stored value is not one that this package wrote.
var ErrState = errors.New("not a state of a rollout")

// Validate says what is wrong with a value that was read from outside. Step
// takes no pair that fails it. Labels are not looked at: Service.Split mends them.
func (p Pair) Validate() error {
	r, s := p.Rollout, p.Service
	if err := r.validate(); err != nil {
		return fmt.Errorf("cannot use rollout %q: %w", r.ID, err)
	}
	if err := s.Validate(); err != nil {
		return err
	}
	switch {
	case r.Service != s.Name:
		return fmt.Errorf("cannot use rollout %q: %w: it is of service %q, not %q", r.ID, ErrState, r.Service, s.Name)
	case r.Phase == Queued && s.Rollout != r.ID:
		return nil
	case r.Phase.Final() && s.Rollout == r.ID, !r.Phase.Final() && s.Rollout != r.ID:
		return fmt.Errorf("cannot use rollout %q: %w: it is %s while service %q has rollout %q in force", r.ID, ErrState, r.Phase, s.Name, s.Rollout)
	case s.Rollout == "" && r.Phase != Superseded && s.Weights[s.Stable] != configs.Whole:
		return fmt.Errorf("cannot use rollout %q: %w: service %q has weight off stable without a rollout in force", r.ID, ErrState, s.Name)
	case s.Rollout == r.ID && (s.Stable != r.From || s.Generation != r.Generation || !sameWeights(s.Weights, r.Weights)):
		return fmt.Errorf("cannot use rollout %q: %w: it contradicts the state of service %q", r.ID, ErrState, s.Name)
	}
	return nil
}

func (s State) validate() error {
	phases := []Phase{Queued, Pending, Progressing, Paused, Baking, Succeeded, RolledBack, Aborted, Failed, Superseded}
	switch {
	case s.ID == "" || s.Service == "" || s.From == "" || s.To == "":
		return fmt.Errorf("%w: id, service, from or to is missing", ErrState)
	case !slices.Contains(phases, s.Phase):
		return fmt.Errorf("%w: unknown phase %q", ErrState, s.Phase)
	case s.Phase == Paused && s.Resume != Pending && s.Resume != Progressing && s.Resume != Baking:
		return fmt.Errorf("%w: paused, with phase %q to go back to", ErrState, s.Resume)
	case len(s.Candidates) == 0 || slices.Contains(s.Candidates, s.From) || !slices.Contains(s.Candidates, s.To):
		return fmt.Errorf("%w: candidates %q", ErrState, s.Candidates)
	case !s.manual() && !slices.Contains(strategies(), s.Strategy), s.Strategy != s.Plan.Strategy:
		return fmt.Errorf("%w: unknown strategy %q", ErrState, s.Strategy)
	case !s.manual() && (len(s.Candidates) != 1 || len(s.Plan.Stages) == 0):
		return fmt.Errorf("%w: a plan needs one candidate and at least one stage", ErrState)
	case s.manual() && (s.Phase == Pending || s.Phase == Queued || s.Phase == Paused && s.Resume == Pending):
		return fmt.Errorf("%w: weights by hand that are %s", ErrState, s.Phase)
	case s.Stage < -1 || s.Stage >= max(1, len(s.Plan.Stages)):
		return fmt.Errorf("%w: stage %d of %d", ErrState, s.Stage, len(s.Plan.Stages))
	}
	started := s.Phase == Progressing || s.Phase == Baking || s.Phase == Paused && s.Resume != Pending
	if started && s.Stage < 0 {
		return fmt.Errorf("%w: %s before the first stage", ErrState, s.Phase)
	}
	for i, stage := range s.Plan.Stages {
		if w := stage.Weight; w != nil && (*w < 0 || *w > configs.Whole) {
			return fmt.Errorf("%w: weight of stage %d is out of range", ErrState, i)
		}
	}
	if e := s.Ending; e != nil && (s.Phase.Final() || s.Plan.Abort.Ramp <= 0 || checkWeights(e.Weights) != nil) {
		return fmt.Errorf("%w: an abort in steps without a ramp, or after the end", ErrState)
	}
	if s.Held != nil && checkWeights(s.Held) != nil {
		return fmt.Errorf("%w: held weights: %w", ErrState, checkWeights(s.Held))
	}
	return checkWeights(s.Weights)
}

// Validate says what is wrong with a value that was read from outside.
func (s Service) Validate() error {
	if s.Name == "" || s.Stable == "" {
		return fmt.Errorf("cannot use state of service %q: %w: name or stable is missing", s.Name, ErrState)
	}
	if err := checkWeights(s.Weights); err != nil {
		return fmt.Errorf("cannot use state of service %q: %w", s.Name, err)
	}
	if m := s.Mirror; m != nil && (m.To == "" || m.Share < 0 || m.Share > configs.Whole) {
		return fmt.Errorf("cannot use state of service %q: %w: it mirrors %s to version %q", s.Name, ErrState, m.Share, m.To)
	}
	return nil
}

// mustHold panics if Step made a pair that it would not take itself.
func (p Pair) mustHold() {
	if err := p.Validate(); err != nil {
		panic("BUG: " + err.Error())
	}
}
