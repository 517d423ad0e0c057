package configs

import "fmt"

// maxRequires bounds the environments that one plan requires.
const maxRequires = 8

// Require is an environment that a release must have proven itself in: it was
// deployed there, is what runs there now, and was not put back.
//
// Threat: what other systems report counts like weir's own rollouts, so whoever
// may report deployments can meet it. Give each pipeline a token of its own; the
// trail says who reported what.
type Require struct {
	// Environment is its name, as services give it in `environment` and deployments
	// are reported of it.
	Environment string `json:"environment" yaml:"environment"`

	// For is how long the release must have been live there. 0: it must be live now.
	For Duration `json:"for,omitempty" yaml:"for,omitempty"`

	// Application is whose release of that name it is. Empty: that of the rollout's
	// service.
	Application string `json:"application,omitempty" yaml:"application,omitempty"`
}

// checkRequires checks what must have run elsewhere before.
func (p *Rollout) checkRequires(r *report) {
	if len(p.Requires) > maxRequires {
		r.add("requires", fmt.Sprintf("keep at most %d", maxRequires), "there are %d environments", len(p.Requires))
	}
	if len(p.Requires) > 0 && p.Strategy == StrategyFlag {
		r.add("requires", "remove it, or require it of the service's rollouts", "a variant of a flag is no release")
	}
	seen := map[[2]string]bool{}
	for i, q := range p.Requires {
		at := item("requires", i)
		if q.Environment == "" {
			r.add(field(at, "environment"), "write environment: staging", "the environment is not named")
		} else {
			r.name(field(at, "environment"), q.Environment)
		}
		if q.Application != "" {
			r.name(field(at, "application"), q.Application)
		}
		r.span(field(at, "for"), q.For, maxSpan)
		if key := [2]string{q.Environment, q.Application}; q.Environment != "" && seen[key] {
			r.add(field(at, "environment"), "keep the longer one", "%q is required a second time", q.Environment)
		} else {
			seen[key] = true
		}
	}
}

// requiresItself reports problems of a plan that would wait for what it brings about.
func (p *Rollout) requiresItself(r *report, s *Service) {
	for i, q := range p.Requires {
		if q.Environment == s.Environment && (q.Application == "" || q.Application == s.Application) {
			r.add(field(item("requires", i), "environment"), "name the environment that comes before it",
				"service %q is %s itself: the rollout would wait for its own end", s.Name, q.Environment)
		}
	}
}
