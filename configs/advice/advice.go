// Package advice knows the mistakes that releases are made with, and finds them in
// documents before they hurt. It is pure: documents come in, advice goes out. It
// refuses nothing.
package advice

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/weirproxy/weir/configs"
)

// Codes of advice, which `advise: {ignore: […]}` of a service or rollout names.
const (
	AllAtOnce       = "all-at-once"
	NoTriggers      = "no-triggers"
	NoSmokeCheck    = "no-smoke-check"
	NoObservation   = "no-observation"
	NoFreeze        = "no-freeze"
	NoStaging       = "no-staging"
	NoNotifications = "no-notifications"
	ManualWeights   = "manual-weights"

	MigrationWithCode = "migration-with-code"
)

// Advice is one mistake, why it is one, and what to do about it.
type Advice struct {
	Code   string `json:"code"`
	Object string `json:"object"` // what it is about: `rollout of shop`, `service shop`
	Text   string `json:"text"`   // what is wrong
	Reason string `json:"reason"` // why that hurts
	Remedy string `json:"remedy"` // what to write
}

// String is the advice in three sentences.
func (a Advice) String() string {
	return fmt.Sprintf("%s: %s: %s. %s. %s.", a.Object, a.Code, a.Text, a.Reason, a.Remedy)
}

// Input is what is looked at. Documents need no defaults.
type Input struct {
	Services  []configs.Service
	Rollouts  []configs.Rollout // that are started, or are to be
	Notifiers []configs.Notifier
	Freezes   []configs.Freeze
	Releases  []configs.Release

	// Migrations are looked at for their names, applications and phases alone.
	Migrations []configs.Migration

	// Manual are services whose weights were moved by hand, and are not all on stable.
	Manual []string

	// Staged are applications whose deployments to environments before production
	// were reported by others.
	Staged []string
}

// Add takes what documents say in.
func (in *Input) Add(documents []configs.Document) {
	for _, d := range documents {
		switch d.Kind() {
		case configs.KindService:
			in.Services = append(in.Services, *d.Service)
		case configs.KindRollout:
			in.Rollouts = append(in.Rollouts, *d.Rollout)
		case configs.KindNotifier:
			in.Notifiers = append(in.Notifiers, *d.Notifier)
		case configs.KindFreeze:
			in.Freezes = append(in.Freezes, *d.Freeze)
		case configs.KindRelease:
			in.Releases = append(in.Releases, *d.Release)
		case configs.KindMigration:
			in.Migrations = append(in.Migrations, *d.Migration)
		}
	}
}

// Find returns the advice that nobody ignores, services first, by name.
func Find(in Input) []Advice {
	f := finder{Input: in, services: map[string]configs.Service{}, staged: map[string]bool{}}
	for _, application := range in.Staged {
		f.staged[application] = true
	}
	for _, s := range in.Services {
		s.SetDefaults()
		f.services[s.Name] = s
		if s.Environment != production {
			f.staged[s.Application] = true
		}
	}
	for _, s := range in.Services {
		f.service(f.services[s.Name])
	}
	for i := range in.Rollouts {
		r := in.Rollouts[i]
		r.SetDefaults()
		f.rollout(&r)
	}
	if f.found == nil {
		f.found = []Advice{}
	}
	slices.SortStableFunc(f.found, func(a, b Advice) int {
		return cmp.Or(cmp.Compare(b.Object[:1], a.Object[:1]), cmp.Compare(a.Object, b.Object), cmp.Compare(a.Code, b.Code))
	})
	return f.found
}

type finder struct {
	Input
	services map[string]configs.Service
	staged   map[string]bool // applications with an environment before production
	found    []Advice
}

func (f *finder) add(ignored *configs.Advise, a Advice) {
	if ignored == nil || !slices.Contains(ignored.Ignore, a.Code) {
		f.found = append(f.found, a)
	}
}

// service looks for what surrounds releases of a service in production.
func (f *finder) service(s configs.Service) {
	object := "service " + s.Name
	if slices.Contains(f.Manual, s.Name) {
		f.add(s.Advise, Advice{ManualWeights, object, "its weights were moved by hand, outside of a rollout",
			"Nothing moves them on or decides when they are good, and nobody can repeat it", "Write a Rollout with stages and start it"})
	}
	if s.Environment != production {
		return
	}
	if !f.frozenOnFridays(s.Name) {
		f.add(s.Advise, Advice{NoFreeze, object, "releases begin on Friday afternoons as on any other",
			"What breaks then is found when nobody is there", "Apply a Freeze: schedule: {days: [fri], from: \"12:00\", to: \"24:00\", time_zone: …}"})
	}
	if !f.notified(s.Name) {
		f.add(s.Advise, Advice{NoNotifications, object, "nobody is told when a rollout fails or is put back",
			"weir puts traffic back by itself, and the fault stays until somebody hears of it", "Apply a Notifier with on: [rolled_back, failed, paused]"})
	}
	if !f.staged[s.Application] && !f.required(s.Name) {
		f.add(s.Advise, Advice{NoStaging, object, fmt.Sprintf("application %s has no staging environment that weir knows", s.Application),
			"The first place where a version runs is then the one with the users", "Give the staging service environment: staging and the same application, or report its deployments; then write requires: [{environment: staging, for: 1h}] in the rollouts"})
	}
}

