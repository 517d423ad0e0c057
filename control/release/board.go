package release

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
)

// Input is what a Board is made of.
type Input struct {
	// Releases in the order in which they were applied.
	Releases []configs.Release

	// Deployments in any order.
	Deployments []Deployment

	// Running is which version each environment's service is on by its state:
	// what weir serves, whatever was deployed.
	Running []Running

	// Complete is since when all deployments are known. Zero: all there were are.
	Complete time.Time
}

// Running is what a service serves.
type Running struct {
	Application, Environment, Service string
	Version                           string // the release of the stable version

	// Since is when it became stable. Zero: with the service itself, or longer ago
	// than anybody remembers.
	Since time.Time
}

// Board is what is where. It is read only.
type Board struct {
	Input
	lines  map[string]line          // by application
	begun  map[string][]Deployment  // by application, in the order in which they began
	places map[string][]Environment // by application
}

// NewBoard sorts what there is.
func NewBoard(in Input) *Board {
	b := &Board{Input: in, lines: map[string]line{}, begun: map[string][]Deployment{}, places: map[string][]Environment{}}
	byName := map[string][]configs.Release{}
	for _, r := range in.Releases {
		byName[r.Application] = append(byName[r.Application], r)
	}
	for name, all := range byName {
		b.lines[name] = newLine(all)
	}
	for _, d := range in.Deployments {
		b.begun[d.Application] = append(b.begun[d.Application], d)
	}
	for _, all := range b.begun {
		slices.SortStableFunc(all, func(a, b Deployment) int {
			return cmp.Or(a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.ID, b.ID))
		})
	}
	for _, name := range b.Applications() {
		b.places[name] = b.environments(name)
	}
	return b
}

// DeploymentsOf are the deployments of an application in the order in which they
// began. They must not be changed.
func (b *Board) DeploymentsOf(application string) []Deployment { return b.begun[application] }

// deployments are those into one environment.
func (b *Board) deployments(application, environment string) []Deployment {
	return slices.DeleteFunc(slices.Clone(b.begun[application]), func(d Deployment) bool { return d.Environment != environment })
}

