package main

import (
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// at is one call from a moment to another.
func at(from, to int64, in asked, out answered) porcupine.Operation {
	in.service = "shop"
	return porcupine.Operation{Input: in, Call: from, Output: out, Return: to}
}

const never = int64(1) << 40

// The checker must find what is wrong, or its silence says nothing.
func TestModel_FindsWhatIsNotLinearizable(t *testing.T) {
	weigh := func(green int, match int64) asked { return asked{verb: "weigh", green: green, match: match} }
	wrote := func(revision int64) answered { return answered{status: done, revision: revision, rollout: "r1"} }
	saw := func(green int, revision int64) answered {
		return answered{status: done, green: green, stable: "blue", revision: revision, rollout: "r1"}
	}
	read, pause := asked{verb: "read"}, asked{verb: "pause", rollout: "r1"}
	cases := []struct {
		name    string
		history []porcupine.Operation
		want    porcupine.CheckResult
	}{
		{"one after the other", []porcupine.Operation{
			at(1, 2, weigh(10, 0), wrote(5)), at(3, 4, read, saw(10, 5)), at(5, 6, weigh(20, 5), wrote(6)), at(7, 8, read, saw(20, 6)),
		}, porcupine.Ok},
		{"a read of what was overwritten", []porcupine.Operation{
			at(1, 2, weigh(10, 0), wrote(5)), at(3, 4, weigh(20, 0), wrote(6)), at(5, 6, read, saw(10, 5)),
		}, porcupine.Illegal},
		{"the same while it is overwritten", []porcupine.Operation{
			at(1, 2, weigh(10, 0), wrote(5)), at(3, 6, weigh(20, 0), wrote(6)), at(4, 5, read, saw(10, 5)),
		}, porcupine.Ok},
		{"reads that go back", []porcupine.Operation{
			at(1, 2, weigh(10, 0), wrote(5)), at(3, 9, weigh(20, 0), wrote(6)), at(4, 5, read, saw(20, 6)), at(6, 7, read, saw(10, 5)),
		}, porcupine.Illegal},
		{"a lost update: two changes of one revision", []porcupine.Operation{
			at(1, 2, weigh(10, 0), wrote(5)), at(3, 5, weigh(20, 5), wrote(6)), at(4, 6, weigh(30, 5), wrote(7)),
		}, porcupine.Illegal},
		{"one of them stale", []porcupine.Operation{
			at(1, 2, weigh(10, 0), wrote(5)), at(3, 5, weigh(20, 5), wrote(6)), at(4, 6, weigh(30, 5), answered{status: stale}),
		}, porcupine.Ok},
		{"stale although it is not", []porcupine.Operation{
			at(1, 2, weigh(10, 0), wrote(5)), at(3, 4, weigh(20, 5), answered{status: stale}),
		}, porcupine.Illegal},
		{"nothing to do although there was", []porcupine.Operation{
			at(1, 2, weigh(10, 0), wrote(5)), at(3, 4, weigh(20, 0), wrote(6)), at(5, 6, weigh(10, 0), answered{status: nothing}),
		}, porcupine.Illegal},
		{"doubtful, and done late", []porcupine.Operation{
			at(1, 2, weigh(10, 0), wrote(5)), at(3, never, weigh(20, 0), answered{status: doubtful}), at(4, 5, read, saw(10, 5)), at(6, 7, read, saw(20, 6)),
		}, porcupine.Ok},
		{"doubtful, and never done", []porcupine.Operation{
			at(1, 2, weigh(10, 0), wrote(5)), at(3, never, weigh(20, 0), answered{status: doubtful}), at(6, 7, read, saw(10, 5)),
		}, porcupine.Ok},
		{"refused, and done all the same", []porcupine.Operation{
			at(1, 2, weigh(10, 0), wrote(5)), at(3, 4, weigh(20, 0), answered{status: refused}), at(6, 7, read, saw(20, 6)),
		}, porcupine.Illegal},
		{"paused twice", []porcupine.Operation{
			at(1, 2, weigh(10, 0), wrote(5)), at(3, 4, pause, wrote(6)), at(5, 6, pause, wrote(7)),
		}, porcupine.Illegal},
		{"forbidden although it was not", []porcupine.Operation{
			at(1, 2, weigh(10, 0), wrote(5)), at(3, 4, pause, answered{status: forbids}),
		}, porcupine.Illegal},
		{"promoted, and stable is another", []porcupine.Operation{
			at(1, 2, weigh(10, 0), wrote(5)), at(3, 4, asked{verb: "promote", rollout: "r1"}, wrote(6)),
			at(5, 6, read, answered{status: done, green: 100, stable: "green", revision: 6}),
			at(7, 8, weigh(40, 6), answered{status: done, revision: 7, rollout: "r2"}),
			at(9, 10, asked{verb: "abort", rollout: "r2"}, answered{status: done, revision: 8}),
			at(11, 12, read, answered{status: done, green: 100, stable: "green", revision: 8}),
		}, porcupine.Ok},
		{"promoted, and taken back by an abort that was under way", []porcupine.Operation{
			at(1, 2, weigh(10, 0), wrote(5)), at(3, 8, asked{verb: "abort", rollout: "r1"}, wrote(7)),
			at(4, 5, asked{verb: "promote", rollout: "r1"}, wrote(6)),
			at(6, 7, read, answered{status: done, green: 100, stable: "green", revision: 6}),
			at(9, 10, read, answered{status: done, green: 0, stable: "blue", revision: 7}),
		}, porcupine.Ok},
		{"promoted, and taken back by nobody", []porcupine.Operation{
			at(1, 2, weigh(10, 0), wrote(5)), at(4, 5, asked{verb: "promote", rollout: "r1"}, wrote(6)),
			at(9, 10, read, answered{status: done, green: 0, stable: "blue", revision: 7}),
		}, porcupine.Illegal},
		{"promoted, and stable is the same", []porcupine.Operation{
			at(1, 2, weigh(10, 0), wrote(5)), at(3, 4, asked{verb: "promote", rollout: "r1"}, wrote(6)),
			at(5, 6, read, answered{status: done, green: 100, stable: "blue", revision: 6}),
		}, porcupine.Illegal},
		{"aborted, and seen again", []porcupine.Operation{
			at(1, 2, weigh(10, 0), wrote(5)), at(3, 4, asked{verb: "abort", rollout: "r1"}, wrote(6)), at(5, 6, read, saw(10, 5)),
		}, porcupine.Illegal},
	}
	for _, c := range cases {
		if got := porcupine.CheckOperationsTimeout(model(), c.history, 10*time.Second); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
