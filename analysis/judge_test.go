package analysis

import (
	"encoding/json"
	"errors"
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

func TestJudge_HoldsInAFaultOfBoth(t *testing.T) {
	w := newWorld(triggers(t, "error_rate > 1%"))
	r := rand.New(rand.NewPCG(5, 5))
	w.rates(r, 60, .001, .001)
	w.rates(r, 60, .5, .5)
	v := w.want(t, Shared)
	if v.Rule != "error_rate > 1%" || !w.StableBreaks(v.Rule) || !strings.Contains(v.Text, "stable too") {
		t.Fatalf("%+v", v)
	}
	w.rates(r, 15, .001, .001)
	w.want(t, Pass)
	if w.StableBreaks("error_rate > 1%") || w.StableBreaks("unknown") {
		t.Fatal("stable still breaks a rule")
	}
	w.rates(r, 30, .001, .2)
	w.want(t, Fail)
}

func TestJudge_SaysWhenStableBreaksAfterACut(t *testing.T) {
	w := newWorld(triggers(t, "error_rate > 1%"))
	w.ticks(15, 0, 5)
	w.want(t, Fail)
	if w.StableBreaks("error_rate > 1%") {
		t.Fatal("stable is fine")
	}
	w.candN, w.stableN = 0, 100
	w.ticks(20, 30, 0)
	if !w.StableBreaks("error_rate > 1%") {
		t.Fatal("stable fails three in ten")
	}
}

func TestJudge_SlowPathActsOnAMarginalBreak(t *testing.T) {
	p := triggers(t, "error_rate > 1%")
	p.Rules[0].Patience = time.Minute
	f := func(candidateBad uint64, stableBad uint64, want Kind, path Path) {
		t.Helper()
		w := newWorld(p)
		w.candN, w.stableN = 1000, 1000
		for range 1300 {
			w.at += TickLength
			w.Observe(Sample{Horizon: Final, At: w.at, Stable: Counts{w.stableN, stableBad, stableBad}, Candidate: Counts{w.candN, candidateBad, candidateBad}})
			// Without evidence of its own the fast path says nothing.
			for k := range w.state.Rules[0].Fast {
				w.state.Rules[0].Fast[k].Wealth.Bets = [12]float64{}
			}
		}
		if v := w.want(t, want); v.Path != path && want == Fail {
			t.Fatalf("path %q, want %q", v.Path, path)
		}
	}
	f(10, 1, Pass, "")
	f(11, 1, Fail, PathSlow)
	f(9, 1, Pass, "")
	f(11, 12, Shared, "")
}

func TestJudge_SlowPathWaitsForAWholePatience(t *testing.T) {
	p := triggers(t, "error_rate > 1%")
	p.Rules[0].Patience = time.Minute
	w := newWorld(p)
	w.candN = 1000
	for !w.Failed() && w.at < 3*time.Minute {
		w.at += TickLength
		w.Observe(Sample{Horizon: Final, At: w.at, Stable: Counts{N: 0}, Candidate: Counts{1000, 12, 12}})
		for k := range w.state.Rules[0].Fast {
			w.state.Rules[0].Fast[k].Wealth.Bets = [12]float64{}
		}
	}
	v := w.want(t, Fail)
	if v.At <= time.Minute || v.At > time.Minute+2*TickLength || v.Candidate.N != 600_000 {
		t.Fatalf("%s after %d requests", v.At, v.Candidate.N)
	}
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

func TestJudge_ChecksPassOnEnoughRequestsInsideTheLimit(t *testing.T) {
	p := triggers(t, "error_rate < 1%")
	w := newWorld(p)
	w.ticks(29, 0, 0)
	v := w.want(t, Inconclusive)
	if v.Needed != 300 || v.Seen != 290 || !strings.Contains(v.Text, "about 10 more requests") {
		t.Fatalf("%+v", v)
	}
	w.ticks(1, 0, 0)
	w.want(t, Pass)
	w.SetStage(Stage{Index: 1, Weight: 0})
	w.want(t, Pass)
	w.SetStage(Stage{Index: 2, Weight: 2500})
	if v := w.want(t, Inconclusive); v.Seen != 0 {
		t.Fatalf("%+v", v)
	}
	w.ticks(31, 0, 0)
	w.want(t, Pass)
}

func TestJudge_ACheckOutsideItsLimitWithoutProofIsInconclusive(t *testing.T) {
	w := newWorld(triggers(t, "error_rate < 1%"))
	w.ticks(299, 0, 0)
	for range 7 {
		w.ticks(10, 0, 0)
		w.ticks(1, 0, 1)
	}
	w.SetStage(Stage{Weight: 100})
	w.ticks(28, 0, 0)
	w.ticks(1, 0, 1)
	w.ticks(5, 0, 0)
	w.ticks(1, 0, 3)
	w.ticks(1, 0, 0)
	v := w.want(t, Inconclusive)
	if v.Seen < v.Needed || v.CandidateRate <= .01 || !strings.Contains(v.Text, "not proven") {
		t.Fatalf("%+v", v)
	}
}

// A deduplicated count must not make a version look good enough to pass.
func TestJudge_PassesOnRawCounts(t *testing.T) {
	p := triggers(t, "error_rate < 1%")
	p.Keyed = true
	j := NewJudge(p)
	for i := range 100 {
		for _, h := range []Horizon{Settled, Final} {
			j.Observe(Sample{Horizon: h, At: time.Duration(i+1) * TickLength, Stable: Counts{N: 90}, Candidate: Counts{N: 10, Raw: 2}})
		}
	}
	if v := j.Verdict(); v.Kind != Inconclusive {
		t.Fatalf("%+v", v)
	}
}

func TestJudge_RulesWaitForTheirStage(t *testing.T) {
	p := triggers(t, "error_rate > 1%")
	p.Rules[0].FromStage = 2
	w := newWorld(p)
	w.ticks(30, 0, 5)
	w.want(t, Pass)
	if r := w.Report()[0]; r.State != StateWaiting {
		t.Fatalf("%+v", r)
	}
	w.SetStage(Stage{Index: 2})
	w.want(t, Fail)
}

func TestJudge_NotifyOnlyReports(t *testing.T) {
	p := triggers(t, "error_rate > 1%")
	p.Rules[0].Action = Notify
	w := newWorld(p)
	w.ticks(30, 0, 5)
	w.want(t, Pass)
	if r := w.Report()[0]; r.State != StateFail || r.Action != Notify {
		t.Fatalf("%+v", r)
	}
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

func TestJudge_SettlesBeforeItPasses(t *testing.T) {
	p := triggers(t, "error_rate > 1%")
	p.MinSettle = time.Second
	w := newWorld(p)
	w.SetStage(Stage{Weight: 100})
	w.ticks(5, 0, 0)
	w.want(t, Inconclusive)
	w.ticks(5, 0, 0)
	w.want(t, Pass)
}

func TestJudge_WhatCannotBeMeasuredIsAnError(t *testing.T) {
	w := newWorld(triggers(t, "error_rate > 1%", "latency_p99 > 200ms"))
	w.CannotMeasure("latency_p99 > 200ms", "the column over_200ms is missing")
	w.ticks(30, 0, 0)
	v := w.want(t, Unmeasured)
	if v.Rule != "latency_p99 > 200ms" || !strings.Contains(v.Text, "over_200ms") {
		t.Fatalf("%+v", v)
	}
	w = newWorld(triggers(t, "smoke_test == failing"))
	if v := w.want(t, Unmeasured); !strings.Contains(v.Text, "not built yet") {
		t.Fatalf("%+v", v)
	}
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

func TestJudge_GoesOnAfterARestartAsIfNothingHadBeen(t *testing.T) {
	p := triggers(t, "error_rate > 1%", "latency_p99 > 200ms", "error_rate < 5%", "health_check == failing")
	p.Rules[0].Patience = 10 * time.Second
	w := newWorld(p)
	r := rand.New(rand.NewPCG(9, 9))
	for i := range 60 {
		w.SetStage(Stage{Index: i / 20, Weight: 100 * (i / 20)})
		w.rates(r, 1, .01, .012)
		data, err := json.Marshal(w.Judge)
		if err != nil {
			t.Fatal(err)
		}
		resumed := NewJudge(p)
		if err := json.Unmarshal(data, resumed); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(resumed)
		if err != nil || string(again) != string(data) {
			t.Fatalf("second %d: the state changed on its way: %v\n%s\n%s", i, err, data, again)
		}
		if i%2 == 0 {
			w.Judge = resumed
		}
	}
	twin := newWorld(p)
	r = rand.New(rand.NewPCG(9, 9))
	for i := range 60 {
		twin.SetStage(Stage{Index: i / 20, Weight: 100 * (i / 20)})
		twin.rates(r, 1, .01, .012)
	}
	got, _ := json.Marshal(w.Judge)
	want, _ := json.Marshal(twin.Judge)
	if string(got) != string(want) {
		t.Fatalf("restarts changed the judge:\n%s\n%s", got, want)
	}
	t.Logf("the state has %d bytes", len(want))
}

func TestJudge_RefusesAStateThatIsNotItsOwn(t *testing.T) {
	p := triggers(t, "error_rate > 1%")
	w := newWorld(p)
	w.ticks(50, 0, 1)
	data, err := json.Marshal(w.Judge)
	if err != nil {
		t.Fatal(err)
	}
	other := NewJudge(triggers(t, "error_rate > 2%"))
	before, _ := json.Marshal(other)
	if err := json.Unmarshal(data, other); !errors.Is(err, ErrOtherPolicy) {
		t.Fatalf("%v", err)
	}
	f := func(old, new string) {
		t.Helper()
		bad := strings.Replace(string(data), old, new, 1)
		if bad == string(data) {
			t.Fatalf("%q is not in %s", old, data)
		}
		j := NewJudge(p)
		if err := json.Unmarshal([]byte(bad), j); err == nil {
			t.Fatalf("%s was taken over", bad)
		}
		if after, _ := json.Marshal(j); string(after) != string(before) && j.state.Now != 0 {
			t.Fatal("a refused state changed the judge")
		}
	}
	f(`"reserve":0`, `"reserve":-0`+"1")
	f(`"reserve":0`, `"reserve":3`)
	f(`"seconds":`, `"seconds":-1`)
	f(`"rules":[`, `"rules":[{},`)
	f(`"slot":4`, `"slot":-4`)
	f(`"half":0`, `"half":-1`)
	f(`"now":`, `"now":-`)
	f(`"sum":{"stable":{"n":`, `"sum":{"stable":{"n":1`)
	f(`}`, ``)
}

func FuzzJudge_UnmarshalJSON(f *testing.F) {
	p := triggers(f, "error_rate > 1%", "latency_p99 > 200ms")
	w := newWorld(p)
	f.Add(mustJSON(f, w.Judge))
	w.ticks(100, 1, 1)
	f.Add(mustJSON(f, w.Judge))
	w.ticks(30, 0, 9)
	f.Add(mustJSON(f, w.Judge))
	f.Add([]byte(`{"rules":[null,null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		w := newWorld(p)
		if json.Unmarshal(data, w.Judge) != nil {
			return
		}
		w.at = w.state.Now
		if w.at > math.MaxInt64/2 {
			return
		}
		w.ticks(30, 1, 2)
		w.Report()
		mustJSON(t, w.Judge)
		mustJSON(t, w.Verdict())
	})
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
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
