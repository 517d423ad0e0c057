package stats

import (
	"time"

	"github.com/weirproxy/weir/analysis/hist"
)

// CodeCount is the number of status codes told apart: 0 to 599. 0 stands for
// no answer and for statuses outside.
const CodeCount = 600

// Totals are the counts of a Recorder since it was made. Each only grows,
// except InFlight. Requests of the lanes mirror and probe, for which no client
// waits, are in Lanes and InFlight alone, and copies in Copies.
type Totals struct {
	Codes    [CodeCount]uint64 // ended, by the status that the client was answered
	Reasons  [Reasons]uint64   // ended, by Reason; None is not counted
	Lanes    [Lanes]uint64     // begun, by Lane
	InFlight uint64            // begun and not ended

	Retries [Causes]uint64 // attempts that followed one on this version, by Cause
	Denied  uint64         // attempts that would have followed but for the budget

	Copies  [Reasons]uint64 // of lane mirror: ended, by Reason, None included
	Dropped uint64          // requests not copied because too many copies were under way

	Latency    hist.Counts   // to the final head; to the end where no head came
	LatencySum time.Duration // of all in Latency, each taken as the middle of its bucket: within 1.6 %
}

// Ended returns the number of requests that ended.
func (t *Totals) Ended() uint64 {
	var n uint64
	for _, c := range t.Codes {
		n += c
	}
	return n
}

// Begun returns the number of requests that began, mirrors and probes left out.
func (t *Totals) Begun() uint64 {
	var n uint64
	for l, c := range t.Lanes {
		if !Lane(l).aside() {
			n += c
		}
	}
	return n
}

// Errors returns the number of requests that ended as errors.
func (t *Totals) Errors() uint64 {
	var n uint64
	for r, c := range t.Reasons {
		if Reason(r).Error() {
			n += c
		}
	}
	return n
}

// Totals sums the shards into out, which it overwrites. While requests are
// under way the sums are of slightly different moments, but nothing has ended
// that has not begun. It reads about 12 KB a shard and is not for the hot path.
func (r *Recorder) Totals(out *Totals) {
	*out = Totals{}
	var ended uint64
	for i := range r.shards {
		s := r.shards[i].Load()
		if s == nil {
			continue
		}
		for c := range s.codes {
			n := s.codes[c].Load()
			out.Codes[c] += n
			ended += n
		}
		ended += s.probed.Load()
		for k := range s.copies {
			n := s.copies[k].Load()
			out.Copies[k] += n
			ended += n
		}
		for k := range s.reasons {
			out.Reasons[k] += s.reasons[k].Load()
		}
		for b := range s.latency {
			out.Latency[b] += s.latency[b].Load()
		}
		// After the ends, so that the difference is never negative.
		for l := range s.begun {
			out.Lanes[l] += s.begun[l].Load()
		}
	}
	for c := range r.retries {
		out.Retries[c] = r.retries[c].Load()
	}
	out.Denied, out.Dropped = r.denied.Load(), r.dropped.Load()
	for _, n := range out.Lanes {
		out.InFlight += n
	}
	out.InFlight -= ended
	for b, n := range out.Latency {
		if n > 0 {
			out.LatencySum += time.Duration(n) * hist.Mid(b)
		}
	}
}
