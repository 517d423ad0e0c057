package release

import "github.com/weirproxy/weir/configs"

// Move is a task whose place changed.
type Move struct {
	configs.Task
	Release     string    `json:"release"`               // the first that it is in
	Environment string    `json:"environment,omitempty"` // empty: it came into a release
	Place       TaskPlace `json:"place"`

	// Share says that only the share of users changed. It is not kept.
	Share bool `json:"-"`

	// Failures counts the attempts to tell it that failed; Refused is why none can
	// do any good.
	Failures int    `json:"failures,omitempty"`
	Refused  string `json:"refused,omitempty"`
}

// Moves are the tasks of an application that are elsewhere after a change than
// before it, in the order of the releases: those that came into a release, and for
// each environment those whose place in it is another one.
func Moves(before, after *Board, application string) []Move {
	type known struct{ places map[string]TaskPlace }
	was := map[string]known{}
	for _, t := range before.Tasks(application) {
		was[t.ID] = known{t.Environments}
	}
	environments := after.Environments(application)
	var moves []Move
	for _, t := range after.Tasks(application) {
		old, there := was[t.ID]
		if !there {
			moves = append(moves, Move{Task: t.Task, Release: t.Release, Place: TaskPlace{State: TaskMerged}})
		}
		for _, e := range environments {
			place := t.Environments[e.Name]
			then, ok := old.places[e.Name]
			if !ok {
				then = TaskPlace{State: TaskMerged}
			}
			if place != then {
				moves = append(moves, Move{Task: t.Task, Release: t.Release, Environment: e.Name, Place: place, Share: place.State == then.State})
			}
		}
	}
	return moves
}
