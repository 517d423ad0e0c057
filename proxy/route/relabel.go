package route

import (
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// Relabel returns labels whose counts are the weights, in basis points by
// version index. old is left alone; nil means that all is of version 0.
//
// It moves as few buckets as possible: exactly half the L1 distance of the old
// and new counts, for any number of versions. Which move first is a permutation
// drawn from seed, the rollout's id, so each rollout tries other users, and
// every node computes the same. A version takes buckets from a lower index in
// the permutation's order and gives them back in the reverse order: its share
// at 5 % lies within its share at 25 %, on the way up and on the way down.
//
// Weights must add up to Buckets, and old must hold no index beyond them.
func Relabel(old Labels, weights []int, seed string) (Labels, error) {
	if err := checkWeights(weights); err != nil {
		return nil, err
	}
	if err := old.Validate(len(weights)); err != nil {
		return nil, err
	}
	labels := make(Labels, Buckets)
	copy(labels, old)
	surplus := labels.Counts(len(weights))
	for version, weight := range weights {
		surplus[version] -= weight
	}
	order := permutation(seed)
	for from := range surplus {
		for to := range surplus {
			n := min(surplus[from], -surplus[to])
			if n <= 0 {
				continue
			}
			move(labels, &order, uint8(from), uint8(to), n)
			surplus[from] -= n
			surplus[to] += n
		}
	}
	return labels, nil
}

// move gives n buckets of one version to another: the first of the order to a
// higher index, the last to a lower one.
func move(labels Labels, order *[Buckets]uint16, from, to uint8, n int) {
	for i := 0; i < Buckets && n > 0; i++ {
		bucket := order[i]
		if from > to {
			bucket = order[Buckets-1-i]
		}
		if labels[bucket] == from {
			labels[bucket] = to
			n--
		}
	}
}

func checkWeights(weights []int) error {
	if len(weights) > MaxVersions {
		return fmt.Errorf("cannot split between %d versions: at most %d", len(weights), MaxVersions)
	}
	sum := 0
	for version, weight := range weights {
		if weight < 0 || weight > Buckets {
			return fmt.Errorf("cannot give version %d a weight of %d: want 0 to %d", version, weight, Buckets)
		}
		sum += weight
	}
	if sum != Buckets {
		return fmt.Errorf("cannot split by weights that add up to %d: want %d", sum, Buckets)
	}
	return nil
}

// permutation returns the buckets in the order that seed draws. The generator
// is spelt out, because nodes of different builds must draw the same: a
// Fisher-Yates shuffle whose i-th number is the XXH64 of the XXH64 of seed and
// i, both as eight bytes, the lowest first.
func permutation(seed string) [Buckets]uint16 {
	var order [Buckets]uint16
	for i := range order {
		order[i] = uint16(i)
	}
	var counter [16]byte
	binary.LittleEndian.PutUint64(counter[:8], xxhash.Sum64String(seed))
	for i := Buckets - 1; i > 0; i-- {
		binary.LittleEndian.PutUint64(counter[8:], uint64(i))
		j := xxhash.Sum64(counter[:]) >> 32 * uint64(i+1) >> 32
		order[i], order[j] = order[j], order[i]
	}
	return order
}
