package apitest

import (
	"fmt"
	"slices"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/rollout"
)

func (c *Controller) setWeights(cmd control.SetWeights) (control.Reply, error) {
	if flag, ok := configs.FlagOf(cmd.Service); ok {
		return c.changeFlag(flag, 0, "moved", func(v *control.View, name string) {
			v.Flags = slices.Clone(v.Flags)
			i := slices.IndexFunc(v.Flags, func(f control.FlagView) bool { return f.Document.Name == name })
			v.Flags[i].State.Weights = cmd.Weights
		})
	}
	s, ok := c.view.Service(cmd.Service)
	if !ok {
		return control.Reply{}, refuse(control.NotFound, "", "there is no service %q", cmd.Service)
	}
	if err := stale(cmd.IfMatch, s.StateRevision); err != nil {
		return control.Reply{}, err
	}
	sum := configs.Weight(0)
	for name, w := range cmd.Weights {
		if _, ok := s.Document.Versions[name]; !ok {
			return control.Reply{}, refuse(control.Invalid, "", "service %q has no version %q", cmd.Service, name)
		}
		sum += w
	}
	if sum != configs.Whole {
		return control.Reply{}, refuse(control.Invalid, "let them add up to 100%", "the weights add up to %s", sum)
	}
	if r, ok := c.view.Rollout(s.State.Rollout); ok && r.State.Strategy != configs.StrategyManual {
		return control.Reply{}, &control.Error{Kind: control.Conflict, Text: "the weights are the plan's", Allowed: r.State.Allowed()}
	}
	revision := c.change(func(v *control.View, revision int64) {
		s, _ := v.Service(cmd.Service)
		s.State.Weights, s.StateRevision = cmd.Weights, revision
	})
	return control.Reply{Revision: revision, Name: cmd.Service, Text: "weights of " + cmd.Service + " moved"}, nil
}

func (c *Controller) startRollout(cmd control.StartRollout) (control.Reply, error) {
	if _, ok := c.view.Service(cmd.Plan.Service); ok && cmd.DryRun {
		plan := cmd.Plan
		return control.Reply{Name: plan.Service, Text: fmt.Sprintf("would release %s to %s by %s", plan.Service, plan.To, plan.Strategy), Changes: []string{"stage 1 of 1"}}, nil
	}
	plan := cmd.Plan
	s, ok := c.view.Service(plan.Service)
	switch {
	case !ok:
		return control.Reply{}, refuse(control.NotFound, "apply it first", "there is no service %q", plan.Service)
	case s.State.Rollout != "":
		return control.Reply{}, refuse(control.Conflict, "wait, or abort it", "rollout %s of %q is in force", s.State.Rollout, plan.Service)
	case plan.Strategy != configs.StrategyCanary:
		return control.Reply{}, refuse(control.NotBuilt, "use strategy canary", "not built yet: strategy %s", plan.Strategy)
	}
	id := fmt.Sprintf("%s-%d", plan.Service, len(c.view.Rollouts)+1)
	c.AddRollout(rollout.State{
		ID: id, Service: plan.Service, Strategy: plan.Strategy, From: s.State.Stable, To: plan.To, Plan: plan,
		Candidates: []string{plan.To}, Phase: rollout.Progressing, Weights: map[string]configs.Weight{s.State.Stable: 9500, plan.To: 500},
		StartedAt: epoch, UpdatedAt: epoch, Actor: cmd.Actor,
		History: []rollout.Transition{{At: epoch, From: rollout.Pending, To: rollout.Progressing, Actor: cmd.Actor, Reason: "Started.",
			Weights: map[string]configs.Weight{s.State.Stable: 9500, plan.To: 500}}},
	})
	return control.Reply{Revision: c.view.Store.Revision, Name: plan.Service, ID: id, Created: true, Text: "started " + id}, nil
}

// AddRollout puts a rollout first; if it is not final it is in force. The
// caller must hold no lock of the Controller unless it is one of its commands.
func (c *Controller) AddRollout(state rollout.State) {
	c.change(func(v *control.View, revision int64) {
		r := &control.RolloutView{State: state, ModRevision: revision, InForce: !state.Phase.Final(), Elapsed: 3 * time.Second, StageElapsed: 2 * time.Second}
		if state.Verdict != nil {
			r.Verdict = *state.Verdict
		}
		v.Rollouts = append([]*control.RolloutView{r}, v.Rollouts...)
		if s, ok := v.Service(state.Service); ok && r.InForce {
			s.State.Rollout, s.State.Weights, s.StateRevision = state.ID, state.Weights, revision
		}
	})
}

func (c *Controller) act(cmd control.Act) (control.Reply, error) {
	r, ok := c.view.Rollout(cmd.ID)
	if !ok {
		return control.Reply{}, refuse(control.NotFound, "", "there is no rollout %q", cmd.ID)
	}
	if cmd.Verb == "approve" {
		return control.Reply{}, refuse(control.NotBuilt, "", "not built yet: approve")
	}
	if err := stale(cmd.IfMatch, r.ModRevision); err != nil {
		return control.Reply{}, err
	}
	if !slices.Contains(r.State.Allowed(), cmd.Verb) {
		return control.Reply{}, refuse(control.Conflict, "", "a rollout that is %s takes no %s", r.State.Phase, cmd.Verb)
	}
	phases := map[string]rollout.Phase{
		"pause": rollout.Paused, "resume": rollout.Progressing, "abort": rollout.Aborted, "undo": rollout.Aborted,
		"promote": rollout.Succeeded, "retry": r.State.Phase,
	}
	revision := c.change(func(v *control.View, revision int64) {
		r, _ := v.Rollout(cmd.ID)
		before := r.State.Phase
		r.State.Phase, r.ModRevision, r.State.Reason = phases[cmd.Verb], revision, cmd.Reason
		r.InForce = !r.State.Phase.Final()
		r.State.History = append(slices.Clone(r.State.History), rollout.Transition{
			At: epoch.Add(time.Minute), From: before, To: r.State.Phase, Weights: r.State.Weights, Actor: cmd.Actor, Reason: cmd.Reason,
		})
		if s, ok := v.Service(r.State.Service); ok && !r.InForce {
			s.State.Rollout = ""
		}
	})
	return control.Reply{Revision: revision, ID: cmd.ID, Name: r.State.Service, Text: cmd.Verb + " of " + cmd.ID}, nil
}
