package rollout

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirproxy/weir/configs"
)

// NewQueued returns a planned rollout that waits for the one in force to end. It
// has no part in the service's state until Begin. What can be known now to stand
// against it is a *Refusal.
func NewQueued(id string, plan configs.Rollout, svc configs.Service, cur Service, at time.Time, actor string) (State, error) {
	free := cur
	free.Rollout = ""
	if plan.To != cur.Stable { // it may not be stable any more when its turn comes
		if r := plannable(plan, svc, free); r != nil {
			return State{}, r
		}
	}
	s := State{
		ID: id, Service: cur.Name, Strategy: plan.Strategy, From: cur.Stable, To: plan.To, Plan: plan,
		Candidates: []string{plan.To}, Phase: Queued, Stage: -1, StartedAt: at, UpdatedAt: at, Actor: actor,
		Weights: map[string]configs.Weight{cur.Stable: configs.Whole, plan.To: 0},
		Reason:  "waits for rollout " + cur.Rollout,
	}
	if plan.To == cur.Stable {
		return State{}, invalid("write a version that is not stable", "cannot queue rollout of service %q: version %q is stable already", cur.Name, plan.To)
	}
	s.History = []Transition{{At: at, From: Queued, To: Queued, Stage: -1, Weights: s.Weights, Actor: actor, Reason: byWhom("queued", actor, "")}}
	return s, nil
}

// Begin is the turn of a queued rollout: cur has none in force. One that does
// not fit the service any more has failed.
func Begin(s State, svc configs.Service, cur Service, at time.Time) (Pair, []Effect, error) {
	if s.Phase != Queued || cur.Rollout != "" {
		return Pair{}, nil, fmt.Errorf("cannot begin rollout %q: it is %s, and %q is in force", s.ID, s.Phase, cur.Rollout)
	}
	p, err := New(s.ID, s.Plan, svc, cur, at, s.Actor)
	if r, refused := errors.AsType[*Refusal](err); refused {
		m := &machine{Pair: Pair{Rollout: s, Service: cur}, at: at}
		m.become(Failed, self, r.Text, nil)
		m.announce(AnnounceFailed, "%s", r.Text)
		return m.Pair, m.effects, nil
	}
	if err != nil {
		return Pair{}, nil, err
	}
	began := p.Rollout.History
	p.Rollout.StartedAt, p.Rollout.Announced, p.Rollout.Replaces, p.Rollout.Retries = s.StartedAt, s.Announced, s.Replaces, s.Retries
	p.Rollout.History = append(append([]Transition{}, s.History...), began...)
	return p, nil, nil
}

// leave ends a queued rollout: the service's state is another's.
func (m *machine) leave(phase Phase, kind, actor, reason string) {
	m.become(phase, actor, reason, nil)
	m.announce(kind, "%s", reason)
}
