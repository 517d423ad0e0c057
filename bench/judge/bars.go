package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/weirproxy/weir/analysis"
)

// row is one line of the table: what was measured beside what it must be.
type row struct {
	bar, what, value, limit string
	ok                      bool
}

// errorRule is a policy of one trigger on errors.
func errorRule(condition string) analysis.Policy {
	return policy(time.Hour, condition)
}

// policy is one of triggers with a patience of five minutes, and of checks where
// a condition says what must hold.
func policy(longest time.Duration, conditions ...string) analysis.Policy {
	p := analysis.Policy{MaxDuration: longest}
	for _, text := range conditions {
		c, err := analysis.ParseCondition(text)
		if err != nil {
			panic("BUG: " + err.Error())
		}
		p.Rules = append(p.Rules, analysis.Rule{ID: text, Condition: c, Check: c.Below})
	}
	if err := p.Validate(); err != nil {
		panic("BUG: " + err.Error())
	}
	return p
}

// contractRules are the triggers of the documented canaries.
func contractRules(longest time.Duration) analysis.Policy {
	return policy(longest, "error_rate > 1%", "latency_p99 > 200ms", "health_check == failing")
}

func constant(onStable, onCandidate float64) func(int, time.Duration) float64 {
	return func(side int, _ time.Duration) float64 {
		if side == candidate {
			return onCandidate
		}
		return onStable
	}
}

// until runs a world until the judge fails the candidate or time is up.
func until(t *trial, end time.Duration, step func()) bool {
	for t.now() < end && !t.judge.Failed() {
		step()
	}
	return t.judge.Failed()
}

// onTheLimit is bar 3: one version alone, exactly on its limit or a fifth below.
func onTheLimit(runs int, requests, share, of float64) row {
	const perSecond = 200 // 20 requests a tick
	condition := fmt.Sprintf("error_rate > %g%%", 100*share)
	longest := time.Duration(requests / perSecond * float64(time.Second))
	failed := repeat(runs, func(run int) bool {
		r := source(300+int(1/share)+int(10*of), run)
		t := newTrial(policy(longest, condition))
		t.judge.SetStage(analysis.Stage{Weight: 10_000})
		traffic := newCrowd(0, perSecond, constant(0, share*of))
		return until(t, longest, func() { traffic.step(t, r) })
	})
	n := count(failed, func(f bool) bool { return f })
	bound := .01 + 2*math.Sqrt(.01*.99/float64(runs))
	if of < 1 {
		bound = .002 + 2*math.Sqrt(.002*.998/float64(runs))
	}
	return row{"3", fmt.Sprintf("%s at %g of the limit, %g requests: false", condition, of, requests),
		fmt.Sprintf("%d/%d", n, runs), fmt.Sprintf("<= %.1f %%", 100*bound), float64(n) <= bound*float64(runs)}
}

func divergence(p, q float64) float64 {
	return p*math.Log(p/q) + (1-p)*math.Log((1-p)/(1-q))
}

// delay is bar 4: requests until a version alone that breaks its limit is found.
func delay(runs int, share, times float64) row {
	const perSecond = 20
	condition := fmt.Sprintf("error_rate > %g%%", 100*share)
	found := repeat(runs, func(run int) float64 {
		r := source(400+int(1/share)+int(times), run)
		t := newTrial(errorRule(condition))
		t.judge.SetStage(analysis.Stage{Weight: 10_000})
		traffic := newCrowd(0, perSecond, constant(0, share*times))
		until(t, time.Hour, func() { traffic.step(t, r) })
		return float64(t.requests[candidate])
	})
	bound := math.Log(100) / divergence(share*times, share)
	median := quantile(found, .5)
	limit := 1.5*bound + 2*perSecond
	return row{"4", fmt.Sprintf("%s broken %gx: median requests (bound of theory %.0f)", condition, times, bound),
		fmt.Sprintf("%.0f", median), fmt.Sprintf("<= %.0f", limit), median <= limit}
}