const production = "production"

// frozenOnFridays reports whether a freeze is in force on some Friday afternoon.
func (f *finder) frozenOnFridays(service string) bool {
	friday := time.Date(2026, 1, 2, 15, 0, 0, 0, time.UTC)
	return slices.ContainsFunc(f.Freezes, func(d configs.Freeze) bool {
		if !d.Covers(service) || d.Schedule == nil || !slices.Contains(d.Schedule.Days, "fri") {
			return false
		}
		zone, err := time.LoadLocation(d.Schedule.TimeZone)
		if err != nil {
			return false
		}
		local := time.Date(friday.Year(), friday.Month(), friday.Day(), friday.Hour(), 0, 0, 0, zone)
		_, active := d.Active(local)
		return active
	})
}

func (f *finder) notified(service string) bool {
	return slices.ContainsFunc(f.Notifiers, func(n configs.Notifier) bool {
		about := len(n.Services) == 0 || slices.Contains(n.Services, service)
		return about && (slices.Contains(n.On, "all") || slices.Contains(n.On, "rolled_back"))
	})
}

// required reports whether a rollout of a service wants it to prove itself elsewhere.
func (f *finder) required(service string) bool {
	return slices.ContainsFunc(f.Rollouts, func(r configs.Rollout) bool { return r.Service == service && len(r.Requires) > 0 })
}

// rollout looks for what a plan lacks.
func (f *finder) rollout(r *configs.Rollout) {
	object := "rollout of " + r.Service
	s, known := f.services[r.Service]
	_, flag := configs.FlagOf(r.Service)
	inProduction := !known || s.Environment == production
	if r.Strategy == configs.StrategyAllAtOnce && inProduction {
		f.add(r.Advise, Advice{AllAtOnce, object, "all users in production get the version at once",
			"A fault then reaches everybody before anything can be measured", "Write strategy: canary with a first stage of 1% or 5%"})
	}
	if len(r.Rollback.Triggers) == 0 && !checked(r) {
		f.add(r.Advise, Advice{NoTriggers, object, "it declares no checks and no triggers, so the default guard alone judges it",
			"What is too slow or too wrong for your users is known to you alone", "Write rollback: {triggers: [{condition: error_rate > 1%, duration: 5m}]}"})
	}
	if len(r.Smoke) == 0 && !flag {
		f.add(r.Advise, Advice{NoSmokeCheck, object, "nothing is asked of the version before its first user",
			"A build that cannot start or answer at all need not meet anybody", "Write smoke: [{get: /healthz}]"})
	}
	if len(r.Requires) == 0 && known && inProduction && f.staged[s.Application] {
		f.add(r.Advise, Advice{NoStaging, object, "it may begin before the release was in any other environment",
			"What staging would have shown is then shown to the users", "Write requires: [{environment: staging, for: 1h}]"})
	}
	if contract := f.contractOf(r, s.Application); contract != "" {
		f.add(r.Advise, Advice{MigrationWithCode, object, fmt.Sprintf("it brings contract %s along with the code", contract),
			"What a contract takes away is still needed by the version that users would go back to", "Release the code first, and run the contract when nothing needs what it takes away"})
	}
	if !observed(r) {
		f.add(r.Advise, Advice{NoObservation, object, "no stage lasts and nothing bakes, so the version is stable before it was watched",
			"Slow faults, leaks and rare requests show after minutes", "Give the stages a duration, or write bake: 30m"})
	}
}

// contractOf is the first contract that a rollout or its release names; empty: none.
func (f *finder) contractOf(r *configs.Rollout, application string) string {
	application = cmp.Or(application, r.Service)
	names := slices.Clone(r.Migrations)
	for _, d := range f.Releases {
		if d.Application == application && d.Version == cmp.Or(r.Release, r.To) {
			names = append(names, d.Migrations...)
		}
	}
	for _, m := range f.Migrations {
		if m.Application == application && m.Phase == configs.PhaseContract && slices.Contains(names, m.Name) {
			return m.Name
		}
	}
	return ""
}

func checked(r *configs.Rollout) bool {
	return len(r.Checks) > 0 || slices.ContainsFunc(r.Stages, func(s configs.Stage) bool { return len(s.Checks) > 0 })
}

func observed(r *configs.Rollout) bool {
	return r.Bake > 0 || r.PauseBetween > 0 || slices.ContainsFunc(r.Stages, func(s configs.Stage) bool { return s.Duration > 0 || s.Pause })
}
