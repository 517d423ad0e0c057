package analysis

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

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

func TestJudge_SlowPathNeedsMoreThanLuck(t *testing.T) {
	p := triggers(t, "error_rate > 1%")
	f := func(bad uint64, want bool) {
		t.Helper()
		j := NewJudge(p)
		j.decideSlow(0, pair{Stable: Counts{N: 9000}, Candidate: Counts{1000, bad, bad}}, nil)
		if j.Failed() != want {
			t.Fatalf("%d bad of 1000: failed %v, want %v", bad, j.Failed(), want)
		}
	}
	// .0025 is spent on ten looks: 22 bad have a probability of .0006, 24 of .0001.
	f(10, false)
	f(15, false)
	f(22, false)
	f(24, true)
}

func TestJudge_SlowPathHoldsWhileStableIsDown(t *testing.T) {
	w := newWorld(triggers(t, "error_rate > 1%"))
	w.Health(0, false)
	w.decideSlow(0, pair{Stable: Counts{N: 9000}, Candidate: Counts{1000, 100, 100}}, nil)
	if v := w.want(t, Shared); v.Candidate.N != 1000 {
		t.Fatalf("%+v", v)
	}
}

// A fault of both in the half of a patience in which the candidate had more of the
// requests is nobody's, although the sums blame the candidate.
func TestJudge_SlowPathSeesThatTheWeightRose(t *testing.T) {
	f := func(known bool, sharedToo uint64, want bool) {
		t.Helper()
		p := triggers(t, "error_rate > 1%")
		p.Rules[0].Patience = time.Minute
		j := NewJudge(p)
		j.SetStage(Stage{Weight: 5000})
		for at := time.Second; at <= 2*time.Minute; at += time.Second {
			j.state.Now = at
			s := Sample{At: at, Stable: counts(30, 0), Candidate: counts(30, 0), Parts: make([]Part, 1)}
			if at > 75*time.Second { // in the middle of a half
				if known {
					j.SetStage(Stage{Index: 1, Weight: 9000, Elapsed: at - 75*time.Second})
				}
				s.Stable, s.Candidate = counts(2, 0), counts(18, 0)
				if at <= 90*time.Second {
					s.Candidate = counts(18, 4)
				}
				if at <= 90*time.Second && at%(5*time.Second) == 0 {
					s.Stable = counts(2, sharedToo)
				}
			}
			s.Parts[0] = Part{s.Stable, s.Candidate}
			j.observeSlow(0, s)
		}
		j.Advance(time.Hour)
		if j.Failed() != want {
			t.Errorf("weight known %v, stable %d bad: failed %v: %+v", known, sharedToo, j.Failed(), j.Verdict())
		}
	}
	f(true, 1, false)
	f(false, 1, true) // the case bites
	f(true, 0, true)  // it is the candidate's own
}

func TestJudge_SlowPathForgetsWhatLiesBeforeAGap(t *testing.T) {
	p := triggers(t, "error_rate > 1%")
	p.Rules[0].Patience = time.Minute
	j := NewJudge(p)
	see := func(at time.Duration, bad uint64) {
		j.observeSlow(0, Sample{At: at, Stable: Counts{N: 900}, Candidate: Counts{100, bad, bad}})
	}
	see(10*time.Second, 0)
	see(40*time.Second, 50)
	see(10*time.Minute, 0)
	if !j.Failed() {
		t.Fatal("the minute before the gap was broken")
	}
	j = NewJudge(p)
	see(10*time.Second, 50)
	see(10*time.Minute, 0)
	see(11*time.Minute, 0)
	if j.Failed() {
		t.Fatal("a half before the gap was judged with one behind it")
	}
}

func TestJudge_AdvanceClosesTheLastWindow(t *testing.T) {
	p := triggers(t, "error_rate > 1%")
	p.Rules[0].Patience = time.Minute
	j := NewJudge(p)
	for at := time.Second; at <= time.Minute; at += time.Second {
		j.observeSlow(0, Sample{At: at, Stable: Counts{N: 900}, Candidate: Counts{100, 3, 3}})
	}
	j.Advance(2 * time.Minute)
	if j.Failed() {
		t.Fatal("a window was closed before its last ticks can be in")
	}
	j.Advance(3 * time.Minute)
	if !j.Failed() {
		t.Fatal("the window stayed open")
	}
}

func TestJudge_ACheckThatStableBreaksTooIsShared(t *testing.T) {
	w := newWorld(triggers(t, "error_rate < 1%"))
	w.candN = 400
	w.Observe(Sample{Horizon: Final, At: TickLength, Stable: Counts{900, 10, 10}, Candidate: Counts{400, 5, 5}})
	w.want(t, Shared)
}

// The last ten seconds are those of a list that forgets.
func TestRecent_IsTheSumOfTheLastTenSeconds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r recent
		type entry struct {
			second int64
			pair   pair
		}
		var all []entry
		at := time.Duration(0)
		for range rapid.IntRange(1, 60).Draw(t, "ticks") {
			at += time.Duration(rapid.SampledFrom([]int{1, 1, 5, 9, 10, 45, 130, 5000}).Draw(t, "gap")) * TickLength
			p := pair{Counts{N: rapid.Uint64Range(0, 9).Draw(t, "n")}, Counts{N: rapid.Uint64Range(0, 9).Draw(t, "m")}}
			r.add(at, p)
			second := int64((at - 1) / time.Second)
			all = append(all, entry{second, p})
			var want pair
			for _, e := range all {
				if e.second > second-recentSlots {
					want.add(e.pair)
				}
			}
			if r.Sum != want {
				t.Fatalf("at %s: %+v, want %+v", at, r.Sum, want)
			}
			if err := r.check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
