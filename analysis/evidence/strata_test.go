package evidence

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawParts draws one tick of several strata, the null of each included.
func drawParts(t *rapid.T, strata int) []Part {
	parts := make([]Part, strata)
	for i := range parts {
		c := &parts[i].Counts
		c.CandidateN = rapid.Uint64Range(0, 6).Draw(t, "n")
		c.CandidateX = rapid.Uint64Range(0, c.CandidateN).Draw(t, "x")
		c.StableN = rapid.Uint64Range(1, 50).Draw(t, "m")
		c.StableX = rapid.Uint64Range(0, c.StableN).Draw(t, "y")
		parts[i].Hypothesis = limitOne
	}
	return parts
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(math.Abs(a), math.Abs(b)) }

func TestStratified_OfOneStratumIsADetector(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one, d := NewStratified(.005), NewDetector(.005)
		var at time.Duration
		for range rapid.IntRange(1, 60).Draw(t, "ticks") {
			at += tick
			parts := drawParts(t, 1)
			ended := one.Observe(at, parts)
			if _, want := d.Observe(at, parts[0].Counts, limitOne); ended != want {
				t.Fatalf("at %s a block ended: %v, want %v", at, ended, want)
			}
			if !near(one.Evidence(), d.Evidence()) {
				t.Fatalf("at %s evidence %g, want %g", at, one.Evidence(), d.Evidence())
			}
		}
	})
}

func TestStratified_TheOrderOfStrataDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := NewStratified(.005), NewStratified(.005)
		var at time.Duration
		for range rapid.IntRange(1, 40).Draw(t, "ticks") {
			at += time.Duration(rapid.IntRange(1, 40).Draw(t, "gap")) * tick
			parts := drawParts(t, 3)
			turned := []Part{parts[2], parts[0], parts[1]}
			if a.Observe(at, parts) != b.Observe(at, turned) || !near(a.Evidence(), b.Evidence()) {
				t.Fatalf("at %s evidence %g and %g", at, a.Evidence(), b.Evidence())
			}
		}
	})
}

// outcomes calls one with every outcome of the parts, and its probability.
func outcomes(parts []Part, stable []float64, p float64, one func([]Part, float64)) {
	if len(stable) == 0 {
		one(parts, p)
		return
	}
	k := len(parts) - len(stable)
	c := parts[k].Counts
	onCandidate := parts[k].Delta + parts[k].Rho*stable[0]
	for parts[k].CandidateX = range c.CandidateN + 1 {
		for parts[k].StableX = range c.StableN + 1 {
			q := binomialMass(c.CandidateN, parts[k].CandidateX, onCandidate) * binomialMass(c.StableN, parts[k].StableX, stable[0])
			outcomes(parts, stable[1:], p*q, one)
		}
	}
}

func binomialMass(n, x uint64, p float64) float64 {
	mass := math.Pow(1-p, float64(n-x))
	for i := range x {
		mass *= p * float64(n-i) / float64(x-i)
	}
	return mass
}

// Whatever the rates of two places are, as long as the candidate keeps its limit
// in each of them: what one block is expected to make of the wealth is no gain. The
// sums of the places have no such property.
func TestStratified_NeverGrowsUnderTheNull(t *testing.T) {
	most := 0.
	rapid.Check(t, func(t *rapid.T) {
		h := Hypothesis{Delta: rapid.Float64Range(.001, .05).Draw(t, "delta"), Rho: rapid.Float64Range(.5, 2).Draw(t, "rho")}
		parts, stable := make([]Part, 2), make([]float64, 2)
		for i := range parts {
			parts[i] = Part{Counts{
				CandidateN: rapid.Uint64Range(1, 4).Draw(t, "n"), StableN: rapid.Uint64Range(1, 4).Draw(t, "m"),
			}, h}
			stable[i] = rapid.Float64Range(0, .4).Draw(t, "rate")
		}
		mean, summed := 0., 0.
		outcomes(parts, stable, 1, func(parts []Part, p float64) {
			d, sums := NewStratified(.01), NewDetector(.01)
			d.Observe(blockTime, parts)
			var c Counts
			for _, part := range parts {
				c.add(part.Counts)
			}
			sums.Observe(blockTime, c, h)
			mean += p * d.Evidence()
			summed += p * sums.Evidence()
		})
		if mean > 1+1e-9 {
			t.Fatalf("%+v, stable %v: the evidence is expected to be %g", parts, stable, mean)
		}
		most = max(most, summed)
	})
	if most <= 1.01 {
		t.Errorf("the sums are expected to be %g at most: the worlds do not bite", most)
	}
}

