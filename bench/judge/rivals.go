package main

import (
	"fmt"
	"math"
	"time"

	"github.com/weirproxy/weir/analysis"
)

// rival is a judge as others have them, on the candidate's counts of each second.
// It is true once it would put the traffic back, and stays so.
type rival interface {
	second(n, bad float64) bool
}

// windowed counts windows in which the plain rate is above the limit.
type windowed struct {
	limit       float64
	window      int // seconds that a rate is over
	every       int // seconds between looks
	failures    int // looks above the limit that put the traffic back
	consecutive bool

	n, bad    []float64
	sumN, sum float64
	over, now int
	done      bool
}

func (w *windowed) second(n, bad float64) bool {
	w.n, w.bad = append(w.n, n), append(w.bad, bad)
	w.sumN, w.sum = w.sumN+n, w.sum+bad
	w.now++
	if w.now > w.window {
		w.sumN -= w.n[w.now-w.window-1]
		w.sum -= w.bad[w.now-w.window-1]
	}
	if w.now < w.window || w.now%w.every != 0 {
		return w.done
	}
	switch {
	case w.sum > w.sumN*w.limit:
		w.over++
	case w.consecutive:
		w.over = 0
	}
	w.done = w.done || w.over >= w.failures
	return w.done
}

// peeked is a z-test of one per cent that is looked at every second.
type peeked struct {
	limit, n, bad float64
	done          bool
}

func (p *peeked) second(n, bad float64) bool {
	p.n, p.bad = p.n+n, p.bad+bad
	spread := math.Sqrt(p.n * p.limit * (1 - p.limit))
	p.done = p.done || p.n >= 20 && (p.bad-p.n*p.limit)/spread > 2.326
	return p.done
}

// judges are the names of those that are compared, ours first.
var judges = []string{
	"weir", "1 min above, 5 times", "5 min above, 4 times", "1 min above for 5 min", "5 min average", "z-test each second",
}

func rivals(limit float64) []rival {
	return []rival{
		&windowed{limit: limit, window: 60, every: 60, failures: 5},
		&windowed{limit: limit, window: 300, every: 300, failures: 4},
		&windowed{limit: limit, window: 60, every: 15, failures: 20, consecutive: true},
		&windowed{limit: limit, window: 300, every: 60, failures: 1},
		&peeked{limit: limit},
	}
}

// compared is when each judge put the traffic back in one run, in candidate
// requests; infinite where it did not.
type compared [6]float64

// compare feeds all judges the same traffic: 20 requests a second for the
// candidate and 180 for stable.
func compare(runs, world int, limit float64, end time.Duration, rate func(side int, at time.Duration) float64) []compared {
	return repeat(runs, func(run int) compared {
		r := source(2000+world, run)
		t := newTrial(policy(2*time.Hour, fmt.Sprintf("error_rate > %g%%", 100*limit)))
		traffic := newCrowd(180, 20, rate)
		others := rivals(limit)
		var at compared
		for i := range at {
			at[i] = math.Inf(1)
		}
		var n, bad float64
		for t.now() < end {
			traffic.step(t, r)
			o := t.ring[(t.tick-1)%ringTicks][candidate]
			n, bad = n+float64(o.Started), bad+float64(o.Errors)
			seen := float64(t.requests[candidate])
			if t.judge.Failed() {
				at[0] = min(at[0], seen)
			}
			if t.tick%int64(time.Second/analysis.TickLength) != 0 {
				continue
			}
			all := t.judge.Failed()
			for i, other := range others {
				if other.second(n, bad) {
					at[i+1] = min(at[i+1], seen)
				} else {
					all = false
				}
			}
			n, bad = 0, 0
			if all {
				break
			}
		}
		return at
	})
}

// comparison compares the judges, and returns the plots beside the rows.
func comparison(runs int) ([]row, []plot) {
	const limit = .01
	long := 5000 * time.Second
	outage := func(side int, at time.Duration) float64 {
		if at >= 10*time.Minute && at < 11*time.Minute {
			return .5
		}
		return .001
	}
	falses := plot{file: "judge-false.svg", title: "Good candidates put back, error_rate > 1%, 100 000 requests", unit: "%", top: 100}
	delays := plot{file: "judge-delay.svg", title: "Candidate requests until a bad version is put back (median, log scale)", unit: "requests", log: true}
	var rows []row
	for i, w := range []struct {
		name string
		rate func(int, time.Duration) float64
	}{
		{"half the limit", constant(.001, .5*limit)}, {".8 of the limit", constant(.001, .8*limit)},
		{"on the limit", constant(.001, limit)}, {"shared outage, 50 % for 60 s", outage},
	} {
		results := compare(runs, i, limit, long, w.rate)
		var values []float64
		for k, name := range judges {
			n := count(results, func(c compared) bool { return !math.IsInf(c[k], 1) })
			values = append(values, 100*float64(n)/float64(runs))
			bound := 1 + 200*math.Sqrt(.01*.99/float64(runs))
			r := row{"R", w.name + ", " + name + ": put back", fmt.Sprintf("%g %%", values[k]), "-", true}
			if k == 0 {
				r.limit, r.ok = fmt.Sprintf("<= %.1f %%", bound), values[0] <= bound
			}
			rows = append(rows, r)
		}
		falses.groups = append(falses.groups, group{w.name, values})
	}
	for i, times := range []float64{2, 5, 10} {
		results := compare(runs, 10+i, limit, long, constant(.001, times*limit))
		var values []float64
		for k, name := range judges {
			requests := make([]float64, runs)
			for j, c := range results {
				requests[j] = c[k]
			}
			values = append(values, quantile(requests, .5))
			rows = append(rows, row{"R", fmt.Sprintf("limit broken %gx, %s: median requests", times, name), fmt.Sprintf("%.0f", values[k]), "-", true})
		}
		delays.groups = append(delays.groups, group{fmt.Sprintf("%g times the limit", times), values})
	}
	return rows, []plot{falses, delays}
}
