package evidence

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const tick = 100 * time.Millisecond

var limitOne = Hypothesis{Delta: .01, Rho: 1}

// play feeds ticks of equal counts and returns the time after them.
func play(d *Detector, at time.Duration, ticks int, c Counts, h Hypothesis) time.Duration {
	for range ticks {
		at += tick
		d.Observe(at, c, h)
	}
	return at
}

func TestDetector_FindsABlatantBreakAndNotAHealthyCandidate(t *testing.T) {
	f := func(bad uint64, want bool) {
		t.Helper()
		d := NewDetector(.005)
		at := play(&d, 0, 100, Counts{CandidateN: 10, StableN: 90}, limitOne)
		play(&d, at, 15, Counts{CandidateN: 10, CandidateX: bad, StableN: 90}, limitOne)
		if got := d.Evidence() >= 267 && d.Sustained(267); got != want {
			t.Fatalf("%d bad of 10 a tick: proven %v, want %v (evidence %g)", bad, got, want, d.Evidence())
		}
	}
	f(0, false)
	f(5, true)
	f(10, true)
}

func TestDetector_BlamesNobodyForASharedFault(t *testing.T) {
	d := NewDetector(.001)
	at := play(&d, 0, 600, Counts{CandidateN: 10, StableN: 90}, limitOne)
	play(&d, at, 600, Counts{CandidateN: 10, CandidateX: 5, StableN: 90, StableX: 45}, limitOne)
	if d.Evidence() > 2 {
		t.Fatalf("evidence %g in a fault of both", d.Evidence())
	}
}

func TestDetector_BlocksEndOnArrivalsOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := NewDetector(.005), NewDetector(.005)
		var at time.Duration
		for range rapid.IntRange(1, 60).Draw(t, "ticks") {
			at += time.Duration(rapid.IntRange(1, 40).Draw(t, "gap")) * tick
			c := Counts{CandidateN: rapid.Uint64Range(0, 6).Draw(t, "n"), StableN: rapid.Uint64Range(0, 50).Draw(t, "m")}
			bad := c
			bad.CandidateX = rapid.Uint64Range(0, c.CandidateN).Draw(t, "x")
			bad.StableX = rapid.Uint64Range(0, c.StableN).Draw(t, "y")
			_, one := a.Observe(at, c, limitOne)
			_, other := b.Observe(at, bad, limitOne)
			if one != other {
				t.Fatal("outcomes moved the end of a block")
			}
		}
	})
}

func TestDetector_OneBlockMultipliesByTenAtMost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := NewDetector(.005)
		at := play(&d, 0, rapid.IntRange(0, 50).Draw(t, "healthy"), Counts{CandidateN: 10, StableN: 90}, limitOne)
		before := d.Evidence()
		n := rapid.Uint64Range(4, 1e6).Draw(t, "n")
		d.Observe(at+tick, Counts{CandidateN: n, CandidateX: n, StableN: 90}, limitOne)
		if d.Evidence() > before*maxFactor*(1+1e-9) {
			t.Fatalf("evidence went from %g to %g", before, d.Evidence())
		}
	})
}

// A burst that is shorter than 0.4 s never decides alone, whatever it looks like
// and however long the candidate was healthy before.
func TestDetector_ABurstNeverDecidesAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 300).Draw(t, "candidate requests a tick")
		d := NewDetector(.005)
		h := Hypothesis{Delta: rapid.SampledFrom([]float64{.001, .01, .05}).Draw(t, "limit"), Rho: 1}
		good := Counts{CandidateN: n, StableN: 10 * n}
		at := play(&d, 0, rapid.SampledFrom([]int{0, 1, 7, 300}).Draw(t, "healthy ticks"), good, h)
		if d.Evidence() > 2 {
			t.Fatalf("the candidate was not healthy: %g", d.Evidence())
		}
		crossed := false
		look := func() { crossed = crossed || d.Evidence() >= 267 && d.Sustained(267) }
		for range burstBlocks {
			at += tick
			bad := good
			bad.CandidateX = rapid.Uint64Range(0, n).Draw(t, "bad")
			d.Observe(at, bad, h)
			look()
		}
		for range 100 {
			at += tick
			d.Observe(at, good, h)
			look()
		}
		if crossed {
			t.Fatal("a burst decided alone")
		}
	})
}

