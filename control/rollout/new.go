package rollout

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirproxy/weir/configs"
)

// NewService returns the state of a service that is created: all on stable.
// Weight off stable in its document is for NewManual to open a rollout with.
func NewService(svc configs.Service, _ time.Time) Service {
	return Service{
		Name:    svc.Name,
		Stable:  svc.Stable,
		Weights: map[string]configs.Weight{svc.Stable: configs.Whole},
	}
}

// New returns a planned rollout that is pending: no weight moves yet. A version
// that the plan brings is added to the service. cur may come from Supersede; it
// must have no rollout in force. Errors are *Refusal.
func New(id string, plan configs.Rollout, svc configs.Service, cur Service, at time.Time, actor string) (Pair, error) {
	if r := plannable(plan, svc, cur); r != nil {
		return Pair{}, r
	}
	s := cur.prune(plan.To, at)
	if v := plan.Version; v != nil {
		s.Versions = maps.Clone(s.Versions)
		if s.Versions == nil {
			s.Versions = make(map[string]configs.Version)
		}
		s.Versions[v.Name] = configs.Version{Endpoints: slices.Clone(v.Endpoints), Revision: v.Revision}
	}
	plan, refusal := planned(plan, s.version(svc, plan.To))
	if refusal != nil {
		return Pair{}, refusal
	}
	s.Preview = previewOf(plan)
	state := State{
		ID: id, Service: cur.Name, Strategy: plan.Strategy, Pinned: pins(svc), From: cur.Stable, To: plan.To, Plan: plan,
		Candidates: []string{plan.To}, Stage: -1, Revision: s.version(svc, plan.To).Revision,
		StartedAt: at, Actor: actor,
	}
	if plan.Strategy == configs.StrategyRolling {
		state.Endpoints = &Endpoints{From: len(s.version(svc, cur.Stable).Endpoints), To: len(s.version(svc, plan.To).Endpoints)}
	}
	m := &machine{Pair: Pair{Rollout: state, Service: s}, at: at}
	m.weigh(m.allOn(cur.Stable))
	m.become(Pending, actor, byWhom("started", actor, ""), nil)
	m.mustHold()
	return m.Pair, nil
}

// NewManual returns the rollout that a change of weights by hand opens. Keys
// stay where they are unless the weights move them. Errors are *Refusal.
func NewManual(id string, weights map[string]configs.Weight, svc configs.Service, cur Service, at time.Time, actor string) (Pair, error) {
	if cur.Rollout != "" {
		return Pair{}, invalid("abort it first", "cannot set weights of service %q: rollout %q is in force", cur.Name, cur.Rollout)
	}
	if err := checkWeights(weights); err != nil {
		return Pair{}, invalid(hintWeights, "cannot set weights of service %q: %s", cur.Name, err)
	}
	for _, version := range slices.Sorted(maps.Keys(weights)) {
		if !cur.has(svc, version) {
			return Pair{}, invalid("versions are "+cur.names(svc), "cannot set weights of service %q: there is no version %q", cur.Name, version)
		}
	}
	candidates := onTrial(weights, cur.Stable)
	if len(candidates) == 0 {
		return Pair{}, invalid("", "cannot set weights of service %q: all weight is on stable version %s already", cur.Name, cur.Stable)
	}
	guard := configs.Guard{}
	if svc.Guard != nil {
		guard = *svc.Guard
	}
	if guard.Bake == 0 {
		guard.Bake = configs.Duration(DefaultBake)
	}
	state := State{
		ID: id, Service: cur.Name, Strategy: configs.StrategyManual, Pinned: pins(svc), From: cur.Stable, To: candidates[0],
		Plan: configs.Rollout{
			Service: cur.Name, To: candidates[0], Strategy: configs.StrategyManual,
			Rollback: configs.Rollback{Triggers: guard.Triggers}, Bake: guard.Bake, UnreadyFor: guard.UnreadyFor,
		},
		Candidates: candidates, Revision: cur.version(svc, candidates[0]).Revision,
		StartedAt: at, Actor: actor,
	}
	m := &machine{Pair: Pair{Rollout: state, Service: cur}, at: at}
	m.weighAll(weights)
	m.become(m.phaseOf(weights), actor, byWhom("weights set", actor, ""), nil)
	m.mustHold()
	return m.Pair, nil
}

// ownAddresses goes with a version that would take over another's endpoints.
const ownAddresses = "give each version its own addresses: a build that is deployed in place of another cannot be told apart from it, nor put back"

func plannable(plan configs.Rollout, svc configs.Service, cur Service) *Refusal {
	refuse := func(hint, format string, args ...any) *Refusal {
		return invalid(hint, "cannot start rollout of service %q: %s", cur.Name, fmt.Sprintf(format, args...))
	}
	switch {
	case plan.Service != cur.Name || svc.Name != cur.Name:
		return refuse("", "the plan is of service %q", plan.Service)
	case !slices.Contains(strategies(), plan.Strategy):
		return refuse(fmt.Sprintf("strategies are %q", strategies()), "there is no strategy %q", plan.Strategy)
	case cur.Rollout != "":
		return refuse("abort or finish that one first", "rollout %q is in force", cur.Rollout)
	case plan.To == cur.Stable:
		return refuse("write a version that is not stable", "version %q is stable already", plan.To)
	case (plan.Strategy == configs.StrategyCanary || plan.Strategy == configs.StrategyFlag) && len(plan.Stages) == 0:
		return refuse("write at least one stage", "the plan has no stages")
	}
	v := plan.Version
	if v == nil {
		if !cur.has(svc, plan.To) {
			return refuse("versions are "+cur.names(svc), "there is no version %q", plan.To)
		}
		return nil
	}
	if v.Name != plan.To {
		return refuse("write the same name in both", "the plan leads to %q and brings version %q", plan.To, v.Name)
	}
	if _, ok := svc.Versions[v.Name]; ok {
		return refuse("leave `version` out of the plan, or use another name", "version %q stands in the service's document", v.Name)
	}
	for name, other := range cur.Merge(svc) {
		for _, address := range v.Endpoints {
			if name != v.Name && slices.Contains(other.Endpoints, address) {
				return refuse(ownAddresses, "address %s is of version %q", address, name)
			}
		}
	}
	return nil
}

// prune drops versions that rollouts brought and that nobody needs any more.
func (s Service) prune(to string, at time.Time) Service {
	versions := maps.Clone(s.Versions)
	maps.DeleteFunc(versions, func(name string, _ configs.Version) bool {
		kept := name == s.Previous && !at.After(s.KeepUntil)
		return name != s.Stable && name != to && !kept
	})
	s.Versions = versions
	return s
}

// Merge returns all versions of the service by name: those of its document, and
// those that rollouts brought. A name that stands in both is the document's.
func (s Service) Merge(svc configs.Service) map[string]configs.Version {
	versions := make(map[string]configs.Version, len(s.Versions)+len(svc.Versions))
	maps.Copy(versions, s.Versions)
	maps.Copy(versions, svc.Versions)
	return versions
}

func (s Service) version(svc configs.Service, name string) configs.Version { return s.Merge(svc)[name] }

func (s Service) has(svc configs.Service, name string) bool {
	_, ok := s.Merge(svc)[name]
	return ok
}

func (s Service) names(svc configs.Service) string {
	return fmt.Sprintf("%q", slices.Sorted(maps.Keys(s.Merge(svc))))
}
