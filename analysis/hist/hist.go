// Package hist is the layout of a histogram of durations: fixed, log-linear, the
// same in every process, so that merging is adding. The unit is 1.024 us
// (nanoseconds shifted by ten), an octave has 32 buckets, and 768 buckets reach
// 275 s. The middle of a bucket is within 1.6 % of every duration in it from
// 33 us up; below that it is within 0.52 us.
package hist

import (
	"math/bits"
	"time"
)

// Buckets is the number of buckets.
const Buckets = 768

const (
	unitShift = 10
	subBits   = 5
	sub       = 1 << subBits
)

// Index is the bucket of d. Negative durations are in the first bucket, and
// those beyond the last one's end in the last.
func Index(d time.Duration) int {
	if d < 0 {
		return 0
	}
	v := uint64(d) >> unitShift
	if v < sub {
		return int(v)
	}
	e := bits.Len64(v) - subBits - 1
	return min(e<<subBits+int(v>>e), Buckets-1)
}

// Bounds are the first duration in bucket i and the first one beyond it. The
// last bucket also holds everything longer. i must be in [0, Buckets).
func Bounds(i int) (from, to time.Duration) {
	if i < sub {
		return time.Duration(i) << unitShift, time.Duration(i+1) << unitShift
	}
	e := i>>subBits - 1
	v := i - e<<subBits
	return time.Duration(v) << (e + unitShift), time.Duration(v+1) << (e + unitShift)
}

// Mid is the middle of bucket i.
func Mid(i int) time.Duration {
	from, to := Bounds(i)
	return from + (to-from)/2
}

// Counts is a histogram. The zero Counts is empty. It is not for concurrent use.
type Counts [Buckets]uint64

// Add counts one duration.
func (c *Counts) Add(d time.Duration) { c[Index(d)]++ }

// Merge adds the counts of o.
func (c *Counts) Merge(o *Counts) {
	for i, n := range o {
		c[i] += n
	}
}

// Sub takes the counts of o away, which must be an earlier state of c. A bucket
// that is smaller than before, as after a reset, becomes 0.
func (c *Counts) Sub(o *Counts) {
	for i, n := range o {
		c[i] -= min(n, c[i])
	}
}

// Total is the number of durations counted.
func (c *Counts) Total() uint64 {
	var total uint64
	for _, n := range c {
		total += n
	}
	return total
}

// Quantile is the middle of the bucket that holds the duration below which a
// share q of all lie. It is 0 for an empty histogram; q outside [0, 1] is taken
// as the nearer end.
func (c *Counts) Quantile(q float64) time.Duration {
	total := c.Total()
	if total == 0 {
		return 0
	}
	if !(q > 0) {
		q = 0
	}
	rank := uint64(min(q, 1)*float64(total) + .5)
	rank = min(max(rank, 1), total)
	var seen uint64
	for i, n := range c {
		if seen += n; seen >= rank {
			return Mid(i)
		}
	}
	return Mid(Buckets - 1)
}
