package analysis

import (
	"slices"
	"time"
)

const (
	settleTicks = int64(time.Second / TickLength)
	// maxBehind bounds how far back the collector reads, in ticks. A recorder that
	// keeps this many misses nothing.
	maxBehind = 1024
	// A request that outlives its own timeout by finalGrace is no longer waited
	// for, nor any for longer than maxFinal.
	finalGrace = 5 * time.Second
	maxFinal   = 95 * time.Second
)

// levelsKept is how many changes of levels a Collector looks back on: more than
// a tick stays open for.
const levelsKept = 6

// Collector decides when a tick of a recorder has ripened for each horizon, and
// emits it once, in order within its horizon. Its memory does not grow: it holds
// one position a horizon and reads the open ticks again.
type Collector struct {
	keyed   bool
	first   int64
	began   time.Duration
	final   int64 // age in ticks at which a tick's errors are final
	streams []stream
	levels  [levelsKept]levelled // newest first
}

// stream is one rising sequence of samples.
type stream struct {
	horizon Horizon
	limit   int
	delay   int64 // age in ticks that a tick has at least: of a latency limit, until it has passed
	next    int64
}

// levelled says that levels are in force from a tick on.
type levelled struct {
	from int64 // 0: none
	wait int64
}

// NewCollector returns a collector for the rules of p. Timeout is the service's
// own, which bounds how long a tick's requests are waited for. First is the
// first tick of the recorder to be read, and began the rollout's trial time at
// that tick's start: 0, or what had elapsed when a trial is resumed.
func NewCollector(p Policy, timeout time.Duration, first int64, began time.Duration) *Collector {
	c := &Collector{
		keyed: p.Keyed,
		first: first,
		began: began,
		final: int64(min(max(timeout, 0)+finalGrace, maxFinal) / TickLength),
	}
	add := func(h Horizon, limit int, delay int64) {
		c.streams = append(c.streams, stream{horizon: h, limit: limit, delay: delay, next: first})
	}
	add(Settled, 0, 0)
	add(Final, 0, 0)
	for i, limit := range p.Limits() {
		if i < MaxLimits {
			add(Latency, i, min(int64((limit+TickLength-1)/TickLength)+1, maxBehind-1))
		}
	}
	if slices.ContainsFunc(p.Rules, func(r Rule) bool { return r.Condition.Metric == ClientErrorRate }) {
		add(ClientSettled, 0, 0)
		add(ClientFinal, 0, 0)
	}
	for i := range min(len(p.Levels()), MaxLevels) {
		add(Paced, i, 0)
	}
	return c
}

// SetPaces tells from which tick on the recorders of both versions compare with
// other levels. That tick must not have begun.
func (c *Collector) SetPaces(from int64, p Paces) {
	copy(c.levels[1:], c.levels[:])
	c.levels[0] = levelled{from: from, wait: p.wait()}
}

// Collect emits what has ripened. Now is the tick that is being filled. Read
// returns what is known of an earlier tick; ok is false for one that the
// recorder no longer holds, which is skipped. Collect keeps neither function.
// Called every 25 ms or so rather than once a tick, it sees a tick whose requests
// took 20 ms right after its end instead of a tick later.
func (c *Collector) Collect(now int64, read func(tick int64) (stable, candidate Outcomes, ok bool), emit func(Sample)) {
	for i := range c.streams {
		s := &c.streams[i]
		s.next = max(s.next, now-maxBehind)
		for s.next+s.delay < now { // a younger tick is not ripe, whatever is in it
			stable, candidate, ok := read(s.next)
			if ok {
				sample, ripe := c.ripen(s, now-s.next-1, &stable, &candidate)
				if !ripe {
					break
				}
				sample.Horizon, sample.Limit = s.horizon, s.limit
				sample.At = c.began + time.Duration(s.next-c.first+1)*TickLength
				emit(sample)
			}
			s.next++
		}
	}
}

// Idle reports whether Collect of the same tick would read nothing: whatever has
// ended by then was emitted.
func (c *Collector) Idle(now int64) bool {
	for i := range c.streams {
		if s := &c.streams[i]; s.next+s.delay < now {
			return false
		}
	}
	return true
}

