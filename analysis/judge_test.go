package analysis

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// world feeds a judge ticks whose requests all ended, good or bad, in no time.
type world struct {
	*Judge
	at      time.Duration
	stableN uint64
	candN   uint64
	fast    bool // only the settled horizon
}

func newWorld(p Policy) *world { return &world{Judge: NewJudge(p), stableN: 90, candN: 10} }

// ticks plays ticks of equal counts.
func (w *world) ticks(n int, stableBad, candidateBad uint64) {
	for range n {
		w.at += TickLength
		w.Advance(w.at)
		s := Sample{At: w.at, Stable: Counts{w.stableN, stableBad, stableBad}, Candidate: Counts{w.candN, candidateBad, candidateBad}}
		w.Observe(s)
		if w.fast {
			continue
		}
		s.Horizon = Final
		w.Observe(s)
		s.Horizon = Latency
		s.Stable.X, s.Stable.Raw, s.Candidate.X, s.Candidate.Raw = 0, 0, 0, 0
		for s.Limit = range w.policy.Limits() {
			w.Observe(s)
		}
	}
}

// rates plays seconds of traffic with bad requests at random.
func (w *world) rates(r *rand.Rand, seconds int, stableRate, candidateRate float64) {
	draw := func(n uint64, p float64) uint64 {
		var x uint64
		for range n {
			if r.Float64() < p {
				x++
			}
		}
		return x
	}
	for range 10 * seconds {
		w.ticks(1, draw(w.stableN, stableRate), draw(w.candN, candidateRate))
	}
}

