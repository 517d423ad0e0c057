package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/analysis/hist"
)

// The service of bar 12: 99 % of requests take about 20 ms and 1 % about 150 ms,
// both lognormal.
const (
	usual, rare = 20 * time.Millisecond, 150 * time.Millisecond
	rareShare   = .01
	sigma       = .5
)

func takes(r *rand.Rand, slower float64, rare_ float64) time.Duration {
	median := usual
	if r.Float64() < rare_ {
		median = rare
	}
	return time.Duration(float64(median) * slower * math.Exp(sigma*r.NormFloat64()))
}

// clocked is traffic of which every request has a latency.
type clocked struct {
	arrivals [2]poisson
	takes    func(r *rand.Rand, side int, at time.Duration) time.Duration

	pace  *analysis.Pace
	known hist.Counts
	paces analysis.Paces // in force
	next  analysis.Paces
	from  int64
}

func newClocked(p analysis.Policy, stableRPS, candidateRPS float64, takes func(r *rand.Rand, side int, at time.Duration) time.Duration) *clocked {
	c := &clocked{pace: analysis.NewPace(p), takes: takes}
	for side, rps := range []float64{stableRPS, candidateRPS} {
		c.arrivals[side] = newPoisson(rps * analysis.TickLength.Seconds())
	}
	return c
}

// warm tells the pace what stable did before the trial.
func (c *clocked) warm(r *rand.Rand, requests int) {
	for range requests {
		c.known.Add(c.takes(r, stable, 0))
	}
}

func (c *clocked) step(t *trial, r *rand.Rand) {
	if c.pace.Due(t.tick) {
		if paces, ok := c.pace.Update(t.tick, &c.known); ok {
			c.next, c.from = paces, t.tick+2
			t.collector.SetPaces(c.from, paces)
		}
	}
	if t.tick == c.from {
		c.paces = c.next
	}
	t.begin()
	for side := range 2 {
		levels := &c.paces.Stable
		if side == candidate {
			levels = &c.paces.Candidate
		}
		o := t.open(side)
		n := c.arrivals[side].draw(r)
		o.Started, o.Headed, o.Ended = n, n, n
		for range n {
			took := c.takes(r, side, t.now())
			if side == stable {
				c.known.Add(took)
			}
			for k, level := range levels {
				if level > 0 && took > level {
					o.OverLevel[k]++
					o.OverLevelUnique[k]++
				}
			}
		}
	}
	t.end()
}

// slower is bar 12: a candidate that is slower throughout.
func slower(runs int, times, limit float64) row {
	requests := repeat(runs, func(run int) float64 {
		r := source(1250+int(100*times), run)
		p := policy(2*time.Hour, "latency_p99 > 1.1x baseline")
		t := newTrial(p)
		traffic := newClocked(p, 180, 20, func(r *rand.Rand, side int, _ time.Duration) time.Duration {
			if side == candidate {
				return takes(r, times, rareShare)
			}
			return takes(r, 1, rareShare)
		})
		traffic.warm(r, 20_000)
		until(t, time.Hour, func() { traffic.step(t, r) })
		return float64(t.requests[candidate])
	})
	median := quantile(requests, .5)
	return row{"12", fmt.Sprintf("all requests x%g, latency_p99 > 1.1x baseline: median requests", times),
		fmt.Sprintf("%.0f", median), fmt.Sprintf("<= %g", limit), median <= limit}
}

// equallySlow is bar 12: versions that are slow together.
func equallySlow(runs int, what string, factor func(at time.Duration) float64) row {
	failed := repeat(runs, func(run int) bool {
		r := source(1280+len(what), run)
		p := policy(2*time.Hour, "latency_p99 > 1.1x baseline")
		t := newTrial(p)
		traffic := newClocked(p, 180, 20, func(r *rand.Rand, _ int, at time.Duration) time.Duration { return takes(r, factor(at), rareShare) })
		traffic.warm(r, 20_000)
		return until(t, 25*time.Minute, func() { traffic.step(t, r) })
	})
	n := count(failed, func(f bool) bool { return f })
	return row{"12", "equal versions, " + what + ", latency_p99 > 1.1x baseline: put back", fmt.Sprintf("%d/%d", n, runs), "0", n == 0}
}

func equallySlowRows(runs int) []row {
	return []row{
		equallySlow(runs, "steady", func(time.Duration) float64 { return 1 }),
		equallySlow(runs, "+-50 % by the hour", func(at time.Duration) float64 { return 1 + .5*math.Sin(2*math.Pi*at.Seconds()/1200) }),
		equallySlow(runs, "both 5 times slower for 2 min", func(at time.Duration) float64 {
			if at >= 5*time.Minute && at < 7*time.Minute {
				return 5
			}
			return 1
		}),
	}
}
