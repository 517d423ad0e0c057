package analysis

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirproxy/weir/analysis/hist"
)

// feed plays ticks of one stream and its final reading, if it has one.
func feed(j *Judge, ticks int, horizons []Horizon, limits int, stable, candidate Counts) {
	at := j.state.Now
	for range ticks {
		at += TickLength
		for _, h := range horizons {
			for limit := range limits {
				j.Observe(Sample{Horizon: h, Limit: limit, At: at, Stable: stable, Candidate: candidate})
			}
		}
		j.Advance(at)
	}
}

func counts(n, x uint64) Counts { return Counts{N: n, X: x, Raw: x} }

var (
	errorHorizons  = []Horizon{Settled, Final}
	clientHorizons = []Horizon{ClientSettled, ClientFinal}
)

func TestJudge_LimitsRelativeToStable(t *testing.T) {
	f := func(rule string, horizons []Horizon, stable, candidate Counts, want bool) {
		t.Helper()
		j := NewJudge(triggers(t, rule))
		feed(j, 1200, horizons, max(1, len(j.policy.Levels())), stable, candidate)
		if j.Failed() != want {
			t.Fatalf("%s, %+v beside %+v: failed %v, want %v: %s", rule, candidate, stable, j.Failed(), want, j.Verdict().Text)
		}
		if want && (j.Verdict().Limit <= 0 || !strings.Contains(j.Verdict().Text, "is broken")) {
			t.Fatalf("%+v", j.Verdict())
		}
	}
	f("error_rate > 1.5x baseline", errorHorizons, counts(100, 2), counts(100, 3), false)
	f("error_rate > 1.5x baseline", errorHorizons, counts(100, 2), counts(100, 8), true)
	f("client_error_rate > 1.5x baseline", clientHorizons, counts(100, 10), counts(100, 15), false)
	f("client_error_rate > 1.5x baseline", clientHorizons, counts(100, 10), counts(100, 30), true)
	f("client_error_rate > 20%", clientHorizons, counts(100, 2), counts(100, 50), true)
	f("latency_p99 > 1.2x baseline", []Horizon{Paced}, counts(100, 10), counts(100, 10), false)
	f("latency_p99 > 1.2x baseline", []Horizon{Paced}, counts(100, 10), counts(100, 20), true)
	// Samples of another metric say nothing.
	f("error_rate > 1.5x baseline", clientHorizons, counts(100, 2), counts(100, 50), false)
	f("client_error_rate > 1.5x baseline", errorHorizons, counts(100, 2), counts(100, 50), false)
}

func TestJudge_ARelativeLimitWithoutBaselineIsInconclusive(t *testing.T) {
	j := NewJudge(triggers(t, "error_rate < 1.5x baseline"))
	j.SetStage(Stage{Weight: 10_000})
	feed(j, 600, errorHorizons, 1, Counts{}, counts(10, 5))
	if v := j.Verdict(); v.Kind != Inconclusive || !strings.Contains(v.Text, "stable has too few requests") {
		t.Fatalf("%+v", v)
	}
}

// A slow candidate shows at the median: the mean over the levels finds it while
// p99 alone says little.
func TestJudge_LevelsAreJudgedTogether(t *testing.T) {
	j := NewJudge(triggers(t, "latency_p99 > 1.2x baseline"))
	stable, candidate := []uint64{50, 10, 1}, []uint64{80, 10, 1}
	for i := range 100 {
		if j.Failed() {
			break
		}
		for k := range stable {
			j.Observe(Sample{Horizon: Paced, Limit: k, At: time.Duration(i+1) * TickLength, Stable: counts(100, stable[k]), Candidate: counts(100, candidate[k])})
			if j.Failed() && k != 2 {
				t.Fatal("it was decided before all levels of the tick were read")
			}
		}
	}
	if v := j.Verdict(); v.Kind != Fail || v.CandidateRate < .6 {
		t.Fatalf("%+v", v)
	}
}

