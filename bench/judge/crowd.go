package main

import (
	"math/rand/v2"
	"time"

	"github.com/weirproxy/weir/analysis"
)

// shares are the probabilities with which a version's requests are bad in the
// ways that are counted: errors, slower than the latency limit, slower than each
// level of a limit relative to stable.
type shares struct {
	errors, slow float64
	paced        [3]float64
}

// mixed is traffic in which all four checks have something to count. The counts
// are independent of each other.
type mixed struct {
	perSecond float64 // of both versions together
	of        func(side int, at time.Duration) shares
	weight    int // of the candidate, in basis points
	arrivals  [2]poisson
	drawn     int // weight that arrivals are for
}

// step is one tick of traffic.
func (m *mixed) step(t *trial, r *rand.Rand) {
	if m.arrivals[stable].mean == 0 || m.drawn != m.weight {
		perTick := m.perSecond * analysis.TickLength.Seconds()
		part := float64(m.weight) / 10_000
		m.arrivals = [2]poisson{newPoisson(perTick * (1 - part)), newPoisson(perTick * part)}
		m.drawn = m.weight
	}
	t.begin()
	for side := range 2 {
		n := m.arrivals[side].draw(r)
		if n == 0 {
			continue
		}
		p := m.of(side, t.now())
		o := t.open(side)
		o.Started, o.Headed, o.Ended = n, n, n
		o.Errors = binomial(r, n, p.errors)
		o.Over[0] = binomial(r, n, p.slow)
		for k, share := range p.paced {
			o.OverLevel[k] = binomial(r, n, share)
		}
		o.ErrorsUnique, o.OverUnique, o.OverLevelUnique = o.Errors, o.Over, o.OverLevel
	}
	t.end()
}

// paced puts levels in force, so that a trial counts what is slower than them.
func (t *trial) paced() {
	level := [analysis.MaxLevels]time.Duration{time.Millisecond, time.Millisecond, time.Millisecond}
	t.collector.SetPaces(1, analysis.Paces{Stable: level, Candidate: level})
}

// stage is a step of a plan.
type stage struct {
	weight int
	length time.Duration
}

// ramp is the plan of the whole rollouts: 25 minutes.
var ramp = []stage{{100, 5 * time.Minute}, {1000, 10 * time.Minute}, {5000, 10 * time.Minute}}

// ended is how a whole rollout ended.
type ended struct {
	failed    bool
	at        time.Duration
	stage     int
	intoStage time.Duration
	requests  float64 // of the candidate
	rule      string
}

const minSoak = 30 * time.Second

// rollOut takes a rollout through the ramp as a node does: the next stage follows
// after its time or, if early, once every check is proven.
func rollOut(r *rand.Rand, p analysis.Policy, perSecond float64, early bool, of func(stage, side int, at time.Duration) shares) ended {
	t := newTrial(p)
	t.paced()
	index, began := 0, time.Duration(0)
	traffic := &mixed{perSecond: perSecond, of: func(side int, at time.Duration) shares { return of(index, side, at) }}
	for index < len(ramp) {
		traffic.weight = ramp[index].weight
		t.judge.SetStage(analysis.Stage{Index: index, Elapsed: t.now() - began, Weight: traffic.weight})
		traffic.step(t, r)
		if t.judge.Failed() {
			v := t.judge.Verdict()
			return ended{true, t.now(), index, t.now() - began, float64(t.requests[candidate]), v.Rule}
		}
		into := t.now() - began
		done := into >= ramp[index].length
		if early && !done && into >= minSoak && into%time.Second == 0 {
			v := t.judge.Verdict()
			done = v.Kind == analysis.Pass && v.Proven
		}
		if done {
			index, began = index+1, t.now()
		}
	}
	return ended{at: t.now(), stage: index, requests: float64(t.requests[candidate])}
}

// fourChecks are the checks of the whole rollouts.
func fourChecks() analysis.Policy {
	p := policy(75*time.Minute, "error_rate < 1%", "error_rate < 1.5x baseline", "latency_p99 < 200ms", "latency_p99 < 1.2x baseline")
	p.Timeout = timeout
	return p
}
