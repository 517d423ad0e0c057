package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/weirproxy/weir/analysis"
)

// place is one node of a fleet.
type place struct {
	perSecond float64 // of both versions
	share     float64 // of the candidate
	rate      [2]float64
}

const (
	tallyTicks = 2 // of what nodes say
	finalLate  = 5 // tallies by which the final reading comes later
)

// together is the leader's judge of several places, which say what they counted
// one after the other, every 200 ms. Pooled sums all places, as if they were one.
type together struct {
	places   []place
	pooled   bool
	judge    *analysis.Judge
	tick     int64
	requests float64 // of the candidate

	arrivals [][2]poisson
	counted  []analysis.Part                     // since the place's last report
	late     [finalLate + 1][]analysis.Part      // of reports that are not final yet
	samples  [analysis.Final + 1][]analysis.Part // scratch
}

func newTogether(p analysis.Policy, places []place, pooled bool) *together {
	p.LiveNodes = len(places)
	w := &together{places: places, pooled: pooled, judge: analysis.NewJudge(p), counted: make([]analysis.Part, len(places))}
	w.judge.SetStage(analysis.Stage{Weight: 500})
	for _, p := range places {
		perTick := p.perSecond * analysis.TickLength.Seconds()
		w.arrivals = append(w.arrivals, [2]poisson{newPoisson(perTick * (1 - p.share)), newPoisson(perTick * p.share)})
	}
	for i := range w.late {
		w.late[i] = make([]analysis.Part, len(places))
	}
	for h := range w.samples {
		w.samples[h] = make([]analysis.Part, len(places))
	}
	return w
}

func (w *together) now() time.Duration { return time.Duration(w.tick) * analysis.TickLength }

// step is one tick of traffic in all places.
func (w *together) step(r *rand.Rand) {
	w.tick++
	for h := range w.samples {
		clear(w.samples[h])
	}
	for i, p := range w.places {
		for side, counts := range []*analysis.Counts{&w.counted[i].Stable, &w.counted[i].Candidate} {
			n := w.arrivals[i][side].draw(r)
			bad := binomial(r, n, p.rate[side])
			counts.Add(analysis.Counts{N: n, X: bad, Raw: bad})
			if side == candidate {
				w.requests += float64(n)
			}
		}
		if (w.tick+int64(i))%tallyTicks == 0 {
			slot := &w.late[w.tick/tallyTicks%(finalLate+1)]
			w.samples[analysis.Settled][i] = w.counted[i]
			w.samples[analysis.Final][i], (*slot)[i] = (*slot)[i], w.counted[i]
			w.counted[i] = analysis.Part{}
		}
	}
	w.judge.Advance(w.now())
	for h := range w.samples {
		w.judge.Observe(w.sample(analysis.Horizon(h), w.samples[h]))
	}
}

func (w *together) sample(h analysis.Horizon, parts []analysis.Part) analysis.Sample {
	s := analysis.Sample{Horizon: h, At: w.now()}
	for _, p := range parts {
		s.Stable.Add(p.Stable)
		s.Candidate.Add(p.Candidate)
	}
	if !w.pooled {
		s.Parts = parts
	}
	return s
}

// until runs the places until the candidate fails or time is up.
func (w *together) until(end time.Duration, r *rand.Rand) bool {
	for w.now() < end && !w.judge.Failed() {
		w.step(r)
	}
	return w.judge.Failed()
}

// places are three nodes, of which the last has a bad stable and a share of the
// candidate of its own: it is ahead of the others in a change of weights, or
// stayed behind. The candidate's rate follows from stable's.
func places(badRate, badShare float64, onCandidate func(stable float64) float64) []place {
	one := func(share, rate float64) place {
		return place{333, share, [2]float64{rate, math.Min(onCandidate(rate), 1)}}
	}
	return []place{one(.05, .001), one(.05, .001), one(badShare, badRate)}
}

// equal is a candidate like stable, onRelative one that just keeps 1.5x baseline.
func equal(stable float64) float64 { return stable }

func onRelative(stable float64) float64 { return .0005 + 1.5*stable }

