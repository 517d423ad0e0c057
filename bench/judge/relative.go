package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/analysis/evidence"
)

// shippedThreshold is what the evidence of an only rule must reach.
const shippedThreshold = 1 / .0075

// strict is bar 5: the primitive alone, against a candidate that fails five times
// as often as stable, whose rate is .1 %. The null has no slack, which no document
// can ask for.
func strict(runs int, stableN, candidateN, bound float64) row {
	requests := repeat(runs, func(run int) float64 {
		r := source(500+int(candidateN), run)
		d := evidence.NewDetector(.001)
		arrivals := [2]poisson{newPoisson(stableN), newPoisson(candidateN)}
		var at time.Duration
		var seen uint64
		for at < 24*time.Hour {
			at += analysis.TickLength
			c := evidence.Counts{StableN: arrivals[stable].draw(r), CandidateN: arrivals[candidate].draw(r)}
			c.StableX, c.CandidateX = binomial(r, c.StableN, .001), binomial(r, c.CandidateN, .005)
			seen += c.CandidateN
			if _, ended := d.Observe(at, c, evidence.Hypothesis{Rho: 1}); ended && d.Evidence() >= shippedThreshold {
				break
			}
		}
		return float64(seen)
	})
	median, limit := quantile(requests, .5), 1.5*bound
	return row{"5", fmt.Sprintf("primitive, p_c <= p_s, .5 %% beside .1 %%, split %g/%g: median requests", candidateN, stableN),
		fmt.Sprintf("%.0f", median), fmt.Sprintf("<= %.0f", limit), median <= limit}
}

// relative is bar 5 with the rule that ships.
func relative(runs int, errors, bound float64) row {
	requests := repeat(runs, func(run int) float64 {
		r := source(550+int(1e4*errors), run)
		t := newTrial(policy(2*time.Hour, "error_rate > 1.5x baseline"))
		traffic := newCrowd(180, 20, constant(.001, errors))
		until(t, 2*time.Hour, func() { traffic.step(t, r) })
		return float64(t.requests[candidate])
	})
	median, limit := quantile(requests, .5), 1.5*bound+40
	return row{"5", fmt.Sprintf("error_rate > 1.5x baseline, %g %% beside .1 %%: median requests (bound of theory %.0f)", 100*errors, bound),
		fmt.Sprintf("%.0f", median), fmt.Sprintf("<= %.0f", limit), median <= limit}
}

// diurnal is bar 10: equal versions whose rates follow the hour.
func diurnal(runs int) row {
	const day = 20 * time.Minute
	failed := repeat(runs, func(run int) bool {
		r := source(1050, run)
		t := newTrial(policy(2*time.Hour, "error_rate > 1x baseline", "error_rate > 1.5x baseline"))
		traffic := newCrowd(180, 20, func(_ int, at time.Duration) float64 {
			return .01 * (1 + .8*math.Sin(2*math.Pi*at.Seconds()/day.Seconds()))
		})
		return until(t, 5000*time.Second, func() { traffic.step(t, r) })
	})
	n := count(failed, func(f bool) bool { return f })
	return row{"10", "equal versions, 1 % +- 80 % by the hour, relative rules, 100 000 requests: put back",
		fmt.Sprintf("%d/%d", n, runs), "<= 1.5 %", float64(n) <= .015*float64(runs)}
}

// quiet is bar 11: two requests a second, a tenth of them for the candidate.
func quiet(runs int, errors float64, healthy time.Duration, limit float64) row {
	const perSecond = 2.
	rules := []string{"error_rate > 1%"}
	if errors == 0 {
		rules = append(rules, "error_rate > 1.5x baseline")
	}
	end := 6 * time.Hour
	type result struct {
		failed   bool
		requests float64
	}
	results := repeat(runs, func(run int) result {
		r := source(1150+int(100*errors), run)
		t := newTrial(policy(18*time.Hour, rules...))
		var before uint64
		traffic := newCrowd(.9*perSecond, .1*perSecond, func(side int, at time.Duration) float64 {
			if side == candidate && errors > 0 && at >= healthy {
				return errors
			}
			return .005
		})
		failed := until(t, end, func() {
			if t.now() < healthy {
				before = t.requests[candidate]
			}
			traffic.step(t, r)
		})
		return result{failed, float64(t.requests[candidate] - before)}
	})
	if errors == 0 {
		n := count(results, func(r result) bool { return r.failed })
		return row{"11", "2 rps at 10 %, equal versions at .5 %, 6 h: put back", fmt.Sprintf("%d/%d", n, runs), "<= 1.5 %", float64(n) <= .015*float64(runs)}
	}
	requests := make([]float64, runs)
	for i, r := range results {
		requests[i] = r.requests
		if !r.failed {
			requests[i] = math.Inf(1)
		}
	}
	median := quantile(requests, .5)
	what := fmt.Sprintf("2 rps at 10 %%, %g %% errors after %s of health: median requests", 100*errors, healthy)
	if limit == 0 {
		return row{"11", what, fmt.Sprintf("%.0f", median), "-", true}
	}
	return row{"11", what, fmt.Sprintf("%.0f", median), fmt.Sprintf("<= %g", limit), median <= limit}
}

