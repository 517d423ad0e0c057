// Package migration knows which changes of databases were made where, and what they
// forbid: a rollout before what its code needs, a contract while a version that it
// breaks may still be asked for, and a way back to such a version afterwards. It
// sees no database: `weir migrate` tells what it did. It is pure.
package migration

import (
	"fmt"
	"slices"
	"time"

	"github.com/weirproxy/weir/configs"
)

// State is where a migration stands.
type State string

// States of a migration.
const (
	Pending     State = "pending"     // not done; it may be done in part
	Running     State = "running"     // `weir migrate up` began it, or was killed in it
	Contracting State = "contracting" // a contract that was given leave, or is done in part
	Done        State = "done"
)

// States are all of them.
func States() []State { return []State{Pending, Running, Contracting, Done} }

// Record is the value of migrations/<application>/<environment>/<name>: what was
// last told of a migration in the database of one environment. It holds no SQL.
type Record struct {
	Application string   `json:"application"`
	Environment string   `json:"environment" doc:"Whose database it is"`
	Name        string   `json:"name"`
	Phase       string   `json:"phase" enum:"expand,migrate,contract"`
	Needs       []string `json:"needs,omitempty" doc:"Migrations of the same database that must be done before"`
	Breaks      []string `json:"breaks,omitempty" doc:"Versions that cannot run after it"`
	State       State    `json:"state" enum:"pending,running,contracting,done"`
	Steps       int      `json:"steps"`
	StepsDone   int      `json:"steps_done"`
	By          string   `json:"by" doc:"Who told it last"`

	At        time.Time `json:"at" doc:"When that was"`
	GrantedAt time.Time `json:"granted_at,omitzero" doc:"When the contract was given leave; absent: it was not"`
	DoneAt    time.Time `json:"done_at,omitzero" doc:"When it was first told to be done"`
}

// ID tells migrations apart: shop/production/users-email.
func (r *Record) ID() string { return r.Application + "/" + r.Environment + "/" + r.Name }

// Bars reports whether the versions that r breaks have lost what they need, or may
// lose it at any moment.
func (r *Record) Bars() bool {
	return r.Phase == configs.PhaseContract && (r.State == Contracting || r.State == Done)
}

// Covered reports whether r has leave for all that told would break already: a
// contract that was interrupted goes on.
func (r *Record) Covered(told *Record) bool {
	return r.Bars() && !slices.ContainsFunc(told.Breaks, func(v string) bool { return !slices.Contains(r.Breaks, v) })
}

// Next is what the record says once told came in at now. Old is the zero Record if
// there was none. A contract that may have taken something away bars what it breaks
// until it is deleted, whatever is told later. What contradicts it is an error.
func Next(old, told Record, now time.Time) (Record, error) {
	switch contract := told.Phase == configs.PhaseContract; {
	case old.Bars() && !contract:
		return Record{}, fmt.Errorf("migration %q is a contract that is %s, and is told to be of phase %s", old.Name, old.State, told.Phase)
	case told.State == Contracting && !contract:
		return Record{}, fmt.Errorf("migration %q is of phase %s: only a contract asks for leave", told.Name, told.Phase)
	case told.StepsDone > told.Steps || told.State == Done && told.StepsDone < told.Steps:
		return Record{}, fmt.Errorf("migration %q is told to be %s with %d of %d steps done", told.Name, told.State, told.StepsDone, told.Steps)
	}
	next := told
	next.At, next.GrantedAt, next.DoneAt = now, old.GrantedAt, time.Time{}
	if next.Phase == configs.PhaseContract && next.State != Done && (old.Bars() || next.StepsDone > 0 || next.State == Running) {
		next.State = Contracting // done in part, it has taken something away as well
	}
	if told.State == Contracting && !old.Bars() {
		next.GrantedAt = now
	}
	if next.State == Done {
		if next.DoneAt = old.DoneAt; next.DoneAt.IsZero() {
			next.DoneAt = now
		}
	}
	if old.Bars() {
		next.Breaks = union(old.Breaks, told.Breaks)
	}
	return next, nil
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
