package proxy

import "time"

// unbounded is a silence that nobody minds.
const unbounded = int64(1) << 60

// pace holds one direction of one message to its longest silence and to its
// minimum rate. Times are in nanoseconds since the handler's base.
type pace struct {
	idle  int64 // longest silence
	rate  int64 // bytes a second; 0: none is asked for
	grace int64 // how long the rate is not asked for
	start int64
	bytes int64 // so far
	spent int64 // waiting for the peer so far; used by allow alone
	until int64 // no wait goes beyond this, for the time being; 0: none
}

func newPace(now int64, idle time.Duration, o *Options) pace {
	p := pace{idle: int64(idle), grace: int64(o.MinRateGrace), start: now}
	if o.MinRate > 0 {
		p.rate = int64(o.MinRate)
	}
	return p
}

// deadline is when the next byte must be there at the latest.
func (p *pace) deadline(now int64) int64 {
	at := now + p.idle
	if p.rate > 0 {
		at = min(at, p.start+p.grace+p.owed(p.bytes+1))
	}
	if p.until > 0 {
		at = min(at, p.until)
	}
	return at
}

// allow is when n more bytes must be taken at the latest, if only the time that
// was spent on waiting for the peer counts: an answer that is slow by itself is
// no fault of its reader.
func (p *pace) allow(now, n, idle int64) int64 {
	at := now + idle
	if p.rate > 0 {
		at = min(at, now+max(p.grace+p.owed(p.bytes+n)-p.spent, 0))
	}
	return at
}

// owed is the time that n bytes take at the minimum rate.
func (p *pace) owed(n int64) int64 {
	const far, exact = int64(1) << 60, int64(1) << 33
	switch {
	case n < exact:
		return n * int64(time.Second) / p.rate
	case n/p.rate >= far/int64(time.Second):
		return far
	}
	return n / p.rate * int64(time.Second)
}
