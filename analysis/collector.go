package analysis

import "time"

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

// Collector decides when a tick of a recorder has ripened for each horizon, and
// emits it once, in order within its horizon. Its memory does not grow: it holds
// one position a horizon and reads the open ticks again.
type Collector struct {
	keyed  bool
	first  int64
	began  time.Duration
	final  int64 // age in ticks at which a tick's errors are final
	limits int
	delay  [MaxLimits]int64 // age in ticks at which a limit is read
	next   [horizons]int64  // next tick of each stream
}

// NewCollector returns a collector for the rules of p. Timeout is the service's
// own, which bounds how long a tick's requests are waited for. First is the
// first tick of the recorder to be read, and began the rollout's trial time at
// that tick's start: 0, or what had elapsed when a trial is resumed.
func NewCollector(p Policy, timeout time.Duration, first int64, began time.Duration) *Collector {
	limits := p.Limits()
	c := &Collector{
		keyed:  p.Keyed,
		first:  first,
		began:  began,
		final:  int64(min(max(timeout, 0)+finalGrace, maxFinal) / TickLength),
		limits: min(len(limits), MaxLimits),
	}
	for i := range c.limits {
		c.delay[i] = min(int64((limits[i]+TickLength-1)/TickLength)+1, maxBehind-1)
	}
	for i := range c.next {
		c.next[i] = first
	}
	return c
}

// Collect emits what has ripened. Now is the tick that is being filled. Read
// returns what is known of an earlier tick; ok is false for one that the
// recorder no longer holds, which is skipped. Collect keeps neither function.
// Called every 25 ms or so rather than once a tick, it sees a tick whose requests
// took 20 ms right after its end instead of a tick later.
func (c *Collector) Collect(now int64, read func(tick int64) (stable, candidate Outcomes, ok bool), emit func(Sample)) {
	for stream := range int(Latency) + c.limits {
		c.next[stream] = max(c.next[stream], now-maxBehind)
		for c.next[stream] < now {
			tick := c.next[stream]
			stable, candidate, ok := read(tick)
			if ok {
				sample, ripe := c.ripen(stream, now-tick-1, &stable, &candidate)
				if !ripe {
					break
				}
				sample.At = c.began + time.Duration(tick-c.first+1)*TickLength
				emit(sample)
			}
			c.next[stream]++
		}
	}
}

// ripen makes the sample of one stream from a tick that ended age ticks ago.
func (c *Collector) ripen(stream int, age int64, stable, candidate *Outcomes) (Sample, bool) {
	switch Horizon(stream) {
	case Settled:
		// Without stable requests the candidate's own end is waited for: its
		// unfinished requests are not bad, so an early reading would see nothing.
		side := stable
		if stable.Started == 0 {
			side = candidate
		}
		if side.Ended*100 < side.Started*99 && age < settleTicks {
			return Sample{}, false
		}
		return Sample{Horizon: Settled, Stable: c.errors(stable, true), Candidate: c.errors(candidate, false)}, true
	case Final:
		if (stable.Ended < stable.Started || candidate.Ended < candidate.Started) && age < c.final {
			return Sample{}, false
		}
		return Sample{Horizon: Final, Stable: c.errors(stable, true), Candidate: c.errors(candidate, false)}, true
	}
	limit := stream - int(Latency)
	if age < c.delay[limit] {
		return Sample{}, false
	}
	return Sample{Horizon: Latency, Limit: limit, Stable: c.slow(stable, limit, true), Candidate: c.slow(candidate, limit, false)}, true
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

// slow are the requests beyond a latency limit. Requests that failed before it
// leave the denominator, but where that lowers the evidence they are bad: on
// stable. In an outage that both versions share and one answers more slowly,
// its failures would otherwise look slow beside nothing.
func (c *Collector) slow(o *Outcomes, limit int, failedBad bool) Counts {
	if o.Excluded[limit] > o.Started || o.Headed > o.Started {
		return Counts{}
	}
	hung := o.Started - o.Headed
	counts := Counts{N: o.Started - o.Excluded[limit], X: o.Over[limit] + hung, Raw: o.Over[limit] + hung}
	if c.keyed {
		counts.X = o.OverUnique[limit] + hung
	}
	if failedBad {
		counts.N = o.Started
		counts.X += o.Excluded[limit]
	}
	counts.X, counts.Raw = min(counts.X, counts.N), min(counts.Raw, counts.N)
	return counts
}
