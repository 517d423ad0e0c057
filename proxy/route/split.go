package route

// Split maps the buckets of one service to its versions. Immutable.
type Split struct {
	labels [Buckets]uint8
}

// NewSplit returns the Split of the given labels for a number of versions. A
// label that is missing or of no version becomes 0, so that Pick is always an
// index: whoever takes labels from outside calls Labels.Validate first.
func NewSplit(labels Labels, versions int) *Split {
	s := new(Split)
	for bucket, version := range labels[:min(len(labels), Buckets)] {
		if int(version) < versions {
			s.labels[bucket] = version
		}
	}
	return s
}

// Pick returns the version of a bucket, 0 to Buckets-1: one load.
func (s *Split) Pick(bucket int) int { return int(s.labels[bucket]) }

// BucketAt returns the bucket of a uniformly drawn or hashed 64-bit number. The
// high bits decide, without a division.
func BucketAt(random uint64) int {
	return int(random >> 32 * Buckets >> 32)
}
