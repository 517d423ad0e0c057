package stats

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/analysis/hist"
)

// MaxShards is the largest number of shards of a Recorder.
const MaxShards = 64

// Recorder counts the requests of one version of one service, for as long as
// the process knows the version.
//
// Begin, Head and End may be called from any number of goroutines at once.
// They take no lock, and allocate only when a shard is used for the first time.
type Recorder struct {
	mask uint32

	// shards are allocated at first use: versions never used cost next to nothing.
	shards []atomic.Pointer[shard]

	// trial is nil unless a rollout is in force.
	trial atomic.Pointer[Trial]

	// beside counts what is copied to the version, and who is led to it, while a
	// rollout is in force that does so. Nil: nobody judges that.
	beside atomic.Pointer[Trial]

	// Counted rarely, so not by shard.
	retries         [Causes]atomic.Uint64
	denied, dropped atomic.Uint64
}

// shard holds the counters of the connections that share it. It spans many
// cache lines and is an allocation of its own, so no two shards share a line.
type shard struct {
	begun   [Lanes]atomic.Uint64
	probed  atomic.Uint64          // ended on lane probe
	copies  [Reasons]atomic.Uint64 // ended on lane mirror, None included
	codes   [CodeCount]atomic.Uint64
	reasons [Reasons]atomic.Uint64
	latency [hist.Buckets]atomic.Uint64
}

// Outcome is how a request ended.
type Outcome struct {
	// Reason is why it is an error, or None. After a bad head None means Status.
	Reason Reason

	// Status is what the client was answered. 0: nothing was answered.
	Status int

	// ClientLeft says that the client went away first. It wins over Reason.
	ClientLeft bool
}

// NewRecorder returns a Recorder with the given number of shards, rounded up
// to a power of two and at most MaxShards. As many as there are processors is
// right; 0 means 1.
func NewRecorder(shards int) *Recorder {
	n := 1
	if shards > 1 {
		n = min(1<<bits.Len(uint(shards-1)), MaxShards)
	}
	return &Recorder{mask: uint32(n - 1), shards: make([]atomic.Pointer[shard], n)}
}

// Begin counts a request at its dispatch and returns the Token that Head and
// End want.
//
// shard spreads the writers; a number that stays with the connection is best.
// at is the dispatch in nanoseconds since the process-wide base and sets the
// tick that all counts of this request belong to. bucket is the split bucket of
// the client's sticky key, or -1 if it has none.
func (r *Recorder) Begin(shard uint32, lane Lane, at int64, bucket int32) Token {
	i := shard & r.mask
	s := r.shards[i].Load()
	if s == nil {
		s = r.grow(i)
	}
	s.begun[lane].Add(1)
	var ring *ring
	switch {
	case lane == Split:
		if trial := r.trial.Load(); trial != nil {
			ring = trial.begin(i, TickOf(at))
		}
	case lane == Forced || lane == Mirror:
		if trial := r.beside.Load(); trial != nil {
			ring = trial.begin(i, TickOf(at))
		}
	}
	return Token{shard: s, ring: ring, at: at, key: key{bucket: bucket, lane: lane}}
}

// BeginApart is Begin for a request that is nobody's evidence, whatever its lane:
// that of somebody who tries a version before its users.
func (r *Recorder) BeginApart(shard uint32, lane Lane, at int64) Token {
	i := shard & r.mask
	s := r.shards[i].Load()
	if s == nil {
		s = r.grow(i)
	}
	s.begun[lane].Add(1)
	return Token{shard: s, at: at, key: key{bucket: -1, lane: lane}}
}

// Head counts that the final response head arrived, at most once and before End.
//
// latency is measured from the last request byte sent upstream, or from
// dispatch if the answer came first. bad says that the status is an error of
// the version: the tick's outcome stands from now on, whatever the body does.
func (r *Recorder) Head(t *Token, at int64, latency time.Duration, status int, bad bool) {
	if t.shard == nil || t.key.state != dispatched {
		return
	}
	t.observe(latency)
	if t.ring != nil {
		t.head(at, latency, status, bad)
	}
	t.key.state = headed
	if bad {
		t.key.state = failed
	}
}

// End counts the end of a request; t is zero afterwards. A request that ends
// without a head has the latency from its dispatch to at.
func (r *Recorder) End(t *Token, at int64, outcome Outcome) {
	if t.shard == nil {
		return
	}
	reason := outcome.Reason
	if outcome.ClientLeft {
		reason = ClientLeft
	}
	if t.key.state == failed && !reason.Error() {
		reason = Status
	}
	if t.key.state == dispatched {
		t.observe(time.Duration(at - t.at))
	}
	if t.ring != nil {
		t.end(at, reason)
	}
	t.shard.end(t.key.lane, reason, outcome.Status)
	*t = Token{}
}

// Arm makes t count the requests that begin from now on. Requests that began
// before keep the trial they began in. Arming the trial that is in force
// already changes nothing.
//
// A Trial belongs to one Recorder.
func (r *Recorder) Arm(t *Trial) {
	for i := range r.shards {
		t.grow(uint32(i)) // here, so that no request pays for it
	}
	r.trial.Store(t)
}

// ArmBeside makes t count the requests of the lanes forced and mirror that begin
// from now on. Nil ends that.
func (r *Recorder) ArmBeside(t *Trial) {
	if t != nil {
		for i := range r.shards {
			t.grow(uint32(i))
		}
	}
	r.beside.Store(t)
}

// ArmedBeside returns the trial of the lanes forced and mirror, or nil.
func (r *Recorder) ArmedBeside() *Trial { return r.beside.Load() }

// Disarm ends the counting by tick. What the trial holds can still be read,
// and late ends still reach it.
func (r *Recorder) Disarm() { r.trial.Store(nil) }

// Armed returns the trial in force, or nil.
func (r *Recorder) Armed() *Trial { return r.trial.Load() }

// grow is the slow path of Begin: whoever comes first allocates the shard.
func (r *Recorder) grow(i uint32) *shard {
	r.shards[i].CompareAndSwap(nil, new(shard))
	return r.shards[i].Load()
}

func (s *shard) end(lane Lane, reason Reason, status int) {
	switch lane {
	case Mirror:
		s.copies[reason].Add(1)
		return
	case Probe:
		s.probed.Add(1)
		return
	}
	if status < 0 || status >= CodeCount {
		status = 0
	}
	if reason != None {
		s.reasons[reason].Add(1)
	}
	// Last, because a request is in flight until its code is counted.
	s.codes[status].Add(1)
}
