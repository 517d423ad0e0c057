package main

import (
	"fmt"
	"time"

	"github.com/weirproxy/weir/analysis"
)

// lookAfter is how long after the end of a tick the node looks at it: long enough
// for nearly all of stable's requests of the tick to have ended.
const lookAfter = 25 * time.Millisecond

// timeToVerdict returns the seconds from the fault, at any moment within a tick,
// to the verdict, for 950 + 50 requests a second. Requests take 20 ms, so that a
// fifth of a tick's requests are open when it ends.
func timeToVerdict(runs int, healthy time.Duration, rate float64) []float64 {
	return repeat(runs, func(run int) float64 {
		r := source(1300+int(healthy/time.Second)+int(1000*rate), run)
		t := newTrial(contractRules(time.Hour))
		phase := r.Float64()
		fault := healthy + time.Duration(phase*float64(analysis.TickLength))
		arrivals := [2]poisson{newPoisson(95), newPoisson(5)}
		for t.now() < healthy+10*time.Minute {
			t.begin()
			for side := range 2 {
				n := arrivals[side].draw(r)
				bad := binomial(r, n, .001)
				if side == candidate && t.now() >= healthy {
					hit := n
					if t.now() == healthy {
						hit = binomial(r, n, 1-phase)
					}
					bad = binomial(r, hit, rate)
				}
				open := binomial(r, n, .2)
				openBad := binomial(r, bad, float64(open)/float64(max(n, 1)))
				*t.open(side) = analysis.Outcomes{Started: n, Headed: n - open, Ended: n - open, Errors: bad - openBad, ErrorsUnique: bad - openBad}
				t.later(0, lateEnd{tick: t.tick, side: side, bad: openBad})
			}
			ends := t.due()
			t.end()
			for _, e := range ends {
				o := &t.ring[e.tick%ringTicks][e.side]
				o.Headed, o.Ended = o.Started, o.Started
				o.Errors += e.bad
				o.ErrorsUnique += e.bad
			}
			t.look()
			if t.judge.Failed() {
				break
			}
		}
		return (t.now() + lookAfter - fault).Seconds()
	})
}

func timeToVerdictRows(runs int) []row {
	var rows []row
	for _, c := range []struct {
		healthy time.Duration
		rate    float64
		limit   float64 // of the median, in seconds; 0 if there is none
	}{
		{time.Second, .5, 0},
		{5 * time.Second, .5, 1}, {10 * time.Second, .5, 1}, {15 * time.Second, .5, 1},
		{time.Minute, .5, 0}, {15 * time.Minute, .5, 1.3},
		{15 * time.Second, 1, 0}, {15 * time.Second, .1, 0}, {15 * time.Minute, .1, 0},
	} {
		found := timeToVerdict(runs, c.healthy, c.rate)
		median, p90 := quantile(found, .5), quantile(found, .9)
		r := row{"T", fmt.Sprintf("%g %% errors after %s of health: median (p90)", 100*c.rate, c.healthy), fmt.Sprintf("%.2f s (%.2f)", median, p90), "-", true}
		if c.limit > 0 {
			r.limit, r.ok = fmt.Sprintf("<= %.1f s", c.limit), median > 0 && median <= c.limit
		}
		rows = append(rows, r)
	}
	return rows
}

// burst is how many candidates a total failure of 0.39 s puts back, beside a rate
// of other errors.
func burst(runs int, perSecond float64, healthy time.Duration, others float64) row {
	failed := repeat(runs, func(run int) bool {
		r := source(1400+int(perSecond), run)
		t := newTrial(contractRules(time.Hour))
		begin := healthy + time.Duration(r.Float64()*float64(analysis.TickLength))
		end := begin + 390*time.Millisecond
		traffic := newCrowd(19*perSecond, perSecond, func(side int, at time.Duration) float64 {
			// The share of the tick that lies in the burst.
			inside := min(at+analysis.TickLength, end) - max(at, begin)
			if side == candidate && inside > 0 {
				return float64(inside) / float64(analysis.TickLength)
			}
			return others
		})
		return until(t, healthy+20*time.Second, func() { traffic.step(t, r) })
	})
	n := count(failed, func(f bool) bool { return f })
	return row{"B", fmt.Sprintf("the candidate fails for .39 s after %s, %g rps, %g %% other errors: put back", healthy, perSecond, 100*others),
		fmt.Sprintf("%d/%d", n, runs), "0", n == 0}
}
