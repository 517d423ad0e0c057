package route

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func mustRelabel(t rapid.TB, old Labels, weights []int, seed string) Labels {
	t.Helper()
	labels, err := Relabel(old, weights, seed)
	if err != nil {
		t.Fatalf("Relabel(%v, %q): %v", weights, seed, err)
	}
	return labels
}

// drawWeights draws weights of n versions.
func drawWeights(t *rapid.T, n int) []int {
	weights, left := make([]int, n), Buckets
	for i := range n - 1 {
		weights[i] = rapid.OneOf(rapid.Just(0), rapid.Just(left), rapid.IntRange(0, left)).Draw(t, "weight")
		left -= weights[i]
	}
	weights[n-1] = left
	return weights
}

func versionAt(l Labels, bucket int) uint8 {
	if l == nil {
		return 0
	}
	return l[bucket]
}

// TestRelabel_MovesHalfTheDistance walks through random weights of any number
// of versions and holds each step against the definition.
func TestRelabel_MovesHalfTheDistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 9).Draw(t, "versions")
		seed := rapid.String().Draw(t, "seed")
		var labels Labels
		for range rapid.IntRange(1, 4).Draw(t, "steps") {
			weights := drawWeights(t, n)
			before := labels.Counts(n)
			next := mustRelabel(t, labels, weights, seed)
			if got := next.Counts(n); !slices.Equal(got, weights) {
				t.Fatalf("counts %v, want %v", got, weights)
			}
			moved, distance := 0, 0
			for bucket := range Buckets {
				if versionAt(labels, bucket) != next[bucket] {
					moved++
				}
			}
			for v := range n {
				distance += max(before[v]-weights[v], weights[v]-before[v])
			}
			if moved*2 != distance {
				t.Fatalf("%v to %v: %d buckets moved, want %d", before, weights, moved, distance/2)
			}
			if again := mustRelabel(t, labels, weights, seed); !slices.Equal(again, next) {
				t.Fatalf("the same call drew other labels")
			}
			labels = next
		}
	})
}

func TestRelabel_LeavesOldAlone(t *testing.T) {
	old := mustRelabel(t, nil, []int{9500, 500}, "r1")
	kept := slices.Clone(old)
	mustRelabel(t, old, []int{0, 10_000}, "r1")
	if !slices.Equal(old, kept) {
		t.Fatalf("old labels changed")
	}
}

// TestRelabel_RaisingNeverMovesAKeyBack has one candidate among other versions
// grow: whoever is on it stays.
func TestRelabel_RaisingNeverMovesAKeyBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 5).Draw(t, "versions")
		candidate := rapid.IntRange(0, n-1).Draw(t, "candidate")
		labels := mustRelabel(t, nil, drawWeights(t, n), "before")
		for range 3 {
			weights := labels.Counts(n)
			for v := range weights { // everyone else gives, nobody else takes
				if v != candidate {
					given := rapid.IntRange(0, weights[v]).Draw(t, "given")
					weights[v] -= given
					weights[candidate] += given
				}
			}
			next := mustRelabel(t, labels, weights, "rollout")
			for bucket, version := range labels {
				if int(version) == candidate && next[bucket] != version {
					t.Fatalf("bucket %d left the candidate", bucket)
				}
				if next[bucket] != version && int(next[bucket]) != candidate {
					t.Fatalf("bucket %d moved between others", bucket)
				}
			}
			labels = next
		}
	})
}

func TestRelabel_StagesNestUpAndDown(t *testing.T) {
	f := func(stable, candidate int) {
		t.Helper()
		weights := func(share int) []int {
			w := make([]int, 2)
			w[candidate], w[stable] = share, Buckets-share
			return w
		}
		on := func(l Labels) map[int]bool {
			set := map[int]bool{}
			for bucket, version := range l {
				if int(version) == candidate {
					set[bucket] = true
				}
			}
			return set
		}
		labels := mustRelabel(t, nil, weights(0), "first")
		var shares []map[int]bool
		for _, share := range []int{500, 2500, 10_000, 2500, 500, 0, 500} {
			labels = mustRelabel(t, labels, weights(share), "rollout")
			shares = append(shares, on(labels))
		}
		for bucket := range shares[0] {
			if !shares[1][bucket] {
				t.Fatalf("bucket %d is in 5 %% and not in 25 %%", bucket)
			}
		}
		for i, j := range map[int]int{1: 3, 0: 4, 4: 6} { // up, down and up again: the same keys
			for bucket := range shares[i] {
				if !shares[j][bucket] {
					t.Fatalf("stable %d: bucket %d is in share %d and not in %d", stable, bucket, i, j)
				}
			}
		}
	}
	f(0, 1)
	f(1, 0)
}

func TestRelabel_RollbackMovesOnlyTheCandidatesKeys(t *testing.T) {
	before := mustRelabel(t, nil, []int{5000, 3000, 2000}, "a")
	after := mustRelabel(t, before, []int{7000, 3000, 0}, "b")
	for bucket, version := range before {
		if version != 2 && after[bucket] != version {
			t.Fatalf("bucket %d of version %d moved", bucket, version)
		}
		if version == 2 && after[bucket] != 0 {
			t.Fatalf("bucket %d went to %d", bucket, after[bucket])
		}
	}
}

func TestRelabel_RolloutsDrawOtherKeys(t *testing.T) {
	const share = 1000
	common := func(a, b string) int {
		x := mustRelabel(t, nil, []int{Buckets - share, share}, a)
		y := mustRelabel(t, nil, []int{Buckets - share, share}, b)
		n := 0
		for bucket := range x {
			n += int(x[bucket] & y[bucket])
		}
		return n
	}
	// 100 expected, standard deviation 9.
	for _, pair := range [][2]string{{"", "a"}, {"shop-1", "shop-2"}, {"shop-1", "shop-10"}} {
		if n := common(pair[0], pair[1]); n < 55 || n > 145 {
			t.Errorf("%q: %d keys in common, want about 100", pair, n)
		}
	}
}

// TestRelabel_DrawsTheSameForEver holds the order that a seed draws: nodes of
// different builds must agree on it.
func TestRelabel_DrawsTheSameForEver(t *testing.T) {
	order := permutation("shop-20261123-1")
	if got, want := order[:5], []uint16{3184, 7679, 1935, 1509, 1350}; !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
	labels := mustRelabel(t, nil, []int{9999, 1}, "shop-20261123-1")
	if labels[order[0]] != 1 {
		t.Fatalf("the first bucket of the order is not the first to move up")
	}
	slices.Sort(order[:])
	for i, bucket := range order {
		if int(bucket) != i {
			t.Fatalf("not a permutation: %d at %d", bucket, i)
		}
	}
}

func TestRelabel_RefusesWhatIsNoSplit(t *testing.T) {
	f := func(old Labels, weights ...int) {
		t.Helper()
		if labels, err := Relabel(old, weights, ""); err == nil || labels != nil {
			t.Errorf("%v: %v, no error", weights, labels[:3])
		}
	}
	f(nil)
	f(nil, 9999)
	f(nil, 5000, 5001)
	f(nil, 10_001, -1)
	f(nil, make([]int, 300)...)
	f(make(Labels, 3), 10_000)
	f(slices.Repeat(Labels{1}, Buckets), 10_000)
}

func BenchmarkRelabel(b *testing.B) {
	labels, _ := Relabel(nil, []int{9500, 500}, "r")
	for range b.N {
		if _, err := Relabel(labels, []int{7500, 2500}, "r"); err != nil {
			b.Fatal(err)
		}
	}
}