func TestDetector_AFaultThatLastsIsNotHeldBack(t *testing.T) {
	d := NewDetector(.005)
	c := Counts{CandidateN: 5, CandidateX: 5, StableN: 95}
	at := time.Duration(0)
	for d.Evidence() < 267 || !d.Sustained(267) {
		at = play(&d, at, 1, c, limitOne)
		if at > time.Second {
			t.Fatalf("not found after %s", at)
		}
	}
	if at <= 500*time.Millisecond {
		t.Fatalf("found after %s: a burst may last that long", at)
	}
}

// A slow climb has no burst in it, and none is looked for.
func TestDetector_AMarginalBreakIsNotHeldBack(t *testing.T) {
	d := NewDetector(.005)
	at := time.Duration(0)
	for d.Evidence() < 267 {
		at = play(&d, at, 1, Counts{CandidateN: 100, CandidateX: 2, StableN: 900}, limitOne)
		if at > 5*time.Minute {
			t.Fatal("twice the limit is not found in five minutes")
		}
	}
	if !d.Sustained(267) {
		t.Fatal("the guard holds a marginal break back")
	}
}

func TestDetector_ShorterTicksSpendNoFaster(t *testing.T) {
	reserve := func(tick time.Duration) float64 {
		d := NewDetector(.005)
		for at := tick; at <= 15*time.Minute; at += tick {
			d.Observe(at, Counts{CandidateN: 10, StableN: 90}, limitOne)
		}
		return d.Wealth.Reserve
	}
	short, long := reserve(100*time.Millisecond), reserve(time.Second)
	want := (1 - startShare) * math.Sqrt(600./1500)
	if math.Abs(short/long-1) > .01 || math.Abs(short/want-1) > .01 {
		t.Fatalf("reserve %g with short and %g with long ticks, want about %g", short, long, want)
	}
}

func TestDetector_GoesOnBitByBitAfterJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	d := NewDetector(.005)
	at := time.Duration(0)
	for i := range 3000 {
		at += tick
		n, s := uint64(r.IntN(8)), uint64(r.IntN(60))
		c := Counts{CandidateN: n, CandidateX: uint64(r.IntN(int(n) + 1)), StableN: s, StableX: uint64(r.IntN(int(s) + 1))}
		if i%3 == 0 {
			c.CandidateX, c.StableX = 0, 0
		}
		data, err := json.Marshal(&d)
		if err != nil {
			t.Fatal(err)
		}
		var copied Detector
		if err := json.Unmarshal(data, &copied); err != nil {
			t.Fatal(err)
		}
		if err := copied.Check(); err != nil {
			t.Fatal(err)
		}
		d.Observe(at, c, limitOne)
		copied.Observe(at, c, limitOne)
		if d != copied {
			t.Fatalf("tick %d: the copy went another way", i)
		}
	}
}