// afterHealth is bar 7: the limit is broken five times after 100 000 requests at
// a fifth of it. It returns the requests from the fault to the decision.
func afterHealth(runs int, judgeFails func(run int, rate func(request float64) float64) float64) row {
	const healthy = 100_000
	found := repeat(runs, func(run int) float64 {
		return judgeFails(run, func(request float64) float64 {
			if request < healthy {
				return .002
			}
			return .05
		}) - healthy
	})
	median := quantile(found, .5)
	limit := 5 * math.Log(100) / divergence(.05, .01)
	return row{"7", "error_rate > 1% broken 5x after 100 000 good requests: median requests",
		fmt.Sprintf("%.0f", median), fmt.Sprintf("<= %.0f", limit), median > 0 && median <= limit}
}

// byJudge is what ships; byCumulativeTest is what bar 7 must refuse.
func byJudge(run int, rate func(float64) float64) float64 {
	r := source(700, run)
	t := newTrial(policy(2*time.Hour, "error_rate > 1%"))
	t.judge.SetStage(analysis.Stage{Weight: 10_000})
	traffic := newCrowd(0, 20, nil)
	traffic.rate = func(int, time.Duration) float64 { return rate(float64(t.requests[candidate])) }
	until(t, 4*time.Hour, func() { traffic.step(t, r) })
	return float64(t.requests[candidate])
}

func byCumulativeTest(run int, rate func(float64) float64) float64 {
	r := source(700, run)
	effects := []float64{1.25, 1.6, 2.2, 3.2, 5, 8, 14, 25, 50}
	logs := make([]float64, len(effects))
	for request := 0.; request < 300_000; request++ {
		bad := r.Float64() < rate(request)
		sum := 0.
		for k, effect := range effects {
			if bad {
				logs[k] += math.Log(effect)
			} else {
				logs[k] += math.Log((1 - effect*.01) / .99)
			}
			sum += math.Exp(logs[k]) / float64(len(effects))
		}
		if sum >= 100 {
			return request
		}
	}
	return 300_000
}

// outage is one shared fault of bar 8.
type outage struct {
	name string
	rate func(into time.Duration) float64
	last time.Duration
}

func outages() []outage {
	return []outage{
		{"50 % errors for 60 s", func(time.Duration) float64 { return .5 }, time.Minute},
		{"30 % errors for 10 min", func(time.Duration) float64 { return .3 }, 10 * time.Minute},
		{"2 s blackout every minute", func(into time.Duration) float64 {
			if into%time.Minute < 2*time.Second {
				return 1
			}
			return .001
		}, 5 * time.Minute},
	}
}

// sharedOutage is bar 8: both versions fail, then only the candidate.
func sharedOutage(runs int, o outage) []row {
	const healthy, pause = 5 * time.Minute, 4 * time.Minute
	type result struct {
		failed, shared bool
		found          float64
	}
	results := repeat(runs, func(run int) result {
		r := source(800+len(o.name), run)
		t := newTrial(contractRules(time.Hour))
		broken := healthy + o.last + pause
		traffic := newCrowd(180, 20, func(side int, at time.Duration) float64 {
			switch {
			case at >= healthy && at < healthy+o.last:
				return o.rate(at - healthy)
			case at >= broken && side == candidate:
				return .05
			}
			return .001
		})
		var res result
		res.failed = until(t, broken, func() {
			traffic.step(t, r)
			into := t.now() - healthy
			if into > 0 && into < o.last && into%time.Second == 0 && !res.shared {
				res.shared = t.judge.Verdict().Kind == analysis.Shared
			}
		})
		until(t, broken+10*time.Minute, func() { traffic.step(t, r) })
		res.found = (t.now() - broken).Seconds()
		return res
	})
	failed := count(results, func(r result) bool { return r.failed })
	shared := count(results, func(r result) bool { return r.shared })
	found := make([]float64, runs)
	for i, r := range results {
		found[i] = r.found
	}
	median := quantile(found, .5)
	return []row{
		{"8", "shared outage, " + o.name + ": put back", fmt.Sprintf("%d/%d", failed, runs), "0", failed == 0},
		{"8", "shared outage, " + o.name + ": verdict shared seen", fmt.Sprintf("%d/%d", shared, runs), "all", shared == runs},
		{"8", "5 % errors of the candidate 4 min later: median", fmt.Sprintf("%.1f s", median), "<= 40 s", median > 0 && median <= 40},
	}
}

