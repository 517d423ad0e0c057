package control

import (
	"testing"

	"pgregory.net/rapid"
)

func TestSharedRounds_AnOutageOfBothIsNobodysFault(t *testing.T) {
	f := func(name string, rounds [][2]int, want ...int) {
		t.Helper()
		var s sharedRounds
		for i, r := range rounds {
			if got := s.alone(r[0], r[1]); got != want[i] {
				t.Errorf("%s: at %d: the candidate alone failed %d rounds, want %d", name, i, got, want[i])
			}
		}
	}
	f("the candidate alone", [][2]int{{0, 0}, {1, 0}, {2, 0}, {3, 0}, {0, 0}}, 0, 1, 2, 3, 0)
	f("both, the candidate is asked first", [][2]int{{1, 0}, {1, 1}, {2, 1}, {2, 2}, {3, 2}, {3, 3}, {3, 0}, {0, 0}}, 1, 0, 0, 0, 0, 0, 0, 0)
	f("the candidate stays down", [][2]int{{2, 2}, {3, 0}, {4, 0}, {5, 0}}, 0, 1, 2, 3)
	f("stable fails later", [][2]int{{2, 0}, {2, 1}, {3, 0}}, 2, 0, 1)
}

// Whatever order two versions are probed in, an outage of both never looks like
// two rounds of the candidate alone, and one of the candidate alone always counts.
func TestSharedRounds_AnyOrderOfProbes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s sharedRounds
		probes := rapid.SliceOfN(rapid.Bool(), 1, 30).Draw(t, "candidate first")
		rounds := [2]int{}
		for _, first := range probes {
			order := [2]int{0, 1}
			if !first {
				order = [2]int{1, 0}
			}
			for _, side := range order {
				rounds[side]++
				if alone := s.alone(rounds[0], rounds[1]); alone > 1 {
					t.Fatalf("%d rounds of the candidate alone in an outage of both", alone)
				}
			}
		}
		for extra := 1; extra <= 5; extra++ {
			rounds[0]++
			if alone := s.alone(rounds[0], 0); alone != extra {
				t.Fatalf("%d rounds after stable came back, want %d", alone, extra)
			}
		}
	})
}