func worse(times float64) func(float64) float64 {
	return func(stable float64) float64 { return times * stable }
}

// bothLimits are an absolute and a relative one.
var bothLimits = []string{"error_rate > 1%", "error_rate > 1.5x baseline"}

// unequal is how often a candidate that breaks no limit on any node is put back.
func unequal(runs int, badRate, badShare float64, what string, onCandidate func(float64) float64, pooled bool, rules ...string) row {
	failed := repeat(runs, func(run int) bool {
		w := newTogether(policy(time.Hour, rules...), places(badRate, badShare, onCandidate), pooled)
		return w.until(8*time.Minute, source(1500+int(1000*badRate)+int(100*badShare)+len(what), run))
	})
	what = fmt.Sprintf("3 nodes, one has %g %% errors and %g %% candidate, the others .1 and 5, candidate %s", 100*badRate, 100*badShare, what)
	if !pooled {
		return falseRate("S", what+": put back", failed)
	}
	n := count(failed, func(f bool) bool { return f })
	return row{"S", what + ", counts summed: put back (the world must bite)", fmt.Sprintf("%d/%d", n, runs), "> 60 %", n*10 > runs*6}
}

// unequalFault is the median of candidate requests until a fault is found on such
// a fleet, in strata and, where shares are equal, beside summed counts.
func unequalFault(runs int, badRate, badShare, times float64) row {
	requests := func(pooled bool) float64 {
		return quantile(repeat(runs, func(run int) float64 {
			w := newTogether(policy(time.Hour, bothLimits...), places(badRate, badShare, worse(times)), pooled)
			if !w.until(30*time.Minute, source(1550+int(times), run)) {
				return math.Inf(1)
			}
			return w.requests
		}), .5)
	}
	what := fmt.Sprintf("3 nodes, the last with %g %% errors and %g %% candidate, candidate %gx", 100*badRate, 100*badShare, times)
	strata := requests(false)
	if badShare != .05 {
		return row{"S", what + ": median requests", fmt.Sprintf("%.0f", strata), "found", !math.IsInf(strata, 1)}
	}
	sums := requests(true)
	return row{"S", what + ": median requests, beside summed counts", fmt.Sprintf("%.0f beside %.0f", strata, sums), "<= 1.25 x", strata <= 1.25*sums}
}

// blatant is the median time until half of the candidate's requests fail on a
// fleet of so many nodes, after ten healthy seconds.
func blatant(runs, nodes int, perSecond, limit float64) row {
	const healthy = 10 * time.Second
	found := repeat(runs, func(run int) float64 {
		all := make([]place, nodes)
		for i := range all {
			all[i] = place{perSecond / float64(nodes), .05, [2]float64{.001, .001}}
		}
		r := source(1590+nodes, run)
		w := newTogether(contractRules(time.Hour), all, false)
		w.until(healthy, r)
		for i := range w.places {
			w.places[i].rate[candidate] = .5
		}
		w.until(healthy+time.Minute, r)
		return (w.now() - healthy).Seconds()
	})
	median := quantile(found, .5)
	return row{"S", fmt.Sprintf("%d nodes, %g requests a second in all, 5 %% candidate, half its answers errors: median", nodes, perSecond),
		fmt.Sprintf("%.2f s", median), fmt.Sprintf("<= %g s", limit), median <= limit}
}

func strataRows(runs int) []row {
	return []row{
		unequal(runs, .05, .5, "as good", equal, false, bothLimits...),
		unequal(runs/6, .05, .5, "as good", equal, true, bothLimits...),
		unequal(runs, .05, .01, "as good", equal, false, bothLimits...),
		unequal(runs, .05, .05, "as good", equal, false, bothLimits...),
		unequal(runs, .05, .5, "on the limit", onRelative, false, "error_rate > 1.5x baseline"),
		blatant(runs, 3, 1000, 2), blatant(runs, 10, 1000, 2), blatant(runs, 10, 400, 4),
		unequalFault(runs/2, .001, .05, 10), unequalFault(runs, .001, .05, 100), unequalFault(runs, .05, .05, 5),
		unequalFault(runs, .05, .5, 10),
	}
}