// Applications are the names of all that is known, in order.
func (b *Board) Applications() []string {
	seen := map[string]bool{}
	for name := range b.lines {
		seen[name] = true
	}
	for name := range b.begun {
		seen[name] = true
	}
	for _, r := range b.Running {
		seen[r.Application] = true
	}
	names := make([]string, 0, len(seen))
	for name := range seen {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Environment is what one environment of an application runs.
type Environment struct {
	Name      string         `json:"name"`
	Version   string         `json:"version" doc:"That all users are on; empty: none is known"`
	Since     time.Time      `json:"since,omitzero" doc:"When it came to be"`
	Candidate string         `json:"candidate,omitempty" doc:"The version under way; empty: none"`
	Weight    configs.Weight `json:"weight,omitempty" doc:"Share of the users that are on the candidate"`
	Last      *Deployment    `json:"last,omitempty" doc:"The deployment that began last"`

	met *Deployment // the last that users met: one that waits, or failed before, changed nothing for them
}

// Environments are those of an application: production last, the others by name.
// They must not be changed.
func (b *Board) Environments(application string) []Environment { return b.places[application] }

func (b *Board) environments(application string) []Environment {
	byName := map[string]*Environment{}
	at := func(name string) *Environment {
		if byName[name] == nil {
			byName[name] = &Environment{Name: name}
		}
		return byName[name]
	}
	for i := range b.begun[application] {
		d := &b.begun[application][i]
		e := at(d.Environment)
		e.Last = d
		if d.State != Waiting && d.State != Failed {
			e.met = d
		}
		switch d.State {
		case Live:
			e.Version, e.Since, e.Candidate, e.Weight = d.Version, d.EndedAt, "", 0
		case Deploying, Waiting:
			e.Candidate, e.Weight = d.Version, d.Weight
		default:
			if e.Candidate == d.Version {
				e.Candidate, e.Weight = "", 0
			}
		}
	}
	for _, r := range b.running(application) {
		if e := at(r.Environment); e.Version != r.Version {
			e.Version, e.Since = r.Version, r.Since // nobody reported how it got there
		}
	}
	out := make([]Environment, 0, len(byName))
	for _, e := range byName {
		out = append(out, *e)
	}
	slices.SortFunc(out, func(x, y Environment) int { return CompareEnvironments(x.Name, y.Name) })
	return out
}

// running is what weir serves in each environment. Where services of one
// environment differ, it is on the release that the others hold too: all users
// have that.
func (b *Board) running(application string) map[string]Running {
	l, out := b.lines[application], map[string]Running{}
	for _, r := range b.Running {
		if r.Application != application {
			continue
		}
		before, more := out[r.Environment]
		other, own := l.holds(before.Version), l.holds(r.Version)
		if !more || own != nil && (other == nil || other.all(own)) {
			out[r.Environment] = r
		}
	}
	return out
}

// CompareEnvironments is the order of environments: by name, production last.
func CompareEnvironments(x, y string) int {
	return cmp.Or(last(x)-last(y), cmp.Compare(x, y))
}

func last(environment string) int {
	if environment == DefaultEnvironment || strings.HasPrefix(environment, DefaultEnvironment+"-") {
		return 1 // of this cluster or of another
	}
	return 0
}

// ReleasesOf are the releases of an application, the oldest first.
func (b *Board) ReleasesOf(application string) []configs.Release {
	return b.lines[application].releases
}

// Pending are the releases that an environment does not have yet, the oldest
// first: all if what it runs is not known. One that was there, and that a release
// of another branch took the place of, is not pending again.
func (b *Board) Pending(application, environment string) []configs.Release {
	l := b.lines[application]
	var have, left set
	for _, d := range b.deployments(application, environment) {
		if d.State == Live {
			have, left = moved(have, left, l.holds(d.Version))
		}
	}
	for _, e := range b.Environments(application) {
		if e.Name == environment {
			have, left = moved(have, left, l.holds(e.Version))
		}
	}
	var out []configs.Release
	for i, r := range l.releases {
		if !have.has(i) && !left.has(i) {
			out = append(out, r)
		}
	}
	return out
}

// moved is what an environment has, and what it left behind, after another
// version. What it goes back behind it has not left.
func moved(have, left, next set) (set, set) {
	if !have.all(next) {
		left = left.with(have)
	}
	return next, left.without(next)
}

// TaskState is where a task stands in one environment.
type TaskState string

// States of a task.
const (
	TaskMerged     TaskState = "merged"      // in a release that is not there
	TaskDeploying  TaskState = "deploying"   // a part of the users has it
	TaskLive       TaskState = "live"        // all users have it
	TaskRolledBack TaskState = "rolled_back" // it was there, and was put back
)

// Task is a task with where it stands.
type Task struct {
	configs.Task
	Release      string               `json:"release" doc:"The first release that it is in"`
	Environments map[string]TaskPlace `json:"environments"`
}

// TaskPlace is where a task stands in an environment.
type TaskPlace struct {
	State  TaskState      `json:"state" enum:"merged,deploying,live,rolled_back"`
	Weight configs.Weight `json:"weight,omitempty" doc:"Share of the users that have it while it is deploying"`
}

// Text says where the task stands in the words of those who wait for it.
func (p TaskPlace) Text(environment string) string {
	production := environment == DefaultEnvironment
	switch {
	case p.State == TaskLive && production:
		return "in production"
	case p.State == TaskLive:
		return "deployed to " + environment
	case p.State == TaskDeploying && production:
		return "canary at " + p.Weight.String()
	case p.State == TaskDeploying:
		return "deploying, " + p.Weight.String()
	}
	return strings.ReplaceAll(string(p.State), "_", " ")
}

// Tasks are those of an application's releases, in the order of the releases. One
// that several releases name, as a fix for two branches, is where any of them is.
func (b *Board) Tasks(application string) []Task {
	l := b.lines[application]
	var tasks []Task
	places := map[string]int{}
	var within []set
	for i, r := range l.releases {
		for _, t := range r.Tasks {
			at, seen := places[t.ID]
			if !seen {
				at = len(tasks)
				places[t.ID] = at
				tasks, within = append(tasks, Task{Task: t, Release: r.Version}), append(within, make(set, len(l.releases)))
			}
			within[at][i] = true
		}
	}
	environments := b.Environments(application)
	for i := range tasks {
		tasks[i].Environments = make(map[string]TaskPlace, len(environments))
	}
	for _, e := range environments {
		now, coming, back := l.holds(e.Version), set(nil), set(nil)
		if e.Candidate != "" && e.Weight > 0 {
			coming = l.holds(e.Candidate)
		}
		if last := e.met; last != nil && (last.State == RolledBack || last.State == Aborted) {
			back = l.holds(last.Version)
		}
		for i := range tasks {
			tasks[i].Environments[e.Name] = place(within[i], now, coming, back, e.Weight)
		}
	}
	return tasks
}

// place is where what stands in some releases is.
func place(in, now, coming, back set, weight configs.Weight) TaskPlace {
	switch {
	case now.any(in):
		return TaskPlace{State: TaskLive, Weight: configs.Whole}
	case coming.any(in):
		return TaskPlace{State: TaskDeploying, Weight: weight}
	case back.any(in):
		return TaskPlace{State: TaskRolledBack}
	}
	return TaskPlace{State: TaskMerged}
}
