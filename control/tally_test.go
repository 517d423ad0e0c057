package control

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirproxy/weir/analysis"
)

// life is what one process of a node counts, report by report.
func drawLife(t *rapid.T, boot string) []tally {
	side := sideTally{version: "green"}
	var reports []tally
	for range rapid.IntRange(1, 6).Draw(t, "reports") {
		for range rapid.IntRange(0, 3).Draw(t, "samples") {
			n := rapid.Uint64Range(0, 50).Draw(t, "n")
			side.add(analysis.Sample{
				Horizon: analysis.Horizon(rapid.IntRange(0, 2).Draw(t, "horizon")),
				Stable:  analysis.Counts{N: n, X: n / 7, Raw: n / 5}, Candidate: analysis.Counts{N: n / 3, X: n / 9, Raw: n / 9},
			})
		}
		now := tally{boot: boot, rollouts: []rolloutTally{{id: "shop-1", sides: []sideTally{{version: "green"}}}}}
		now.rollouts[0].sides[0].streams = append(now.rollouts[0].sides[0].streams, side.streams...)
		reports = append(reports, now)
	}
	return reports
}

// Whatever the order in which reports arrive, however often, and however many
// are lost: what is taken never exceeds what was counted, never falls, and with
// the last report of each life it is exactly what was counted.
func TestMerge_LateRepeatedAndReorderedReportsCountOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type report struct {
			node string
			tally
		}
		var all, last []report
		want := map[analysis.Horizon]uint64{}
		for _, node := range []string{"a", "b"} {
			for _, boot := range []string{"x", "y"}[:rapid.IntRange(1, 2).Draw(t, "boots")] {
				reports := drawLife(t, boot)
				for _, r := range reports {
					all = append(all, report{node, r})
				}
				end := reports[len(reports)-1]
				last = append(last, report{node, end})
				for _, s := range end.rollouts[0].sides[0].streams {
					want[s.horizon] += s.stable.N + s.candidate.N
				}
			}
		}
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0))
		all = append(all, all...) // each twice
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		m := merge{id: "shop-1", version: "green"}
		got := map[analysis.Horizon]uint64{}
		for _, r := range append(all[:random.IntN(len(all)+1)], last...) {
			decoded, err := decodeTally(r.encode())
			if err != nil {
				t.Fatal(err)
			}
			m.take(r.node, decoded, func(_ int, s analysis.Sample) { got[s.Horizon] += s.Stable.N + s.Candidate.N })
		}
		for h, n := range want {
			if got[h] != n {
				t.Fatalf("horizon %d: %d requests were taken, %d counted", h, got[h], n)
			}
		}
	})
}

// What two nodes report reaches the fleet's judge as one sample of two strata,
// with stable's errors in even and odd buckets.
func TestFleet_GathersAStratumANode(t *testing.T) {
	f := newFleet(analysis.Policy{Rules: analysis.DefaultGuard(), LiveNodes: 2}, "r", 0, "green")
	for i, node := range []string{"a", "b", "a"} {
		side := sideTally{version: "green"}
		for range i + 1 {
			side.add(analysis.Sample{Horizon: analysis.Final, Stable: analysis.Counts{N: 10, X: 3, Raw: 3}, Candidate: analysis.Counts{N: 2}, Halves: [2]uint64{2, 1}})
		}
		said, err := decodeTally(tally{boot: "x", rollouts: []rolloutTally{{id: "r", sides: []sideTally{side}}}}.encode())
		if err != nil {
			t.Fatal(err)
		}
		f.take(node, said)
	}
	if len(f.pending) != 1 || len(f.pending[0].Parts) != 2 {
		t.Fatalf("gathered %+v", f.pending)
	}
	s := f.pending[0] // three ticks of a, two of b
	if s.Parts[0].Stable.N != 30 || s.Parts[1].Candidate.N != 4 || s.Stable.N != 50 || s.Halves != [2]uint64{10, 5} {
		t.Fatalf("gathered %+v", s)
	}
}

func TestMerge_TakesOnlyItsOwnGenerationAndCandidate(t *testing.T) {
	f := func(id string, generation int, version string, want bool) {
		t.Helper()
		side := sideTally{version: "green"}
		side.add(analysis.Sample{Candidate: analysis.Counts{N: 5}})
		m := merge{id: id, generation: generation, version: version}
		taken := false
		m.take("a", tally{rollouts: []rolloutTally{{id: "shop-1", generation: 2, sides: []sideTally{side}}}}, func(int, analysis.Sample) { taken = true })
		if taken != want {
			t.Errorf("%s generation %d %s: taken %v", id, generation, version, taken)
		}
	}
	f("shop-1", 2, "green", true)
	f("shop-1", 1, "green", false)
	f("shop-1", 2, "red", false)
	f("shop-2", 2, "green", false)
}

func TestMerge_ForgetsTheOldestLivesOfANodeThatRestartsWithoutEnd(t *testing.T) {
	m := merge{id: "r", version: "green"}
	for boot := range 100 {
		side := sideTally{version: "green"}
		side.add(analysis.Sample{Candidate: analysis.Counts{N: 1}})
		m.take("a", tally{boot: string(rune('A' + boot)), rollouts: []rolloutTally{{id: "r", sides: []sideTally{side}}}}, func(int, analysis.Sample) {})
	}
	if len(m.Taken) != maxBoots || len(m.Order) != maxBoots {
		t.Fatalf("%d lives are remembered, want %d", len(m.Taken), maxBoots)
	}
}

func FuzzDecodeTally(f *testing.F) {
	side := sideTally{version: "green"}
	side.add(analysis.Sample{Horizon: analysis.Final, Stable: analysis.Counts{N: 300, X: 2, Raw: 3}, Candidate: analysis.Counts{N: 17}})
	f.Add(tally{boot: "b", rollouts: []rolloutTally{{id: "shop-1", generation: 3, sides: []sideTally{side}}}}.encode())
	f.Add([]byte{tallyForm, 0, 0})
	f.Add([]byte{tallyForm, 0, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := decodeTally(b)
		if err != nil {
			return
		}
		again, err := decodeTally(got.encode())
		if err != nil || !bytes.Equal(again.encode(), got.encode()) {
			t.Fatalf("%x does not survive: %v", b, err)
		}
	})
}