// storms is bar 15: single clients of a sticky service that fail for a while, all
// on the version that they stick to.
func storms(runs int, size uint64, every time.Duration, dedupe bool) row {
	failed := repeat(runs, func(run int) bool {
		r := source(1500+int(size), run)
		p := policy(2*time.Hour, "error_rate > 1%", "error_rate > 1.5x baseline")
		p.Keyed = dedupe
		t := newTrial(p)
		left, bucket := uint64(0), int32(0)
		traffic := &keyed{perSecond: 200, weight: buckets / 10}
		raging := false
		traffic.bucket = func(r *rand.Rand) int32 {
			if raging = left > 0 && r.Float64() < .25; raging {
				left--
				return bucket
			}
			return int32(r.IntN(buckets))
		}
		traffic.bad = func(r *rand.Rand, _ int32, _ time.Duration) bool { return raging || r.Float64() < .001 }
		return until(t, 5000*time.Second, func() {
			if t.now()%every == 0 {
				left, bucket = size, int32(r.IntN(buckets))
			}
			traffic.step(t, r)
		})
	})
	n := count(failed, func(f bool) bool { return f })
	what := fmt.Sprintf("a client fails %d times every %s, ", size, every)
	if dedupe {
		return row{"15", what + "as it ships: put back", fmt.Sprintf("%d/%d", n, runs), "<= 1.5 %", float64(n) <= .015*float64(runs)}
	}
	return row{"15", what + "every error counted: put back (the world must bite)", fmt.Sprintf("%d/%d", n, runs), "> 60 %", float64(n) > .6*float64(runs)}
}

// slowPath is bar 16: exactly on the limit for 27 minutes.
func slowPath(runs int, perSecond float64) row {
	paths := repeat(runs, func(run int) analysis.Path {
		r := source(1600+int(perSecond), run)
		t := newTrial(policy(25*time.Minute, "error_rate > 1%"))
		traffic := newCrowd(9*perSecond, perSecond, constant(.001, .01))
		if until(t, 27*time.Minute, func() { traffic.step(t, r) }) {
			return t.judge.Verdict().Path
		}
		return ""
	})
	n := count(paths, func(p analysis.Path) bool { return p == analysis.PathSlow })
	bound := .0025 + 2*math.Sqrt(.0025*.9975/float64(runs))
	return row{"16", fmt.Sprintf("slow path, on the limit, %g requests a patience: put back", 300*perSecond),
		fmt.Sprintf("%d/%d", n, runs), fmt.Sprintf("<= %.2f %%", 100*bound), float64(n) <= bound*float64(runs)}
}

// firstWindow is bar 16: a limit that is broken twice is found within the first
// patience, by whichever path.
func firstWindow(runs int, perSecond float64) row {
	const patience = 5 * time.Minute
	found := repeat(runs, func(run int) bool {
		r := source(1650+int(perSecond), run)
		t := newTrial(policy(25*time.Minute, "error_rate > 1%"))
		traffic := newCrowd(9*perSecond, perSecond, constant(.001, .02))
		return until(t, patience+time.Second, func() { traffic.step(t, r) })
	})
	n := count(found, func(f bool) bool { return f })
	return row{"16", fmt.Sprintf("limit broken 2x, %g requests a patience: put back within the first", 300*perSecond),
		fmt.Sprintf("%d/%d", n, runs), ">= 99 %", n*100 >= 99*runs}
}

// fleet is bar 14: ten nodes whose counts are judged together, node by node,
// beside one that serves all, and the first fuse of the ten, which is slower.
func fleet(runs, nodes int) []row {
	took := func(runs, nodes int, merged bool) float64 {
		return quantile(repeat(runs, func(run int) float64 {
			r := source(1400, run)
			p := policy(2*time.Hour, "error_rate > 1.5x baseline")
			p.LiveNodes, p.Fuse = 10, !merged
			judges := []*analysis.Judge{analysis.NewJudge(p)}
			for len(judges) < nodes && !merged {
				judges = append(judges, analysis.NewJudge(p))
			}
			arrivals := [2]poisson{newPoisson(18 / float64(nodes)), newPoisson(2 / float64(nodes))}
			var at time.Duration
			var seen float64
			var parts []analysis.Part
			for at < 2*time.Hour {
				at += analysis.TickLength
				var sum analysis.Sample
				parts = parts[:0]
				for node := range nodes {
					one := analysis.Sample{At: at}
					for side, counts := range []*analysis.Counts{&one.Stable, &one.Candidate} {
						counts.N = arrivals[side].draw(r)
						counts.X = binomial(r, counts.N, []float64{.001, .005}[side])
						counts.Raw = counts.X
					}
					seen += float64(one.Candidate.N)
					sum.Stable.Add(one.Stable)
					sum.Candidate.Add(one.Candidate)
					parts = append(parts, analysis.Part{Stable: one.Stable, Candidate: one.Candidate})
					if !merged {
						judges[node].Observe(one)
						if judges[node].Failed() {
							return seen
						}
					}
				}
				sum.At, sum.Parts = at, parts
				if merged {
					judges[0].Observe(sum)
					if judges[0].Failed() {
						return seen
					}
				}
			}
			return seen
		}), .5)
	}
	one, all, fuse := took(runs, 1, true), took(runs, nodes, true), took(min(runs, 100), nodes, false)
	return []row{
		{"14", fmt.Sprintf("%d nodes merged beside one node: median requests", nodes), fmt.Sprintf("%.0f beside %.0f", all, one), "within 5 %", math.Abs(all/one-1) <= .05},
		{"14", fmt.Sprintf("%d nodes, first fuse alone: median requests", nodes), fmt.Sprintf("%.0f", fuse), "-", true},
	}
}
