package main

import (
	"math/rand/v2"
	"time"

	"github.com/weirproxy/weir/analysis"
)

const (
	stable    = 0
	candidate = 1

	ringTicks = 1024
	lateTicks = 64
	timeout   = 15 * time.Second
)

// trial drives the judge as a node does: outcomes by dispatch tick, collector,
// judge, in rounds of one tick.
type trial struct {
	judge     *analysis.Judge
	collector *analysis.Collector
	ring      [ringTicks][2]analysis.Outcomes
	late      [lateTicks][]lateEnd
	tick      int64 // being filled
	requests  [2]uint64

	read func(int64) (analysis.Outcomes, analysis.Outcomes, bool)
	emit func(analysis.Sample)
}

// lateEnd are bad requests of one tick that end in a later one.
type lateEnd struct {
	tick int64
	side int
	bad  uint64
}

func newTrial(p analysis.Policy) *trial {
	t := &trial{judge: analysis.NewJudge(p), collector: analysis.NewCollector(p, timeout, 0, 0)}
	t.read = func(tick int64) (analysis.Outcomes, analysis.Outcomes, bool) {
		held := &t.ring[tick%ringTicks]
		return held[stable], held[candidate], true
	}
	t.emit = t.judge.Observe
	return t
}

func (t *trial) now() time.Duration { return time.Duration(t.tick) * analysis.TickLength }

// open is the record of a version in the tick that is being filled.
func (t *trial) open(side int) *analysis.Outcomes { return &t.ring[t.tick%ringTicks][side] }

// begin empties the tick that is to be filled.
func (t *trial) begin() { t.ring[t.tick%ringTicks] = [2]analysis.Outcomes{} }

// end closes the tick and lets the judge look.
func (t *trial) end() {
	t.requests[stable] += t.open(stable).Started
	t.requests[candidate] += t.open(candidate).Started
	t.tick++
	t.look()
}

func (t *trial) look() {
	t.judge.Advance(t.now())
	t.collector.Collect(t.tick, t.read, t.emit)
}

// later ends bad requests of the open tick in a later one.
func (t *trial) later(ticks int64, e lateEnd) {
	slot := &t.late[(t.tick+ticks)%lateTicks]
	*slot = append(*slot, e)
}

// due are the ends that fall into the open tick.
func (t *trial) due() []lateEnd {
	slot := &t.late[t.tick%lateTicks]
	ends := *slot
	*slot = ends[:0]
	return ends
}

// crowd is traffic of independent requests.
type crowd struct {
	perSecond [2]float64
	rate      func(side int, at time.Duration) float64 // of bad requests dispatched at that time
	slower    [2]int64                                 // ticks by which bad requests of a side end later

	arrivals [2]poisson
}

func newCrowd(stableRPS, candidateRPS float64, rate func(side int, at time.Duration) float64) *crowd {
	c := &crowd{perSecond: [2]float64{stableRPS, candidateRPS}, rate: rate}
	for side, rps := range c.perSecond {
		c.arrivals[side] = newPoisson(rps * analysis.TickLength.Seconds())
	}
	return c
}

// step is one tick of traffic.
func (c *crowd) step(t *trial, r *rand.Rand) {
	t.begin()
	for side := range 2 {
		n := c.arrivals[side].draw(r)
		bad := binomial(r, n, c.rate(side, t.now()))
		o := t.open(side)
		o.Started, o.Headed, o.Ended = n, n, n
		if c.slower[side] > 0 && bad > 0 {
			o.Headed, o.Ended = n-bad, n-bad
			t.later(c.slower[side], lateEnd{tick: t.tick, side: side, bad: bad})
			continue
		}
		o.Errors, o.ErrorsUnique = bad, bad
		leave(o, bad)
	}
	for _, e := range t.due() {
		o := &t.ring[e.tick%ringTicks][e.side]
		o.Headed += e.bad
		o.Ended += e.bad
		o.Errors += e.bad
		o.ErrorsUnique += e.bad
	}
	t.end()
}

// leave takes failures that came at once out of the latency denominator, as the
// recorder does.
func leave(o *analysis.Outcomes, bad uint64) {
	for k := range o.Excluded {
		o.Excluded[k] += bad
	}
}

const (
	buckets   = 10_000
	markTicks = int64(600 * time.Second / analysis.TickLength)
)

// keyed is traffic of clients with a sticky key: a bucket's requests all go to
// one version, and its bad outcomes count once in ten minutes, on both sides.
type keyed struct {
	perSecond float64
	weight    int // of the candidate in buckets
	bucket    func(r *rand.Rand) int32
	bad       func(r *rand.Rand, bucket int32, at time.Duration) bool
	marks     [buckets]int64 // tick after which a bad outcome counts again
	arrivals  poisson
}

func (k *keyed) step(t *trial, r *rand.Rand) {
	if k.arrivals.mean == 0 {
		k.arrivals = newPoisson(k.perSecond * analysis.TickLength.Seconds())
	}
	t.begin()
	at := t.now()
	for range k.arrivals.draw(r) {
		bucket := k.bucket(r)
		side := stable
		if int(bucket) < k.weight {
			side = candidate
		}
		o := t.open(side)
		o.Started++
		o.Headed++
		o.Ended++
		if !k.bad(r, bucket, at) {
			continue
		}
		o.Errors++
		leave(o, 1)
		if t.tick >= k.marks[bucket] {
			o.ErrorsUnique++
			k.marks[bucket] = t.tick + markTicks
		}
	}
	t.end()
}