func (w *world) want(t testing.TB, kind Kind) Verdict {
	t.Helper()
	v := w.Verdict()
	if v.Kind != kind {
		t.Fatalf("verdict %s, want %s: %+v", v.Kind, kind, v)
	}
	if v.Text == "" || !strings.HasSuffix(v.Text, ".") {
		t.Fatalf("the text is no sentence: %q", v.Text)
	}
	if _, err := json.Marshal(v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestJudge_FailsABlatantBreakWithItsNumbers(t *testing.T) {
	w := newWorld(triggers(t, "error_rate > 1%", "latency_p99 > 200ms"))
	w.ticks(100, 0, 0)
	w.want(t, Pass)
	w.ticks(15, 0, 5)
	v := w.want(t, Fail)
	if v.Rule != "error_rate > 1%" || v.Path != PathFast || v.Action != Rollback || v.Limit != .01 {
		t.Fatalf("%+v", v)
	}
	if v.Evidence < v.Threshold || math.Abs(v.Threshold-1/.0075) > 1e-9 {
		t.Fatalf("evidence %g, threshold %g", v.Evidence, v.Threshold)
	}
	ticks := uint64(v.At / TickLength)
	if v.Candidate.N != 10*ticks || v.Stable.N != 90*ticks || v.Candidate.X != 5*(ticks-100) || v.At > 11*time.Second {
		t.Fatalf("%+v", v)
	}
	if !strings.Contains(v.Text, "error_rate > 1% is broken") || !w.Failed() {
		t.Fatal(v.Text)
	}
	w.ticks(600, 0, 0)
	if again := w.want(t, Fail); again != v {
		t.Fatal("the verdict changed after the fact")
	}
}

func TestJudge_FailsALatencyBreak(t *testing.T) {
	w := newWorld(triggers(t, "error_rate > 1%", "latency_p99 > 200ms"))
	for range 40 {
		w.at += TickLength
		w.Observe(Sample{Horizon: Latency, At: w.at, Stable: Counts{N: 90}, Candidate: Counts{10, 4, 4}})
	}
	v := w.want(t, Fail)
	if v.Rule != "latency_p99 > 200ms" || !strings.Contains(v.Text, "slower than 200ms") {
		t.Fatalf("%+v", v)
	}
}

// One horizon is enough: the settled one sees fast errors, the final one those
// that take their time.
func TestJudge_EachHorizonDecidesAlone(t *testing.T) {
	f := func(h Horizon) {
		t.Helper()
		j := NewJudge(triggers(t, "error_rate > 1%"))
		for i := range 40 {
			for _, each := range []Horizon{Settled, Final} {
				s := Sample{Horizon: each, At: time.Duration(i+1) * TickLength, Stable: Counts{N: 90}, Candidate: Counts{N: 10}}
				if each == h {
					s.Candidate = Counts{10, 5, 5}
				}
				j.Observe(s)
			}
		}
		if !j.Failed() {
			t.Fatalf("horizon %d found nothing", h)
		}
	}
	f(Settled)
	f(Final)
}

func TestJudge_WithoutBaselineTheLimitAloneHolds(t *testing.T) {
	f := func(weight int, before time.Duration) {
		t.Helper()
		w := newWorld(triggers(t, "error_rate > 1%"))
		w.stableN = 0
		w.SetStage(Stage{Weight: weight})
		w.at = before
		w.ticks(1, 0, 0)
		w.ticks(20, 0, 4)
		if v := w.want(t, Fail); !v.NoBaseline || !strings.Contains(v.Text, "too few requests to compare") {
			t.Fatalf("%+v", v)
		}
	}
	f(10_000, 0)
	f(0, 20*time.Second)
	// A stable that only pauses is waited for.
	w := newWorld(triggers(t, "error_rate > 1%"))
	w.stableN = 0
	w.SetStage(Stage{Weight: 5000})
	w.ticks(50, 0, 4)
	w.want(t, Pass)
}

func TestJudge_HealthFailsAtItsCountWhileStableIsHealthy(t *testing.T) {
	p := Policy{Rules: DefaultGuard()}
	f := func(failing int, stableHealthy bool, want Kind, rule string) {
		t.Helper()
		w := newWorld(p)
		w.Advance(time.Second)
		w.Health(failing, stableHealthy)
		v := w.want(t, want)
		if want != Pass && (v.Rule != rule || v.Path != PathHealth) {
			t.Fatalf("%+v", v)
		}
		if want == Fail && (v.At != time.Second || v.Action != Rollback) {
			t.Fatalf("%+v", v)
		}
	}
	f(0, true, Pass, "")
	f(2, true, Pass, "")
	f(3, true, Fail, "guard-health")
	f(3, false, Shared, "guard-health")
	f(NoEndpoint, true, Fail, "guard-health")
	f(NoEndpoint, false, Shared, "health")
	f(0, false, Pass, "")
	p.Rules = p.Rules[:1]
	f(3, true, Pass, "")
	f(NoEndpoint, true, Fail, "health")
}

func TestJudge_NothingFailsWhileStableIsDown(t *testing.T) {
	w := newWorld(triggers(t, "error_rate > 1%"))
	w.Health(0, false)
	w.ticks(30, 0, 8)
	w.want(t, Shared)
	w.Health(0, true)
	w.want(t, Fail)
}

func TestJudge_ClearStartsAgain(t *testing.T) {
	p := triggers(t, "error_rate > 1%")
	p.Rules[0].Action = Pause
	w := newWorld(p)
	w.ticks(30, 0, 5)
	if v := w.want(t, Fail); v.Action != Pause {
		t.Fatalf("%+v", v)
	}
	w.Clear()
	w.want(t, Pass)
	w.ticks(100, 0, 0)
	w.want(t, Pass)
	w.ticks(30, 0, 5)
	w.want(t, Fail)
}

func TestJudge_CountsThatCannotBeFailNobody(t *testing.T) {
	w := newWorld(triggers(t, "error_rate > 1%", "latency_p99 > 200ms"))
	for i := range 100 {
		at := time.Duration(i+1) * TickLength
		for h := range Latency + 3 {
			w.Observe(Sample{Horizon: h, At: at, Stable: Counts{N: 90}, Candidate: Counts{N: 5, X: 10}})
			w.Observe(Sample{Horizon: h, At: at, Stable: Counts{N: 90}, Candidate: Counts{N: math.MaxUint64 - 5, X: math.MaxUint64 - 5}})
			w.Observe(Sample{Horizon: h, Limit: -1, At: at, Stable: Counts{N: 90}, Candidate: Counts{10, 10, 10}})
			w.Observe(Sample{Horizon: h, Limit: MaxLimits, At: at, Stable: Counts{N: 90}, Candidate: Counts{10, 10, 10}})
			w.Observe(Sample{Horizon: h, At: -at, Stable: Counts{N: 90}, Candidate: Counts{10, 10, 10}})
		}
	}
	w.SetBaseline("error_rate > 1%", math.NaN())
	w.SetBaseline("error_rate > 1%", math.Inf(1))
	w.want(t, Pass)
	w.ticks(10, 0, 0)
	w.want(t, Pass)
}

func TestJudge_SamplesOutOfOrderAreIgnored(t *testing.T) {
	w := newWorld(triggers(t, "error_rate > 1%"))
	w.ticks(10, 0, 0)
	for range 100 {
		w.Observe(Sample{At: w.at, Stable: Counts{N: 90}, Candidate: Counts{10, 10, 10}})
	}
	w.want(t, Pass)
}

func TestJudge_ABaselineMakesTheFirstRequestsCount(t *testing.T) {
	took := func(rate float64) time.Duration {
		w := newWorld(triggers(t, "error_rate > 1%"))
		w.SetBaseline("error_rate > 1%", rate)
		for !w.Failed() && w.at < time.Minute {
			w.ticks(1, 0, 1)
		}
		return w.at
	}
	if warm, wrong := took(.0001), took(.2); warm >= wrong {
		t.Fatalf("%s with a good guess, %s with a bad one", warm, wrong)
	}
}

func TestJudge_AFuseNeedsMore(t *testing.T) {
	p := triggers(t, "error_rate > 1%")
	p.LiveNodes, p.Fuse = 3, true
	w := newWorld(p)
	w.ticks(30, 0, 9)
	if v := w.want(t, Fail); v.Path != PathFuse || v.Threshold != 1600 {
		t.Fatalf("%+v", v)
	}
}

func TestJudge_ObserveAllocatesNothing(t *testing.T) {
	w := newWorld(triggers(t, "error_rate > 1%", "latency_p99 > 200ms"))
	if n := testing.AllocsPerRun(500, func() { w.ticks(1, 1, 0) }); n > 1 {
		// Limits, which the test asks for, allocates once.
		t.Fatalf("%g allocations a tick", n)
	}
	s := Sample{Stable: Counts{N: 90, X: 1, Raw: 1}, Candidate: Counts{N: 10}}
	if n := testing.AllocsPerRun(500, func() { w.at += TickLength; s.At = w.at; w.Observe(s) }); n != 0 {
		t.Fatalf("%g allocations a sample", n)
	}
}

func BenchmarkJudge_TickOfOneRule(b *testing.B) {
	j := NewJudge(triggers(b, "error_rate > 1%"))
	s := Sample{Stable: Counts{N: 90}, Candidate: Counts{N: 10}}
	b.ReportAllocs()
	for b.Loop() {
		s.At += TickLength
		s.Stable.X = uint64(s.At/TickLength) & 1
		s.Stable.Raw = s.Stable.X
		for _, s.Horizon = range []Horizon{Settled, Final} {
			j.Observe(s)
		}
	}
}

func TestJudge_ABurstPutsNothingBack(t *testing.T) {
	w := newWorld(triggers(t, "error_rate > 1%"))
	w.ticks(5, 0, 0)
	w.ticks(5, 0, 10)
	w.ticks(50, 0, 0)
	w.want(t, Pass)
	w.ticks(8, 0, 10)
	w.want(t, Fail)
}

// With a stable near the limit, a candidate that adds its own errors is found
// sooner, because stable's rate is known.
func TestJudge_KnowsWhatStableLeavesOfTheLimit(t *testing.T) {
	took := func(slack bool) time.Duration {
		w := newWorld(triggers(t, "error_rate > 1%"))
		r := rand.New(rand.NewPCG(7, 7))
		w.stableN = 900
		w.rates(r, 180, .006, 0)
		if !slack {
			w.state.Rules[0].Slack.Low, w.state.Rules[0].Slack.Closed = [6]float64{}, 6
		}
		begin := w.at
		for !w.Failed() && w.at < begin+50*time.Second {
			w.rates(r, 1, .006, .03)
		}
		return w.at - begin
	}
	if with, without := took(true), took(false); with >= without {
		t.Fatalf("%s with slack, %s without", with, without)
	}
}
