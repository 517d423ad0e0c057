package configs

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weirproxy/weir/analysis"
)

const (
	maxStages   = 100
	maxTriggers = 32
	maxChecks   = 32 // of one stage
	maxMeta     = 32
)

// Validate returns all problems of p that can be seen without its service.
// Paths are canonical and without places: Document.Locate adds them. It does
// not change p, and takes zero for a default.
func (p *Rollout) Validate() Problems {
	r := &report{}
	if _, ok := FlagOf(p.Service); !ok && p.Strategy != StrategyFlag && p.Flag == "" {
		r.name("service", p.Service)
	}
	p.checkFlag(r)
	switch {
	case p.To == "":
		r.add("to", versionHint, "the candidate is not named")
	case !isVersionName(p.To):
		r.add("to", versionHint, "%q is not a name of a version", p.To)
	}
	p.checkStrategy(r)
	p.checkStages(r)
	r.checks("checks", p.Checks)
	r.triggers("rollback.triggers", p.Rollback.Triggers)
	r.choice("rollback.action", p.Rollback.Action, "revert_to_previous", "pause")
	r.span("bake", p.Bake, maxSpan)
	p.checkHolds(r)
	r.span("unready_for", p.UnreadyFor, maxTimeout)
	p.checkVersion(r)
	p.checkMeta(r)
	p.checkMetrics(r)
	p.checkLater(r)
	p.checkGates(r)
	limits := "stages"
	if len(p.Rollback.Triggers) > 0 {
		limits = "rollback.triggers"
	}
	r.latencyLimits(limits, p.Rules())
	return r.problems
}

func (p *Rollout) checkStrategy(r *report) {
	strategies := []string{StrategyCanary, StrategyBlueGreen, StrategyRolling, StrategyAllAtOnce, StrategyFlag}
	switch {
	case p.Strategy == "":
		r.add("strategy", "write strategy: "+oneOf(strategies), "the strategy is missing")
	case p.Strategy == StrategyManual:
		r.add("strategy", "use `weir weights` to move weights by hand", "no document carries the strategy manual")
	case !slices.Contains(strategies, p.Strategy):
		hint := "write " + oneOf(strategies)
		if meant := nearest(p.Strategy, strategies); meant != "" {
			hint = fmt.Sprintf("did you mean %s?", meant)
		}
		r.add("strategy", hint, "there is no strategy %q", p.Strategy)
	}
	only := func(name, strategy string, set bool) {
		if set && p.Strategy != strategy && slices.Contains(strategies, p.Strategy) {
			r.add(name, fmt.Sprintf("remove it, or write strategy: %s", strategy), "%s has no meaning with strategy %s", name, p.Strategy)
		}
	}
	if p.Strategy != StrategyFlag {
		only("stages", StrategyCanary, len(p.Stages) > 0)
	}
	only("checks", StrategyRolling, len(p.Checks) > 0)
	only("batch", StrategyRolling, p.Batch != 0)
	only("max_unavailable", StrategyRolling, p.MaxUnavailable != nil)
	only("pause_between", StrategyRolling, p.PauseBetween != 0)
	only("preview", StrategyBlueGreen, p.Preview != nil)
	if (p.Strategy == StrategyCanary || p.Strategy == StrategyFlag) && len(p.Stages) == 0 {
		r.add("stages", "write stages: [{weight: 5%, duration: 10m}, {weight: 100%}]", "a %s rollout has at least one stage", p.Strategy)
	}
}

func (p *Rollout) checkStages(r *report) {
	if len(p.Stages) > maxStages {
		r.add("stages", fmt.Sprintf("keep at most %d", maxStages), "there are %d stages", len(p.Stages))
		return
	}
	weight := Weight(0)
	for i, stage := range p.Stages {
		path := item("stages", i)
		switch w := stage.Weight; {
		case w == nil && weight == 0 && stage.Beside(), w != nil && *w == 0 && weight == 0 && stage.Beside():
		case w == nil && weight == 0:
			r.add(path, "write weight: 5%", "the first stage has no weight")
		case w == nil:
			if stage.Duration == 0 && len(stage.Checks) == 0 && !stage.Pause && !stage.Beside() {
				r.add(path, "give it a weight, a duration or checks", "the stage does nothing")
			}
		case *w <= 0 || *w > Whole:
			r.add(field(path, "weight"), "write a weight above 0%, at most 100%", "a stage with %s of the keys shows nothing", *w)
		case *w < weight:
			r.add(field(path, "weight"), fmt.Sprintf("write at least %s", weight), "the weight falls from %s to %s", weight, *w)
		default:
			weight = *w
		}
		p.checkBeside(r, i, weight)
		r.span(field(path, "duration"), stage.Duration, maxSpan)
		r.checks(field(path, "checks"), stage.Checks)
		r.choice(field(path, "on_fail"), stage.OnFail, "rollback", "pause")
		p.checkHold(r, i)
		if len(stage.Name) > 128 || !isFieldValue(stage.Name) {
			r.add(field(path, "name"), "write at most 128 printable characters", "the name of the stage is too long or not printable")
		}
	}
}

func (r *report) choice(path, value string, allowed ...string) {
	if value != "" && !slices.Contains(allowed, value) {
		r.add(path, "write "+oneOf(allowed), "there is no choice %q here", value)
	}
}