func FuzzDetector_StaysFinite(f *testing.F) {
	f.Add(uint64(10), uint64(5), uint64(90), uint64(0), .01, 1., int64(tick))
	f.Add(uint64(1<<40), uint64(1<<40), uint64(1<<40), uint64(0), 1e-6, 1., int64(1))
	f.Add(uint64(40), uint64(9), uint64(90), uint64(0), 1.1666666666666666e-06, .2, int64(118))
	f.Add(uint64(4), uint64(4), uint64(0), uint64(0), .5, 0., int64(math.MaxInt64/1000))
	f.Fuzz(func(t *testing.T, n, x, m, y uint64, delta, rho float64, step int64) {
		if !(delta > 1e-9 && delta < .99) || !(rho == 0 || rho > .1 && rho < 10) || step <= 0 || step > math.MaxInt64/1000 || n > 1<<50 || m > 1<<50 {
			return // outside what a policy can hold
		}
		d := NewDetector(delta)
		for i := range 200 {
			d.Observe(time.Duration(int64(i+1)*step), Counts{n, x, m, y}, Hypothesis{delta, rho})
			if err := d.Check(); err != nil {
				t.Fatalf("block %d: %v: %+v", i, err, d)
			}
			if _, err := json.Marshal(&d); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestSlack_IsWhatStableLeavesOfTheLimit(t *testing.T) {
	f := func(perMinute []float64, want float64) {
		t.Helper()
		var s Slack
		for m, rate := range perMinute {
			for second := range 60 {
				at := time.Duration(m)*time.Minute + time.Duration(second+1)*time.Second
				s.Observe(at, 1000, uint64(1000*rate))
			}
		}
		s.Observe(time.Duration(len(perMinute))*time.Minute+time.Second, 0, 0)
		if got := s.Delta(.01); math.Abs(got-want) > 1e-4 {
			t.Fatalf("%v: delta %g, want %g", perMinute, got, want)
		}
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
	}
	low := func(p float64) float64 { return .01 - (p - 2*math.Sqrt(p*(1-p)/60_000)) }
	f(nil, .01)
	f([]float64{0}, .01)
	f([]float64{.004}, low(.004))
	f([]float64{.004, .002, .006}, low(.002))
	f([]float64{.3}, .005)
	f([]float64{.002, .004, .004, .004, .004, .004, .004}, low(.004))
}

func TestSlack_AGapLeavesNothingKnown(t *testing.T) {
	var s Slack
	s.Observe(time.Second, 10_000, 50)
	s.Observe(time.Hour, 10_000, 50)
	if got := s.Delta(.01); got != .01 {
		t.Fatalf("delta %g after an hour without requests", got)
	}
}

func TestBaseline_ForgetsHalfInTwoMinutes(t *testing.T) {
	b := NewBaseline(.005)
	if math.Abs(b.Rate()-.005) > 1e-12 {
		t.Fatalf("first guess %g", b.Rate())
	}
	b = Baseline{N: 1e6, X: 1e4}
	b.update(0, 0, baselineHalfLife)
	if b.N != 5e5 || b.X != 5e3 {
		t.Fatalf("%+v after a half life", b)
	}
}

func BenchmarkObserve(b *testing.B) {
	d := NewDetector(.001)
	at := time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		at += tick
		d.Observe(at, Counts{CandidateN: 10, StableN: 90, StableX: uint64(at/tick) & 1}, limitOne)
	}
}

func TestDetector_ObserveAllocatesNothing(t *testing.T) {
	d := NewDetector(.001)
	at := time.Duration(0)
	if n := testing.AllocsPerRun(1000, func() { at = play(&d, at, 1, Counts{CandidateN: 10, StableN: 90}, limitOne) }); n != 0 {
		t.Fatalf("%g allocations", n)
	}
}

func TestDetector_MoreBadThanRequestsIsNoTick(t *testing.T) {
	d := NewDetector(.005)
	before := d
	d.Observe(tick, Counts{CandidateN: 5, CandidateX: 6, StableN: 9}, limitOne)
	d.Observe(tick, Counts{CandidateN: 5, StableN: 9, StableX: 10}, limitOne)
	if d != before {
		t.Fatal("impossible counts were taken")
	}
}

func TestDetector_ANewStageIsWatchedMoreClosely(t *testing.T) {
	took := func(restart bool) time.Duration {
		d := NewDetector(.005)
		at := play(&d, 0, 3000, Counts{CandidateN: 10, StableN: 90}, limitOne)
		if restart {
			d.Restart()
		}
		begin := at
		for d.Evidence() < 267 && at < begin+time.Minute {
			at = play(&d, at, 1, Counts{CandidateN: 10, CandidateX: 1, StableN: 90}, limitOne)
		}
		return at - begin
	}
	if with, without := took(true), took(false); with >= without {
		t.Fatalf("%s at the start of a stage, %s within one", with, without)
	}
}
