package stats

import (
	"time"

	"github.com/weirproxy/weir/analysis/hist"
)

// Token is one request between Begin and End. The caller keeps it and passes
// its address; one goroutine at a time may use it. The zero Token counts
// nothing, and End leaves it zero, so an End too many does no harm.
type Token struct {
	shard *shard
	ring  *ring // of the trial; nil: not evidence
	at    int64 // dispatch, in nanoseconds since the base
	key   key
}

// key is the small rest of a Token, apart so that the compiler keeps both in
// registers: Begin returns them by value.
type key struct {
	bucket int32
	lane   Lane
	state  state
}

// state is how far a request came.
type state uint8

const (
	dispatched state = iota
	headed           // a good head: the body decides
	failed           // a bad head: the outcome stands, and its tick counts it as ended
)

// observe records a latency. Answers that no client waits for are left out.
func (t *Token) observe(latency time.Duration) {
	if t.key.lane.aside() {
		return
	}
	t.shard.latency[hist.Index(latency)].Add(1)
}

// head counts the final head in the request's tick.
func (t *Token) head(at int64, latency time.Duration, status int, bad bool) {
	tick := TickOf(t.at)
	s := t.slot(tick, at)
	if s == nil {
		return
	}
	switch {
	case bad:
		s.done.Add(oneHead + oneEnd)
		t.fail(s, tick)
	case status >= 400 && status < 500:
		s.clientErrors.Add(1)
		if m := t.ring.trial.marks; m == nil || t.key.bucket < 0 || m.clientErrors().first(t.key.bucket, tick) {
			s.clientErrorsUnique.Add(1)
		}
		s.done.Add(oneHead)
	default:
		s.done.Add(oneHead)
	}
	t.compare(s, tick, latency, bad)
}

// end counts the end in the request's tick unless its head was the outcome.
func (t *Token) end(at int64, reason Reason) {
	if t.key.state == failed {
		return
	}
	tick := TickOf(t.at)
	s := t.slot(tick, at)
	if s == nil {
		return
	}
	if t.key.state == headed {
		s.done.Add(oneEnd)
	} else {
		s.done.Add(oneHead + oneEnd)
		t.compare(s, tick, time.Duration(at-t.at), true)
	}
	if reason.Error() {
		t.fail(s, tick)
	}
}

// slot returns the slot of the request's tick. If that is closed by now, it is
// nil and the request is out of its trial.
func (t *Token) slot(tick uint32, at int64) *slot {
	s := &t.ring.slots[tick%ringTicks]
	if at-t.at > int64(openTicks*TickLength) || s.epoch.Load() != ready(tick) {
		t.ring.trial.dropped.Add(1)
		t.ring = nil
		return nil
	}
	return s
}

// fail counts an error.
func (t *Token) fail(s *slot, tick uint32) {
	s.errors.Add(1)
	if t.key.bucket >= 0 {
		s.errorsHalf[t.key.bucket&1].Add(1)
	}
	if !t.marked() || t.ring.trial.marks.errors().first(t.key.bucket, tick) {
		s.errorsUnique.Add(1)
	}
}

// marked reports whether the request's bad outcomes count once a bucket.
func (t *Token) marked() bool { return t.ring.trial.keyed && t.key.bucket >= 0 }

// compare compares a latency with every limit and level. void says that a
// request within them is no evidence of speed: a fast error, or a client that
// left.
func (t *Token) compare(s *slot, tick uint32, latency time.Duration, void bool) {
	trial := t.ring.trial
	for k := range trial.n {
		switch {
		case latency > trial.limits[k]:
			s.over[k].Add(1)
			if !t.marked() || trial.marks.over(k).first(t.key.bucket, tick) {
				s.overUnique[k].Add(1)
			}
		case void:
			s.excluded[k].Add(1)
		}
	}
	levels := trial.levelsOf(tick)
	if levels == nil {
		return
	}
	for k, level := range levels.At {
		switch {
		case level == 0:
		case latency > level:
			s.overLevel[k].Add(1)
			if !t.marked() || trial.marks.overLevel(k).first(t.key.bucket, tick) {
				s.overLevelUnique[k].Add(1)
			}
		case void:
			s.excludedLevel[k].Add(1)
		}
	}
}
