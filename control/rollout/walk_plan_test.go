package rollout

import "github.com/weirproxy/weir/configs"

// checkPlan holds what a plan's state may say against the plan.
func checkPlan(t failer, h happening, p Pair) {
	t.Helper()
	r, s := p.Rollout, p.Service
	if !p.InForce() && (s.Preview != nil || s.Admitted != nil || s.Mirror != nil || s.Force != nil) {
		t.Fatalf("%s: %s leaves a preview, a mirror, chosen users or a limit of endpoints behind", h.name, r.Phase)
	}
	trial := onTrial(s.Weights, r.From)
	if s.Pins != nil && (len(trial) == 0 || r.Ending != nil || s.Rollout == "" && r.Phase != Succeeded && r.Phase != Superseded) {
		t.Fatalf("%s: clients are pinned to %q while %s is %s", h.name, s.Pins.Versions, r.ID, r.Phase)
	}
	if want := r.Pinned && len(trial) > 0 && r.Ending == nil; p.InForce() && (s.Pins != nil) != want {
		t.Fatalf("%s: clients are pinned: %v, and should be: %v", h.name, !want, want)
	}
	if r.manual() || !p.InForce() || r.Ending != nil {
		return
	}
	weight, planned := s.Weights[r.To], false
	for _, stage := range r.Plan.Stages {
		planned = planned || stage.Weight != nil && *stage.Weight == weight
	}
	if weight != 0 && !planned {
		t.Fatalf("%s: %s has %s, which no stage of the plan says", h.name, r.To, weight)
	}
	mirrored := s.Mirror != nil && s.Mirror.To == r.To
	if wants := r.Stage >= 0 && !r.onStable() && r.Plan.Stages[r.Stage].Mirror > 0 && r.Ending == nil; mirrored != wants {
		t.Fatalf("%s: the mirror is %v in stage %d", h.name, s.Mirror, r.Stage)
	}
	if s.Force != nil && (s.Force.To != r.To || r.Stage < 0 || r.onStable() || r.Ending != nil) {
		t.Fatalf("%s: users are led to %s", h.name, s.Force.To)
	}
	admitted, limited := s.Admitted[r.To]
	if mixed := weight != 0 && weight != configs.Whole; limited != (mixed && r.Endpoints != nil) || limited && s.Admitted[r.From] < 1 {
		t.Fatalf("%s: %s with %v admitted", h.name, describe(s.Weights), s.Admitted)
	}
	if limited && configs.Weight(admitted)*configs.Whole/configs.Weight(r.Endpoints.To) != weight {
		t.Fatalf("%s: %d of %d endpoints have %s", h.name, admitted, r.Endpoints.To, weight)
	}
}

// beside reports whether only what goes beside the split can fail the stage.
func beside(s State) bool {
	return s.Phase == Progressing && !s.manual() && s.Weights[s.To] == 0 && s.Plan.Stages[s.Stage].Beside()
}