func TestPolicy_LevelsAreThoseUpToTheNamedPercentile(t *testing.T) {
	p := triggers(t, "latency_p95 > 1.5x baseline", "latency_p50 < 1.2x baseline", "error_rate > 2x baseline")
	got := p.Levels()
	want := []Level{{500, 1200}, {500, 1500}, {900, 1500}, {950, 1500}}
	if len(got) != len(want) {
		t.Fatalf("%v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%v, want %v", got, want)
		}
	}
	if err := triggers(t, "latency_p99 > 2x baseline", "latency_p99 < 1.2x baseline").Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestPace_FollowsStable(t *testing.T) {
	p := triggers(t, "latency_p99 > 1.5x baseline")
	pace := NewPace(p)
	var known hist.Counts
	r := rand.New(rand.NewPCG(5, 5))
	live := func(n int, median time.Duration) {
		for range n {
			known.Add(time.Duration(float64(median) * (.5 + r.Float64())))
		}
	}
	if _, ok := pace.Update(0, &known); ok || !pace.Due(paceFirst) {
		t.Fatal("levels of nothing")
	}
	live(5000, 20*time.Millisecond)
	before, ok := pace.Update(paceFirst, &known)
	if !ok || pace.Due(paceFirst+paceTicks-1) || !pace.Due(paceFirst+paceTicks) {
		t.Fatal("no levels, or due at another time")
	}
	if m := before.Stable[0]; m < 19*time.Millisecond || m > 21*time.Millisecond || before.Candidate[0] != m*3/2 {
		t.Fatalf("%+v", before)
	}
	for round := range int64(4) {
		live(5000, 80*time.Millisecond)
		before, _ = pace.Update(1000*(round+1), &known)
	}
	if m := before.Stable[0]; m < 70*time.Millisecond {
		t.Fatalf("stable is four times slower, and the level %s", m)
	}
	if NewPace(triggers(t, "error_rate > 1%")) != nil {
		t.Fatal("a pace without levels")
	}
}

func TestCollector_ReadsLevelsOfTheirTicks(t *testing.T) {
	p := triggers(t, "latency_p50 > 1.5x baseline")
	o := Outcomes{Started: 10, Headed: 8, Ended: 7, Errors: 1}
	o.OverLevel[0], o.OverLevelUnique[0], o.ExcludedLevel[0] = 3, 1, 1
	c := NewCollector(p, time.Second, 0, 0)
	level := Paces{}
	level.Stable[0], level.Candidate[0] = 200*time.Millisecond, 300*time.Millisecond
	c.SetPaces(1, level)
	r := record{0: {o, o}, 1: {o, o}}
	var got []Sample
	for now := int64(1); now <= 8; now++ {
		for _, s := range r.collect(c, now) {
			if s.Horizon == Paced {
				got = append(got, s)
			}
		}
		// The limit of the candidate passes three ticks after the tick, and one is
		// left for counting.
		if want := map[bool]int{true: 2, false: 1}[now >= 6]; len(got) != want {
			t.Fatalf("at %d: %+v", now, got)
		}
	}
	if got[0].Candidate.N != 0 {
		t.Fatalf("counts of a tick without levels: %+v", got[0])
	}
	if s := got[1]; s.Candidate != (Counts{N: 9, X: 5, Raw: 5}) || s.Stable != (Counts{N: 10, X: 6, Raw: 5}) {
		t.Fatalf("%+v", s)
	}
}

func TestCollector_CountsClientErrorsOnceABucket(t *testing.T) {
	o := Outcomes{Started: 10, Headed: 9, Ended: 10, ClientErrors: 5, ClientErrorsUnique: 2}
	got := map[Horizon]Sample{}
	for _, s := range (record{0: {o, o}}).collect(NewCollector(triggers(t, "client_error_rate > 9%"), time.Second, 0, 0), 1) {
		got[s.Horizon] = s
	}
	for _, h := range clientHorizons {
		if s := got[h]; s.Candidate != (Counts{N: 10, X: 2, Raw: 5}) || s.Stable != (Counts{N: 10, X: 3, Raw: 5}) {
			t.Fatalf("%+v", s)
		}
	}
}

// What was observed is decided on at the latest when the stage is told, whichever
// level of a tick came last: the levels of a rule count together, and their blocks
// end at different ticks.
func TestJudge_NothingObservedGoesUndecided(t *testing.T) {
	decided, policy := 0, triggers(t, "latency_p99 > 1.2x baseline")
	rapid.Check(t, func(t *rapid.T) {
		j, twin := NewJudge(policy), NewJudge(policy)
		levels := len(j.policy.Levels())
		for i := range 60 {
			for k := range levels {
				n := rapid.SampledFrom([]uint64{0, 1, 3, 100}).Draw(t, "requests") // without those that say nothing of speed
				s := Sample{Horizon: Paced, Limit: k, At: time.Duration(i+1) * TickLength, Stable: counts(n, rapid.Uint64Range(0, n/2).Draw(t, "stable")), Candidate: counts(n, rapid.Uint64Range(n/4, n).Draw(t, "candidate"))}
				j.Observe(s)
				twin.Observe(s)
				if twin.decided = false; rapid.Bool().Draw(t, "told") {
					j.SetStage(Stage{})
					twin.SetStage(Stage{})
				}
				if j.Failed() != twin.Failed() {
					t.Fatalf("tick %d, level %d: failed %v, and %v when asked again", i, k, j.Failed(), twin.Failed())
				}
				if j.Failed() {
					decided++
					return
				}
			}
		}
	})
	if decided == 0 {
		t.Error("nothing was ever decided")
	}
}
