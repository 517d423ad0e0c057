package release

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
)

// Requires is what stands against a release of an application by what its plan
// requires of environments, in the order of the plan; empty: nothing. Up reports
// whether the stable version of a service that weir serves there has a healthy
// endpoint.
//
// Time is the wall clock, as deployments of other systems have no other: one that
// is set forward counts the step as proven.
func (b *Board) Requires(application, version string, requires []configs.Require, up func(service string) bool, now time.Time) []rollout.Missing {
	var all []rollout.Missing
	for _, q := range requires {
		p := b.prove(cmp.Or(q.Application, application), q.Environment, version)
		m := rollout.Missing{Wait: rollout.WaitEnvironment, Environment: q.Environment}
		what := version
		if q.Application != "" && q.Application != application {
			what = fmt.Sprintf("%s of %s", version, q.Application)
			m.Environment = q.Application + "/" + q.Environment
		}
		m.Text, m.PutBack = p.absent(what, q.Environment)
		switch {
		case m.Text != "":
		case !p.healthy(up):
			m.Text = fmt.Sprintf("%s has no healthy endpoint in %s", what, q.Environment)
		case q.For == 0:
			continue
		case p.since.IsZero():
			m.Text = fmt.Sprintf("nobody knows since when %s is live in %s: report its deployment", what, q.Environment)
		case now.Sub(p.since) >= q.For.Std():
			continue
		default:
			m.Text = fmt.Sprintf("%s has been live in %s", what, q.Environment)
			m.Since, m.For = p.since.UTC().Round(0), q.For
		}
		all = append(all, m)
	}
	return all
}

// proof is what an environment says about a release.
type proof struct {
	version string
	last    *Deployment // of the release; superseded ones left out. Nil: there was none
	since   time.Time   // when it came to be live. Zero: not known, or it is not
	now     string      // what runs there; empty: nobody knows
	back    bool        // now is what was there before the release
	others  []Running   // services of the environment that are on something else
	served  []Running   // all that weir serves there
}

func (b *Board) prove(application, environment, version string) proof {
	p := proof{version: version}
	for _, r := range b.Running {
		if r.Application != application || r.Environment != environment {
			continue
		}
		p.served = append(p.served, r)
		if r.Version != version {
			p.others = append(p.others, r)
		}
	}
	// What weir serves there is the release: attempts of its own that ended otherwise changed nothing.
	settled := len(p.served) > 0 && len(p.others) == 0
	earlier := map[string]bool{} // live before the release
	for _, d := range b.deployments(application, environment) {
		idle := settled && d.Rollout != "" && d.State != Live
		if d.Version == version && d.State != Superseded && !idle {
			p.last = &d
		}
		if d.State != Live {
			continue
		}
		p.now, p.since = d.Version, time.Time{}
		if d.Version == version {
			p.since = d.EndedAt
		}
		if p.last == nil {
			earlier[d.Version] = true
		}
	}
	switch {
	case settled:
		p.now = version
		for _, r := range p.served {
			p.since = latest(p.since, r.Since)
		}
	case len(p.others) > 0:
		p.now, p.since = p.others[0].Version, time.Time{}
	}
	l := b.lines[application]
	here, known := l.at[p.now]
	p.back = earlier[p.now] || known && p.now != version && l.holds(version).has(here)
	return p
}

func latest(a, b time.Time) time.Time {
	if a.IsZero() || b.After(a) {
		return b
	}
	return a
}

// absent says why the release does not count as live; empty: it does. Back: it was
// put back there.
func (p *proof) absent(what, environment string) (text string, back bool) {
	switch d := p.last; {
	case d != nil && (d.State == RolledBack || d.State == Aborted):
		way := "from " + what
		if p.now != "" && p.now != p.version {
			way += " to " + p.now
		}
		return fmt.Sprintf("%s was put back %s at %s%s", environment, way, clock(d.EndedAt), because(d.Reason)), true
	case d != nil && d.State == Failed:
		return fmt.Sprintf("%s failed in %s at %s%s", what, environment, clock(d.EndedAt), because(d.Reason)), false
	case d != nil && d.State == Deploying:
		return fmt.Sprintf("%s is being deployed to %s", what, environment), false
	case d != nil && d.State == Waiting:
		return fmt.Sprintf("the deployment of %s to %s waits", what, environment), false
	case p.now == p.version:
		return "", false
	case p.now == "":
		return fmt.Sprintf("%s is not in %s", what, environment), false
	case len(p.others) > 0 && len(p.others) < len(p.served):
		return fmt.Sprintf("%s is not in all of %s: service %s is on %s", what, environment, p.others[0].Service, p.now), false
	case d != nil && p.back:
		return fmt.Sprintf("%s was put back from %s to %s", environment, what, p.now), true
	case d != nil:
		return fmt.Sprintf("%s is not in %s any more: %s is", what, environment, p.now), false
	}
	return fmt.Sprintf("%s is not in %s: %s is", what, environment, p.now), false
}

// healthy reports whether every service there that weir serves has a healthy endpoint.
func (p *proof) healthy(up func(service string) bool) bool {
	return !slices.ContainsFunc(p.served, func(r Running) bool { return !up(r.Service) })
}

func clock(at time.Time) string { return at.UTC().Format("2006-01-02 15:04 MST") }

// because is a reason as the end of a sentence; what others wrote is bounded.
func because(reason string) string {
	const most = 200
	reason = strings.TrimRight(strings.TrimSpace(reason), ".")
	if reason == "" {
		return ""
	}
	if len(reason) > most {
		reason = strings.ToValidUTF8(reason[:most], "") + "…"
	}
	return ": " + reason
}
