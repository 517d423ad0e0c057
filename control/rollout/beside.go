package rollout

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/weirproxy/weir/configs"
)

// Force leads the requests of chosen users to a version, whatever the weights.
// They are counted apart.
type Force struct {
	To    string          `json:"to"`
	Match []configs.Match `json:"match"` // one must be met
}

// Reaches reports whether requests of users, or copies of them, go to a version:
// by the split or beside it. What a preview leads there does not count.
func (s Service) Reaches(version string) bool {
	return s.Weights[version] > 0 || s.Force != nil && s.Force.To == version ||
		s.Mirror != nil && s.Mirror.To == version && s.Mirror.Share > 0
}

// reached are the candidates that have requests, in name order.
func (m *machine) reached() []string {
	return slices.DeleteFunc(slices.Clone(m.Rollout.Candidates), func(version string) bool { return !m.Service.Reaches(version) })
}

// lead gives the candidate what its stage says beside the split: a mirror in its
// own stage, chosen users until a later stage chooses others. Whatever takes the
// candidate off the split, or begins to, ends both.
func (m *machine) lead() {
	r, s := &m.Rollout, &m.Service
	s.Mirror, s.Force = nil, nil
	if r.manual() || r.Phase.Final() || r.Stage < 0 || r.Ending != nil || r.Held != nil {
		return
	}
	if share := r.Plan.Stages[r.Stage].Mirror; share > 0 {
		s.Mirror = &Mirror{To: r.To, Share: share}
	}
	for _, stage := range r.Plan.Stages[:r.Stage+1] {
		if len(stage.Match) > 0 {
			s.Force = &Force{To: r.To, Match: stage.Match}
		}
	}
}

// raisesBeside reports whether s gives a version requests beside the split that
// before did not.
func (s Service) raisesBeside(before Service) bool {
	same := s.Rollout == before.Rollout && s.Generation == before.Generation
	return s.Mirror != nil && !(same && reflect.DeepEqual(s.Mirror, before.Mirror)) ||
		s.Force != nil && !(same && reflect.DeepEqual(s.Force, before.Force))
}

// unseen reports whether the split has never given a user to the candidate: what
// ends now has failed before its time.
func (m *machine) unseen() bool {
	r := &m.Rollout
	return len(onTrial(r.Weights, r.From)) == 0 && m.Service.Force == nil && !r.onStable()
}

// besides reports whether the present stage has nothing to be judged by but
// what goes to the candidate beside the split: that can fail it, and time alone
// passes it.
func (m *machine) besides() bool {
	r := &m.Rollout
	return r.Phase == Progressing && !r.manual() && r.Weights[r.To] == 0 && r.Plan.Stages[r.Stage].Beside()
}

// stops reports whether the plan wants a person to end the stage that has passed.
func (m *machine) stops() bool {
	r := &m.Rollout
	return r.Phase == Progressing && !r.manual() && r.Plan.Stages[r.Stage].Pause && !r.Passed
}

// besideText says what goes to versions beside the split.
func (s Service) besideText() string {
	text := ""
	if s.Mirror != nil {
		text += fmt.Sprintf(", copies of %s of the requests to %s", percent(s.Mirror.Share), s.Mirror.To)
	}
	if s.Force != nil {
		text += ", chosen users on " + s.Force.To
	}
	return text
}
