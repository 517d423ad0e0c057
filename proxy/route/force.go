package route

import (
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/dchest/siphash"
)

// Force leads requests to one version, whatever the split says: those of chosen
// users, for as long as a stage of a rollout wants it. Immutable once in a Table.
type Force struct {
	Version *Version

	// Any holds the conditions, one of which a request must meet.
	Any []Condition
}

// Condition is met by requests that carry one of some values. Immutable.
type Condition struct {
	By   By
	Name string // of the header, cookie or query parameter

	values []string // sorted; nil: any value but an empty one
	share  int      // basis points of the values, drawn by a keyed hash
	keys   *Keyring
	seed   uint64
}

// NewCondition returns a Condition on a value that is one of values (none: any)
// and, by a keyed hash of it, among a share of them in basis points (0: all).
// Seed draws which; keys, needed with a share alone, keep clients from choosing.
func NewCondition(by By, name string, values []string, share int, keys *Keyring, seed string) Condition {
	c := Condition{By: by, Name: name, values: slices.Sorted(slices.Values(values)), share: share, keys: keys, seed: xxhash.Sum64String(seed)}
	if share == 0 {
		c.share = Buckets
	}
	return c
}

// Met reports whether value, nil if the request has none, meets c.
func (c *Condition) Met(value []byte) bool {
	if len(value) == 0 || c.values != nil && !c.lists(value) {
		return false
	}
	return c.share >= Buckets || BucketAt(siphash.Hash(c.keys.salt0^c.seed, c.keys.salt1, value)) < c.share
}

// lists is a binary search that allocates nothing.
func (c *Condition) lists(value []byte) bool {
	low, high := 0, len(c.values)
	for low < high {
		mid := int(uint(low+high) >> 1)
		if c.values[mid] < string(value) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low < len(c.values) && c.values[low] == string(value)
}