// insideTheLimit is bar 9: a candidate worse than stable but inside its limit,
// then a shared outage.
func insideTheLimit(runs int) row {
	const healthy = 5 * time.Minute
	failed := repeat(runs, func(run int) bool {
		r := source(900, run)
		t := newTrial(contractRules(time.Hour))
		base := constant(.001, .005)
		traffic := newCrowd(180, 20, func(side int, at time.Duration) float64 {
			if at >= healthy && at < healthy+time.Minute {
				return .5
			}
			return base(side, at)
		})
		return until(t, healthy+10*time.Minute, func() { traffic.step(t, r) })
	})
	n := count(failed, func(f bool) bool { return f })
	return row{"9", "candidate .5 %, stable .1 %, then 50 % on both for 60 s: put back", fmt.Sprintf("%d/%d", n, runs), "0", n == 0}
}

func falseRate(bar, what string, failed []bool) row {
	n, runs := count(failed, func(f bool) bool { return f }), float64(len(failed))
	bound := .01 + 2*math.Sqrt(.01*.99/runs)
	return row{bar, what, fmt.Sprintf("%d/%.0f", n, runs), fmt.Sprintf("<= %.1f %%", 100*bound), float64(n) <= bound*runs}
}

// chronic is a world of the amendments: some users always fail.
func chronic(runs int, perSecond float64) row {
	const users = 5000
	failed := repeat(runs, func(run int) bool {
		r := source(1000+int(perSecond), run)
		p := contractRules(time.Hour)
		p.Keyed = true
		t := newTrial(p)
		share := .005 + .005*r.Float64()
		home := make([]int32, users)
		for u := range home {
			home[u] = int32(r.IntN(buckets))
		}
		ill := int(share * users)
		var badBucket bool
		traffic := &keyed{
			perSecond: perSecond, weight: buckets / 10,
			bucket: func(r *rand.Rand) int32 {
				u := r.IntN(users)
				badBucket = u < ill
				return home[u]
			},
			bad: func(r *rand.Rand, _ int32, _ time.Duration) bool { return badBucket || r.Float64() < .0005 },
		}
		return until(t, 30*time.Minute, func() { traffic.step(t, r) })
	})
	return falseRate("A1", fmt.Sprintf(".5-1 %% of users always fail, sticky, 30 min, %g rps: put back", perSecond), failed)
}

// slowerFailures is a world of the amendments: failures of a shared outage end a
// second later on one side. A limit on latency of less than that second counts
// the candidate's slow failures as slow requests, while stable's fast ones leave
// its denominator, so the rules matter here.
func slowerFailures(runs, side int, rules string, p analysis.Policy) row {
	const healthy = 30 * time.Second
	failed := repeat(runs, func(run int) bool {
		r := source(1100+side, run)
		t := newTrial(p)
		traffic := newCrowd(950, 50, func(_ int, at time.Duration) float64 {
			if at >= healthy && at < healthy+5*time.Second {
				return .5
			}
			return .001
		})
		traffic.slower[side] = int64(time.Second / analysis.TickLength)
		return until(t, healthy+time.Minute, func() { traffic.step(t, r) })
	})
	name := "stable"
	if side == candidate {
		name = "the candidate"
	}
	return falseRate("A2", "shared 5 s outage, failures 1 s slower on "+name+", "+rules+": put back", failed)
}

// distinctClients is a world of the amendments: a shared outage of a service with
// a sticky key, in which every request is of another client.
func distinctClients(runs int, perSecond float64) row {
	const healthy = 30 * time.Second
	failed := repeat(runs, func(run int) bool {
		r := source(1200+int(perSecond), run)
		p := contractRules(time.Hour)
		p.Keyed = true
		t := newTrial(p)
		traffic := &keyed{
			perSecond: perSecond, weight: buckets / 20,
			bucket: func(r *rand.Rand) int32 { return int32(r.IntN(buckets)) },
			bad: func(r *rand.Rand, _ int32, at time.Duration) bool {
				if at >= healthy && at < healthy+time.Minute {
					return r.Float64() < .5
				}
				return r.Float64() < .001
			},
		}
		return until(t, healthy+6*time.Minute, func() { traffic.step(t, r) })
	})
	return falseRate("A3", fmt.Sprintf("shared 60 s outage, sticky, distinct clients, %g rps: put back", perSecond), failed)
}
