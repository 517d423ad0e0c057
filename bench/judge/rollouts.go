package main

import (
	"fmt"
	"math"
	"time"

	"github.com/weirproxy/weir/analysis"
)

// Versions of the whole rollouts. A candidate that equals stable is slower than
// 1.2 times stable's quantiles less often than stable is than the quantiles: by
// so much with lognormal latencies of sigma .5, of which 1 % are rare slow ones.
var (
	fine = [2]shares{
		stable:    {errors: .001, slow: .003, paced: [3]float64{.5, .1, .01}},
		candidate: {errors: .001, slow: .003, paced: [3]float64{.36, .065, .008}},
	}
	// Every limit is just reached: 1 % = .05 % + 1.5 * .633 %.
	onEveryLimit = [2]shares{
		stable:    {errors: .00633, slow: .003, paced: [3]float64{.5, .1, .01}},
		candidate: {errors: .01, slow: .01, paced: [3]float64{.5, .1, .01}},
	}
)

func always(versions [2]shares) func(int, int, time.Duration) shares {
	return func(_, side int, _ time.Duration) shares { return versions[side] }
}

// wholeRollouts is bar 2: how many good rollouts are put back.
func wholeRollouts(runs int, what string, versions [2]shares, limit float64) row {
	results := repeat(runs, func(run int) ended {
		return rollOut(source(200+int(1e5*versions[candidate].errors), run), fourChecks(), 200, false, always(versions))
	})
	n := count(results, func(e ended) bool { return e.failed })
	return row{"2", "whole rollout, four checks, " + what + ": put back", fmt.Sprintf("%d/%d", n, runs),
		fmt.Sprintf("<= %g %%", 100*limit), float64(n) <= math.Max(limit*float64(runs), 1)}
}

// found is bar 6: how soon a rollout with a fault is put back.
func found(runs, from int, errors float64, maxRequests float64, maxTime time.Duration) []row {
	results := repeat(runs, func(run int) ended {
		return rollOut(source(600+int(100*errors)+from, run), fourChecks(), 200, false, func(stage, side int, _ time.Duration) shares {
			s := fine[side]
			if side == candidate && stage >= from {
				s.errors = errors
			}
			return s
		})
	})
	requests, seconds := make([]float64, runs), make([]float64, runs)
	for i, e := range results {
		requests[i], seconds[i] = e.requests, (e.intoStage + lookAfter).Seconds()
		if !e.failed || e.stage != from {
			requests[i], seconds[i] = math.Inf(1), math.Inf(1)
		}
	}
	what := fmt.Sprintf("whole rollout, four checks, %g %% errors from the %g %% stage: median", 100*errors, float64(ramp[from].weight)/100)
	n, s := quantile(requests, .5), quantile(seconds, .5)
	rows := []row{{"6", what, fmt.Sprintf("%.1f s", s), fmt.Sprintf("<= %g s", maxTime.Seconds()), s <= maxTime.Seconds()}}
	if maxRequests > 0 {
		rows = append(rows, row{"6", what, fmt.Sprintf("%.0f requests", n), fmt.Sprintf("<= %.0f", maxRequests), n <= maxRequests})
	}
	return rows
}

// earlyRollouts is bar 13: how long a good rollout takes that may end its stages
// early.
func earlyRollouts(runs int) row {
	scheduled := time.Duration(0)
	for _, s := range ramp {
		scheduled += s.length
	}
	p := fourChecks()
	took := repeat(runs, func(run int) float64 {
		e := rollOut(source(1300, run), p, 200, true, always(fine))
		if e.failed {
			return math.Inf(1)
		}
		return float64(e.at) / float64(scheduled)
	})
	median := quantile(took, .5)
	return row{"13", "healthy rollout with early: time of the scheduled", fmt.Sprintf("%.0f %%", 100*median), "<= 50 %", median <= .5}
}

// earlyPass is bar 13: requests until one check is proven, and how often one is
// that is exactly on its limit.
func earlyPass(runs int, share float64) row {
	const limit, perSecond = .001, 200
	type result struct {
		passed   bool
		requests float64
	}
	results := repeat(runs, func(run int) result {
		r := source(1310+int(1e5*share), run)
		t := newTrial(policy(time.Hour, "error_rate < 0.1%"))
		t.judge.SetStage(analysis.Stage{Weight: 9000})
		traffic := newCrowd(20, perSecond, constant(share, share))
		for t.requests[candidate] < 200_000 && !t.judge.Failed() {
			traffic.step(t, r)
			if t.tick%10 == 0 && t.judge.Verdict().Proven {
				return result{true, float64(t.requests[candidate])}
			}
		}
		return result{}
	})
	if share < limit {
		requests := make([]float64, runs)
		for i, r := range results {
			requests[i] = r.requests
			if !r.passed {
				requests[i] = math.Inf(1)
			}
		}
		median := quantile(requests, .5)
		return row{"13", fmt.Sprintf("early pass of error_rate < .1%%, true rate %g %%: median requests", 100*share), fmt.Sprintf("%.0f", median), "<= 7500", median <= 7500}
	}
	n := count(results, func(r result) bool { return r.passed })
	bound := .05 + 2*math.Sqrt(.05*.95/float64(runs))
	return row{"13", "early pass of error_rate < .1% exactly on its limit, 200 000 requests", fmt.Sprintf("%d/%d", n, runs),
		fmt.Sprintf("<= %.1f %%", 100*bound), float64(n) <= bound*float64(runs)}
}