// Two places are as good with the candidate as without, one of them bad. The bad
// one sends half of its requests to the candidate, the other a twentieth.
func TestStratified_ABadPlaceWithMoreOfTheCandidateIsNobodysFault(t *testing.T) {
	d, sums := NewStratified(.005), NewDetector(.005)
	for at := tick; at < time.Minute; at += tick {
		parts := []Part{
			{Counts{CandidateN: 10, StableN: 190}, limitOne},
			{Counts{CandidateN: 100, CandidateX: 5, StableN: 100, StableX: 5}, limitOne},
		}
		d.Observe(at, parts)
		c := parts[0].Counts
		c.add(parts[1].Counts)
		sums.Observe(at, c, limitOne)
	}
	if d.Evidence() > 2 || sums.Evidence() < 1000 {
		t.Fatalf("evidence %g, and %g of the sums", d.Evidence(), sums.Evidence())
	}
}

// Where requests a place are few a block waits for more, but not after a hot one.
func TestStratified_ThinBlocksWaitUntilOneIsHot(t *testing.T) {
	f := func(bad uint64, want ...time.Duration) {
		t.Helper()
		d := NewStratified(.005)
		parts := []Part{{Counts{CandidateN: 4, CandidateX: bad, StableN: 40}, limitOne}, {Hypothesis: limitOne}} // one is silent
		var ends []time.Duration
		for at := tick; at <= 2*time.Second && len(ends) < len(want); at += tick {
			if d.Observe(at, parts) {
				ends = append(ends, at)
			}
		}
		if !slices.Equal(ends, want) {
			t.Errorf("%d bad of 4: blocks end at %v, want %v", bad, ends, want)
		}
	}
	f(0, 200*time.Millisecond, 400*time.Millisecond) // eight of two places are enough
	f(4, 200*time.Millisecond, 300*time.Millisecond, 400*time.Millisecond)

	thin := NewStratified(.005)
	parts := make([]Part, 10)
	for i := range parts {
		parts[i] = Part{Counts{StableN: 9}, limitOne}
	}
	parts[0].CandidateN = 1
	for at := tick; at < thinTime; at += tick {
		if thin.Observe(at, parts) {
			t.Fatalf("a block of few requests ends at %s", at)
		}
	}
	if !thin.Observe(thinTime, parts) {
		t.Fatal("a block of few requests waits for ever")
	}
}

func TestStratified_GoesOnBitByBitAfterJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := NewStratified(.005)
		var at time.Duration
		for range rapid.IntRange(1, 30).Draw(t, "ticks") {
			at += tick
			a.Observe(at, drawParts(t, 3))
		}
		data, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var b Stratified
		if err := json.Unmarshal(data, &b); err != nil {
			t.Fatal(err)
		}
		if err := b.Check(); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			at += tick
			parts := drawParts(t, 4) // one is new
			a.Observe(at, parts)
			b.Observe(at, parts)
			if a.Evidence() != b.Evidence() {
				t.Fatalf("evidence %g instead of %g", b.Evidence(), a.Evidence())
			}
		}
	})
}

func TestStratified_KeepsMoreThanItHasRoomForOut(t *testing.T) {
	d := NewStratified(.005)
	parts := make([]Part, MaxStrata+10)
	for i := range parts {
		parts[i] = Part{Counts{CandidateN: 1, CandidateX: 9, StableN: 1}, limitOne} // and what cannot be
	}
	d.Observe(blockTime, parts)
	if len(d.Strata) != MaxStrata || !near(d.Evidence(), 1) || d.Check() != nil {
		t.Fatalf("%d strata, evidence %g, %v", len(d.Strata), d.Evidence(), d.Check())
	}
}

func TestStratified_ObserveAllocatesNothing(t *testing.T) {
	d := NewStratified(.005)
	parts := []Part{{Counts{CandidateN: 5, StableN: 50, StableX: 1}, limitOne}, {Counts{CandidateN: 5, StableN: 50}, limitOne}}
	var at time.Duration
	d.Observe(at, parts)
	if n := testing.AllocsPerRun(100, func() { at += tick; d.Observe(at, parts) }); n != 0 {
		t.Fatalf("%g allocations", n)
	}
}