func (p *Rollout) checkVersion(r *report) {
	v := p.Version
	if v == nil {
		return
	}
	if v.Name != p.To {
		r.add("version.name", fmt.Sprintf("write name: %s", p.To), "the version %q is not the candidate %q", v.Name, p.To)
	}
	r.endpoints("version.endpoints", v.Name, v.Endpoints, map[string]string{})
	if len(v.Revision) > 256 || !isFieldValue(v.Revision) {
		r.add("version.revision", "write at most 256 printable characters", "the revision is too long or not printable")
	}
}

func (p *Rollout) checkMeta(r *report) {
	if p.Release != "" && !isVersionName(p.Release) {
		r.add("release", versionHint, "%q is not a name of a version", p.Release)
	}
	r.migrations(p.Migrations)
	if p.Flag != "" && len(p.Migrations) > 0 {
		r.add("migrations", "name them in the rollout of the version that needs them", "a flag has no database")
	}
	if len(p.Meta) > maxMeta {
		r.add("meta", fmt.Sprintf("keep at most %d", maxMeta), "there are %d entries", len(p.Meta))
	}
	size := 0
	for name, value := range p.Meta {
		size += len(name) + len(value)
	}
	if size > 16<<10 {
		r.add("meta", "write at most 16384 bytes", "the entries are %d bytes long", size)
	}
}

// checkLater validates what decodes but is refused at run time.
func (p *Rollout) checkLater(r *report) {
	if p.Preview != nil {
		if len(p.Preview.Header) == 0 && p.Preview.Host == "" {
			r.add("preview", "write header: {X-Weir-Preview: green}", "nobody reaches the preview")
		}
		for _, name := range slices.Sorted(maps.Keys(p.Preview.Header)) {
			at := field("preview.header", name)
			if !isToken(name) {
				r.add(at, "write a name such as X-Weir-Preview", "%q is not the name of a header", name)
			}
			if value := p.Preview.Header[name]; value == "" || !isFieldValue(value) {
				r.add(at, "write printable text without spaces around it", "%q is not the value of a header", value)
			}
		}
		if p.Preview.Host != "" && !isHost(p.Preview.Host) {
			r.add("preview.host", "write a name such as preview.example.com", "%q is not a host", p.Preview.Host)
		}
	}
	for i, smoke := range p.Smoke {
		path := item("smoke", i)
		if hint, wrong := cleanPath(smoke.Get, true); wrong != "" {
			r.add(field(path, "get"), hint, "%q %s", smoke.Get, wrong)
		}
		if status := smoke.Expect.Status; status != 0 && (status < 100 || status > 599) {
			r.add(field(path, "expect.status"), "write a status from 100 to 599", "%d is not a status", status)
		}
		r.span(field(path, "expect.within"), smoke.Expect.Within, maxTimeout)
	}
	r.span("keep_previous", p.KeepPrevious, maxSpan)
	r.span("pause_between", p.PauseBetween, maxSpan)
	r.count("batch", p.Batch, maxEndpoints)
	if p.MaxUnavailable != nil && (*p.MaxUnavailable < 0 || *p.MaxUnavailable > maxEndpoints) {
		r.add("max_unavailable", "write a number of endpoints, or 0", "%d is not a number of endpoints", *p.MaxUnavailable)
	}
}

// ValidateAgainst returns what is wrong with p for a service: its name, a
// candidate that it does not know or that is stable already, limits that its
// timeout makes unreachable. Give it a service whose Stable and Versions are
// those of the state, if there is a state.
func (p *Rollout) ValidateAgainst(s *Service) Problems {
	r := &report{}
	if p.Service != s.Name {
		r.add("service", "write service: "+s.Name, "the rollout is of service %q, not %q", p.Service, s.Name)
		return r.problems
	}
	known := make([]string, 0, len(s.Versions))
	owner := map[string]string{}
	for name, v := range s.Versions {
		known = append(known, name)
		for _, address := range v.Endpoints {
			owner[strings.ToLower(address)] = name
		}
	}
	slices.Sort(known)
	switch _, ok := s.Versions[p.To]; {
	case p.To == s.Stable:
		r.add("to", "name the version under trial", "version %q is stable already", p.To)
	case !ok && p.Version == nil:
		r.add("to", knownHint(p.To, known), "service %q has no version %q", s.Name, p.To)
	}
	if p.Version != nil {
		for i, address := range p.Version.Endpoints {
			if other, taken := owner[strings.ToLower(address)]; taken && other != p.Version.Name {
				hint := "give each version its own endpoints"
				if p.Strategy == StrategyRolling {
					hint = "start the new build on addresses of its own: redeploying in place is not supported"
				}
				r.add(item("version.endpoints", i), hint, "the address %q belongs to version %q already", address, other)
			}
		}
	}
	for i, route := range s.Routes {
		if p.Preview != nil && p.Preview.Host != "" && strings.EqualFold(route.Host, p.Preview.Host) {
			r.add("preview.host", "write a host that users do not know", "the host %q is that of users, by routes[%d]", p.Preview.Host, i)
		}
	}
	defaults := *s
	defaults.SetDefaults()
	p.requiresItself(r, &defaults)
	reachable := func(path string, c analysis.Condition) {
		if c.Latency > 0 && c.Latency >= defaults.Timeout.Std() {
			r.add(path, fmt.Sprintf("write a limit below the timeout %s of service %q", defaults.Timeout, s.Name), "the limit of %q can never break: every answer ends before it", c)
		}
	}
	for i, t := range p.Rollback.Triggers {
		reachable(field(item("rollback.triggers", i), "condition"), t.Condition)
	}
	for i, stage := range p.Stages {
		for j, c := range stage.Checks {
			reachable(item(field(item("stages", i), "checks"), j), c)
		}
	}
	return r.problems
}
