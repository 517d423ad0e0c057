package analysis

import (
	"time"

	"github.com/weirproxy/weir/analysis/evidence"
)

// TickLength is the length of a dispatch tick. Every count belongs to the tick
// in which its request was dispatched, never to the one in which it completed:
// counting by completion puts the traffic back in a shared outage that one
// version happens to answer more slowly.
const TickLength = 100 * time.Millisecond

// MaxLimits is the largest number of distinct latency limits of one Policy. A
// recorder keeps one exact counter for each, so that decisions carry no
// histogram error.
const MaxLimits = 8

// MaxLevels is the largest number of distinct Levels of one Policy.
const MaxLevels = 6

// Outcomes are the raw counts of one version's requests that were dispatched in
// one tick, as a recorder knows them now. All counters but Started may still
// rise after the tick ended.
type Outcomes struct {
	Started uint64 // dispatched
	Headed  uint64 // final response head known, or ended without one
	Ended   uint64 // ended in any way

	Errors       uint64 // ended as an error of the version
	ErrorsUnique uint64 // the same, at most once per bucket in ten minutes

	// Indexed as Policy.Limits.
	Over       [MaxLimits]uint64 // slower than the limit
	OverUnique [MaxLimits]uint64 // the same, at most once per bucket in ten minutes
	Excluded   [MaxLimits]uint64 // ended as an error or left before the limit: out of the denominator

	ClientErrors       uint64 // answered with a 4xx that is no error of the version
	ClientErrorsUnique uint64 // the same, at most once per bucket in ten minutes, keyed or not

	// Indexed as Policy.Levels: slower than what the level was in this tick.
	OverLevel       [MaxLevels]uint64
	OverLevelUnique [MaxLevels]uint64
	ExcludedLevel   [MaxLevels]uint64

	// ErrorsHalf are the errors of even and odd buckets, which differ by more than
	// chance where clients fail together.
	ErrorsHalf [2]uint64
}

// Horizon says which reading of a tick a Sample is.
type Horizon uint8

const (
	// Settled are the errors when 99 % of stable's requests of the tick ended,
	// and at most one second after it. Stable's unfinished requests are in X, the
	// candidate's are not: both can only lower the evidence.
	Settled Horizon = iota
	// Final are the errors when every request of the tick ended or timed out.
	Final
	// Latency are the requests slower than Limits()[Limit], read one tick after
	// the limit passed. Hung requests are in X, fast errors are left out of N.
	Latency
	// ClientSettled and ClientFinal are the client errors, read as the errors are.
	ClientSettled
	ClientFinal
	// Paced are the requests slower than Levels()[Limit]: stable's than its own
	// quantile, the candidate's than the allowed multiple of it. They are read when
	// every head of the tick is known, or one tick after the longest level passed.
	Paced

	horizons = 4 + MaxLimits + MaxLevels
)

// Streams, one rising sequence of samples each.
const (
	clientStream = int(Latency) + MaxLimits
	pacedStream  = clientStream + 2
)

// Counts are the requests of one version in one or more ticks.
type Counts struct {
	N uint64 `json:"n"` // requests
	X uint64 `json:"x"` // bad ones; one per bucket where the service has a sticky key
	// Raw are the bad ones known for certain, without the once-per-bucket rule and
	// without stable's unfinished requests. A version is failed on X and passed on
	// Raw, so that neither rule makes a version look better than it is.
	Raw uint64 `json:"raw"`
}

// Add adds o to c.
func (c *Counts) Add(o Counts) {
	c.N += o.N
	c.X += o.X
	c.Raw += o.Raw
}

// Sub takes o, which was added before, from c.
func (c *Counts) Sub(o Counts) {
	c.N -= o.N
	c.X -= o.X
	c.Raw -= o.Raw
}

// Rate is the share of all bad requests, 0 without requests.
func (c Counts) Rate() float64 {
	if c.N == 0 {
		return 0
	}
	return float64(c.Raw) / float64(c.N)
}

// sane reports whether the counts can be those of one tick. What a reset or torn
// counter leaves behind is not, and is evidence of nothing.
func (c Counts) sane() bool {
	return c.X <= c.N && c.Raw <= c.N && c.N < 1<<40
}

// MaxStrata is how many strata are told apart. What is beyond is left out.
const MaxStrata = evidence.MaxStrata

// Part are the counts of one stratum, which is a node of a fleet.
type Part struct {
	Stable    Counts `json:"stable"`
	Candidate Counts `json:"candidate"`
}

// Sample is one reading of one tick of both versions.
type Sample struct {
	Horizon Horizon
	Limit   int           // index into Policy.Limits or Levels; 0 unless Horizon is Latency or Paced
	At      time.Duration // end of the tick, since the rollout's trial began; rising within one horizon and limit

	Stable, Candidate Counts

	// Parts are the same by stratum, for the judge of a fleet; the same index is
	// always the same stratum. None means that all is of stratum 0.
	Parts []Part

	// Halves are stable's errors in even and odd buckets, of Final samples.
	Halves [2]uint64
}

// stream is the index of the sample's own rising sequence.
func (s Sample) stream() int {
	switch s.Horizon {
	case Latency:
		return int(Latency) + s.Limit
	case ClientSettled, ClientFinal:
		return clientStream + int(s.Horizon-ClientSettled)
	case Paced:
		return pacedStream + s.Limit
	}
	return int(s.Horizon)
}

// possible reports whether the horizon and the limit exist.
func (s Sample) possible() bool {
	switch s.Horizon {
	case Latency:
		return s.Limit >= 0 && s.Limit < MaxLimits
	case Paced:
		return s.Limit >= 0 && s.Limit < MaxLevels
	}
	return s.Horizon < Paced && s.Limit == 0
}
