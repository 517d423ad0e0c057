package migration

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
)

// Service is one service of an application in one environment.
type Service struct {
	Name     string
	State    rollout.Service
	Rollouts []rollout.State // all of it that are known, the newest first
}

// Use is a version that may be asked for, and why.
type Use struct {
	Service string
	Version string   // as the service calls it
	As      []string // the releases that it may be, Version first
	Why     string
}

// String is one line for a person.
func (u *Use) String() string {
	version := u.Version
	for _, as := range u.As[1:] {
		version += ", which is " + as + ","
	}
	return fmt.Sprintf("service %s: version %s is %s", u.Service, version, u.Why)
}

// Releases are what a version of the service may be: its own name, and what the
// rollouts to it were said to release. Those before the last that succeeded, or is
// under way, count no more: it brought another build.
func (s *Service) Releases(version string) []string {
	as := []string{version}
	for i := range s.Rollouts {
		r := &s.Rollouts[i]
		if r.To != version || r.Strategy == configs.StrategyManual || r.Phase == rollout.Queued {
			continue
		}
		if name := r.Plan.Release; name != "" && !slices.Contains(as, name) {
			as = append(as, name)
		}
		if r.Phase == rollout.Succeeded || !r.Phase.Final() {
			break
		}
	}
	return as
}

// leastAge is how long after its end a rollout can still be taken back by a cut or
// a break that its stable version shared.
const leastAge = rollout.SharedWindow

// Uses are all versions of the service that get requests, or that weir or a person
// may give some without asking anybody.
func (s *Service) Uses(now time.Time) []Use {
	why := map[string]string{}
	add := func(version, reason string) {
		if version != "" && why[version] == "" {
			why[version] = reason
		}
	}
	add(s.State.Stable, "stable")
	for _, version := range slices.Sorted(maps.Keys(s.State.Weights)) {
		if w := s.State.Weights[version]; w > 0 {
			add(version, "at "+w.String())
		}
	}
	if now.Before(s.State.KeepUntil) {
		add(s.State.Previous, "kept for undo until "+moment(s.State.KeepUntil))
	}
	for i := range s.Rollouts {
		r := &s.Rollouts[i]
		if !r.Phase.Final() {
			if r.Phase != rollout.Queued { // where that goes back to is decided when it begins
				add(r.From, fmt.Sprintf("the way back of rollout %s (%s)", r.ID, r.Phase))
			}
			for _, version := range r.Candidates {
				add(version, fmt.Sprintf("a candidate of rollout %s (%s)", r.ID, r.Phase))
			}
			continue
		}
		if until := r.EndedAt.Add(max(r.Plan.Bake.Std(), leastAge)); r.Phase == rollout.Succeeded && now.Before(until) {
			add(r.From, fmt.Sprintf("what rollout %s took the place of, which is too young until %s", r.ID, moment(until)))
		}
		if until := r.EndedAt.Add(leastAge); now.Before(until) {
			for _, version := range append([]string{r.From}, r.Candidates...) {
				add(version, fmt.Sprintf("of rollout %s, which ended just now", r.ID))
			}
		}
	}
	uses := make([]Use, 0, len(why))
	for version, reason := range why {
		uses = append(uses, Use{Service: s.Name, Version: version, As: s.Releases(version), Why: reason})
	}
	slices.SortFunc(uses, func(a, b Use) int { return cmp.Compare(a.Version, b.Version) })
	return uses
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Gained are the versions that a change gives requests, or more of them, or puts
// under trial, in order. The stable version that a change started from is never
// one of them: what goes back to it is asked nobody.
func Gained(before, after rollout.Pair) []string {
	had, has := active(before), active(after)
	var gained []string
	for _, version := range slices.Sorted(maps.Keys(has)) {
		if version == before.Service.Stable {
			continue
		}
		if !had[version] || after.Service.Weights[version] > before.Service.Weights[version] {
			gained = append(gained, version)
		}
	}
	return gained
}

func active(p rollout.Pair) map[string]bool {
	versions := map[string]bool{}
	if p.Service.Stable != "" {
		versions[p.Service.Stable] = true
	}
	for version, w := range p.Service.Weights {
		if w > 0 {
			versions[version] = true
		}
	}
	if !p.Rollout.Phase.Final() && p.Rollout.ID != "" {
		for _, version := range p.Rollout.Candidates {
			versions[version] = true
		}
	}
	return versions
}
