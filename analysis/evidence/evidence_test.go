package evidence

import (
	"math"
	"math/rand/v2"
	"testing"
)

// expectation is log E[factor] of the alternative (a, b) when the true rates are
// p and q, which is exact: outcomes within a block are independent.
func expectation(c Counts, h Hypothesis, a, b, p, q float64) float64 {
	nullA, nullB := h.Delta, b
	if h.Rho > 0 {
		nullB = project(float64(c.CandidateN), float64(c.StableN), a, b, h)
		nullA = h.Delta + h.Rho*nullB
	}
	sum := float64(c.CandidateN) * math.Log(p*(a/nullA)+(1-p)*((1-a)/(1-nullA)))
	if h.Rho > 0 {
		sum += float64(c.StableN) * math.Log(q*(b/nullB)+(1-q)*((1-b)/(1-nullB)))
	}
	return sum
}

// worst is the largest expectation on the null line, found without its slope.
func worst(c Counts, h Hypothesis, a, b float64) float64 {
	if h.Rho == 0 {
		return expectation(c, h, a, b, h.Delta, 0)
	}
	at := func(q float64) float64 { return expectation(c, h, a, b, h.Delta+h.Rho*q, q) }
	// The expectation is concave along the line.
	lo, hi := 0., min(1, (1-h.Delta)/h.Rho)
	for range 120 {
		l, r := lo+(hi-lo)*.382, lo+(hi-lo)*.618
		if at(l) < at(r) {
			lo = l
		} else {
			hi = r
		}
	}
	return max(at(lo), at(0), at(project(float64(c.CandidateN), float64(c.StableN), a, b, h)))
}

func drawShape(r *rand.Rand) (c Counts, h Hypothesis, b float64) {
	logUniform := func(lo, hi float64) float64 { return lo * math.Exp(r.Float64()*math.Log(hi/lo)) }
	c.CandidateN = uint64(logUniform(1, 3000))
	c.StableN = uint64(logUniform(1, 30000))
	h = Hypothesis{Delta: logUniform(1e-4, .2), Rho: 1}
	switch r.IntN(4) {
	case 0:
		h.Rho = 0
	case 1:
		h.Rho = .5 + r.Float64()
	case 2:
		h.Delta = 0
	}
	return c, h, logUniform(1e-5, .6)
}

func TestFactor_NeverGrowsUnderTheNull(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	worstSeen := math.Inf(-1)
	for range 20_000 {
		c, h, b := drawShape(r)
		null := h.Delta + h.Rho*b
		a := min(grid[r.IntN(K)].effect*null, maxAlternative)
		if a <= null {
			continue
		}
		worstSeen = max(worstSeen, worst(c, h, a, b))
	}
	t.Logf("sup log E[factor] = %.2g", worstSeen)
	if worstSeen > 1e-9 {
		t.Fatalf("a bet grows under the null: log E = %g", worstSeen)
	}
}

func TestFactor_NeverGrowsUnderTheNullOfTheOtherSide(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	worstSeen := math.Inf(-1)
	for range 20_000 {
		c, h, b := drawShape(r)
		null := h.Delta + h.Rho*b
		if null >= 1 {
			continue
		}
		a := clearGrid[r.IntN(len(clearGrid))].effect * null
		worstSeen = max(worstSeen, worst(c, h, a, b))
	}
	t.Logf("sup log E[factor] = %.2g", worstSeen)
	if worstSeen > 1e-9 {
		t.Fatalf("a bet grows under the null: log E = %g", worstSeen)
	}
}

// The twin of the property: a projection that is off by a little is caught.
func TestFactor_AWrongProjectionGrowsUnderTheNull(t *testing.T) {
	h := Hypothesis{Delta: .01, Rho: 1}
	a, b := .055, .001
	x := project(200, 1800, a, b, h) * 1.2
	null := h.Delta + x
	grows := false
	for q := 1e-4; q < .1; q += 1e-4 {
		p := h.Delta + q
		e := 200*math.Log(p*(a/null)+(1-p)*((1-a)/(1-null))) + 1800*math.Log(q*(b/x)+(1-q)*((1-b)/(1-x)))
		grows = grows || e > 1e-9
	}
	if !grows {
		t.Fatal("the property does not see a projection that is 20 % off")
	}
}

func TestFactors_WithoutBaselineAreTheLikelihoodRatio(t *testing.T) {
	var f [K]float64
	factors(&f, Counts{CandidateN: 10, CandidateX: 3}, Hypothesis{Delta: .01}, .002)
	a := 5 * .01
	want := math.Pow(a/.01, 3) * math.Pow((1-a)/(1-.01), 7)
	if math.Abs(f[4]/want-1) > 1e-12 {
		t.Fatalf("factor %g, want %g", f[4], want)
	}
}

func TestFactors_WithoutRequestsAreNoEvidence(t *testing.T) {
	f := func(c Counts, h Hypothesis) {
		t.Helper()
		var got [K]float64
		factors(&got, c, h, .01)
		for k, v := range got {
			if v != 1 {
				t.Fatalf("%+v: factor %d is %g, want 1", c, k, v)
			}
		}
	}
	f(Counts{StableN: 100, StableX: 50}, Hypothesis{Delta: .01, Rho: 1})
	f(Counts{CandidateN: 100, CandidateX: 50}, Hypothesis{Delta: .01, Rho: 1})
	f(Counts{}, Hypothesis{Delta: .01})
}

func TestProject_IsTheClosedFormWithoutSlack(t *testing.T) {
	got := project(20, 180, .05, .001, Hypothesis{Delta: 1e-15, Rho: 1})
	want := (20*.05 + 180*.001) / 200
	if math.Abs(got/want-1) > 1e-6 {
		t.Fatalf("b* = %g, want %g", got, want)
	}
}