// ripen makes the sample of one stream from a tick that ended age ticks ago.
func (c *Collector) ripen(s *stream, age int64, stable, candidate *Outcomes) (Sample, bool) {
	switch s.horizon {
	case Settled, ClientSettled:
		// Without stable requests the candidate's own end is waited for: its
		// unfinished requests are not bad, so an early reading would see nothing.
		side := stable
		if stable.Started == 0 {
			side = candidate
		}
		if side.Ended*100 < side.Started*99 && age < settleTicks {
			return Sample{}, false
		}
	case Final, ClientFinal:
		if (stable.Ended < stable.Started || candidate.Ended < candidate.Started) && age < c.final {
			return Sample{}, false
		}
	case Latency:
		return Sample{Stable: c.slow(stable, s.limit, true), Candidate: c.slow(candidate, s.limit, false)}, true
	case Paced:
		return c.paced(s, age, stable, candidate)
	}
	if s.horizon >= ClientSettled {
		return Sample{Stable: c.clientErrors(stable, true), Candidate: c.clientErrors(candidate, false)}, true
	}
	return Sample{Stable: c.errors(stable, true), Candidate: c.errors(candidate, false), Halves: stable.ErrorsHalf}, true
}

// paced makes the sample of a level: without counts where there was none.
func (c *Collector) paced(s *stream, age int64, stable, candidate *Outcomes) (Sample, bool) {
	for _, l := range c.levels {
		if l.from == 0 || s.next < l.from {
			continue
		}
		if (stable.Headed < stable.Started || candidate.Headed < candidate.Started) && age < l.wait {
			return Sample{}, false
		}
		return Sample{Stable: c.slowLevel(stable, s.limit, true), Candidate: c.slowLevel(candidate, s.limit, false)}, true
	}
	return Sample{}, true
}

// errors are the bad ends of a tick. Unfinished requests are bad where that
// lowers the evidence: on stable.
func (c *Collector) errors(o *Outcomes, unfinishedBad bool) Counts {
	counts := Counts{N: o.Started, X: o.Errors, Raw: o.Errors}
	if c.keyed {
		counts.X = o.ErrorsUnique
	}
	if unfinishedBad && o.Ended < o.Started {
		counts.X = min(counts.X+o.Started-o.Ended, counts.N)
	}
	return counts
}

// clientErrors are the 4xx of a tick, one a bucket with and without a key.
func (c *Collector) clientErrors(o *Outcomes, unknownBad bool) Counts {
	counts := Counts{N: o.Started, X: o.ClientErrorsUnique, Raw: o.ClientErrors}
	if unknownBad && o.Headed < o.Started {
		counts.X = min(counts.X+o.Started-o.Headed, counts.N)
	}
	return counts
}

// slow are the requests beyond a latency limit.
func (c *Collector) slow(o *Outcomes, limit int, failedBad bool) Counts {
	return c.beyond(o, o.Over[limit], o.OverUnique[limit], o.Excluded[limit], failedBad)
}

// slowLevel are the requests beyond a level.
func (c *Collector) slowLevel(o *Outcomes, level int, failedBad bool) Counts {
	return c.beyond(o, o.OverLevel[level], o.OverLevelUnique[level], o.ExcludedLevel[level], failedBad)
}

// beyond are slow requests, hung ones among them. Requests that failed before the
// limit leave the denominator, but where that lowers the evidence they are bad: on
// stable. In an outage that both versions share and one answers more slowly,
// its failures would otherwise look slow beside nothing.
func (c *Collector) beyond(o *Outcomes, over, unique, excluded uint64, failedBad bool) Counts {
	if excluded > o.Started || o.Headed > o.Started {
		return Counts{}
	}
	hung := o.Started - o.Headed
	counts := Counts{N: o.Started - excluded, X: over + hung, Raw: over + hung}
	if c.keyed {
		counts.X = unique + hung
	}
	if failedBad {
		counts.N = o.Started
		counts.X += excluded
	}
	counts.X, counts.Raw = min(counts.X, counts.N), min(counts.Raw, counts.N)
	return counts
}
