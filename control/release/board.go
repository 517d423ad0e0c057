package release

import (
	"cmp"
	"slices"
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
}

// Running is what a service serves.
type Running struct {
	Application, Environment, Service string
	Version                           string // the release of the stable version
}

// Board is what is where. It is read only.
type Board struct {
	Input
	releases map[string][]configs.Release // by application, the oldest first
}

// NewBoard sorts what there is.
func NewBoard(in Input) *Board {
	b := &Board{Input: in, releases: map[string][]configs.Release{}}
	for _, r := range in.Releases {
		b.releases[r.Application] = append(b.releases[r.Application], r)
	}
	for _, all := range b.releases {
		slices.SortStableFunc(all, func(x, y configs.Release) int {
			a, b := x.CutAt(), y.CutAt()
			if a.IsZero() || b.IsZero() {
				return 0 // as they were applied
			}
			return a.Compare(b)
		})
	}
	return b
}

// Applications are the names of all that is known, in order.
func (b *Board) Applications() []string {
	seen := map[string]bool{}
	for name := range b.releases {
		seen[name] = true
	}
	for _, d := range b.Deployments {
		seen[d.Application] = true
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
}

// Environments are those of an application: production last, the others by name.
func (b *Board) Environments(application string) []Environment {
	byName := map[string]*Environment{}
	at := func(name string) *Environment {
		if byName[name] == nil {
			byName[name] = &Environment{Name: name}
		}
		return byName[name]
	}
	for _, d := range sorted(b.Deployments, application, "") {
		e := at(d.Environment)
		e.Last = &d
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
	for _, r := range b.Running {
		if r.Application == application {
			if e := at(r.Environment); e.Version != r.Version {
				e.Version, e.Since = r.Version, time.Time{} // nobody reported how it got there
			}
		}
	}
	out := make([]Environment, 0, len(byName))
	for _, e := range byName {
		out = append(out, *e)
	}
	slices.SortFunc(out, func(x, y Environment) int {
		return cmp.Or(last(x.Name)-last(y.Name), cmp.Compare(x.Name, y.Name))
	})
	return out
}

func last(environment string) int {
	if environment == DefaultEnvironment {
		return 1
	}
	return 0
}

// ReleasesOf are the releases of an application, the oldest first.
func (b *Board) ReleasesOf(application string) []configs.Release { return b.releases[application] }

// index is the place of a version among an application's releases; -1: none.
func (b *Board) index(application, version string) int {
	return slices.IndexFunc(b.releases[application], func(r configs.Release) bool { return r.Version == version })
}

// Pending are the releases that an environment does not have yet, the oldest
// first: those after what it runs, or all if that is not known.
func (b *Board) Pending(application, environment string) []configs.Release {
	for _, e := range b.Environments(application) {
		if e.Name == environment {
			return b.releases[application][b.index(application, e.Version)+1:]
		}
	}
	return b.releases[application]
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

// Tasks are those of an application's releases, in the order of the releases.
func (b *Board) Tasks(application string) []Task {
	environments := b.Environments(application)
	var tasks []Task
	seen := map[string]bool{}
	for i, r := range b.releases[application] {
		for _, t := range r.Tasks {
			if seen[t.ID] {
				continue
			}
			seen[t.ID] = true
			out := Task{Task: t, Release: r.Version, Environments: make(map[string]TaskPlace, len(environments))}
			for _, e := range environments {
				out.Environments[e.Name] = b.place(application, i, &e)
			}
			tasks = append(tasks, out)
		}
	}
	return tasks
}

// place is where what came with release i stands in an environment.
func (b *Board) place(application string, i int, e *Environment) TaskPlace {
	switch last := e.Last; {
	case b.index(application, e.Version) >= i:
		return TaskPlace{State: TaskLive, Weight: configs.Whole}
	case e.Candidate != "" && e.Weight > 0 && b.index(application, e.Candidate) >= i:
		return TaskPlace{State: TaskDeploying, Weight: e.Weight}
	case last != nil && (last.State == RolledBack || last.State == Aborted) && b.index(application, last.Version) >= i:
		return TaskPlace{State: TaskRolledBack}
	}
	return TaskPlace{State: TaskMerged}
}
