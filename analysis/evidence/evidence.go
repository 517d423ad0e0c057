// Package evidence tests whether a candidate is worse than its limit allows, on
// counts alone, at every moment, with one bound on the probability of ever being
// wrong.
//
// A request is bad or good. The null hypothesis is that in every block of
// requests the candidate's rate of bad ones is at most Delta + Rho times the
// rate of stable, whatever that rate is and however it moves. Against it bet K
// alternatives of growing effect. The factor by which a bet grows in a block has
// an expectation of at most 1 under the null (the reverse information projection
// of the alternative onto the null line; Turner, Ly, Grünwald, arXiv:2106.02693),
// so that the wealth of all bets together passes 1/alpha with a probability of at
// most alpha, ever (Ville's inequality). Wealth that is held back is invested
// little by little, so that a fault that starts after a healthy hour is found
// nearly as fast as one at the start.
//
// The package uses no clock and allocates nothing. All state is plain data that
// survives JSON bit by bit. Nothing here may be used by two goroutines at once.
package evidence

import "math"

// K is the number of alternatives, the grid of effects.
const K = 12

// grid holds the alternatives as multiples of the null's rate, and the part of
// each investment that they get.
var grid = [K]struct{ effect, share float64 }{
	{1.25, .10}, {1.6, .12}, {2.2, .14}, {3.2, .14}, {5, .13}, {8, .10},
	{14, .08}, {25, .06}, {50, .05}, {100, .04}, {300, .02}, {900, .02},
}

const (
	maxAlternative = .97 // an alternative of 1 would lose all at the first good request
	maxBaseline    = .95
)

// Counts are the requests of one block and the bad ones among them.
type Counts struct {
	CandidateN, CandidateX uint64
	StableN, StableX       uint64
}

func (c *Counts) add(o Counts) {
	c.CandidateN += o.CandidateN
	c.CandidateX += o.CandidateX
	c.StableN += o.StableN
	c.StableX += o.StableX
}

// sane reports whether no version has more bad requests than requests.
func (c Counts) sane() bool { return c.CandidateX <= c.CandidateN && c.StableX <= c.StableN }

// Hypothesis is the null: the candidate's rate is at most Delta + Rho * stable's.
// Rho = 0 means that stable is not looked at. Delta is in (0, 1), or in [0, 1)
// if Rho is above 0. Both may change from block to block, if they depend on
// nothing in the block.
type Hypothesis struct {
	Delta float64 `json:"delta"`
	Rho   float64 `json:"rho"`
}

// factors sets f to what each alternative's wealth is multiplied with in a
// block. Baseline is a guess at stable's rate from earlier blocks: a bad guess
// costs speed, never validity.
func factors(f *[K]float64, c Counts, h Hypothesis, baseline float64) {
	logFactors(f, c, h, baseline)
	for k := range f {
		f[k] = math.Exp(f[k])
	}
}

// logFactors are the logarithms of factors.
func logFactors(f *[K]float64, c Counts, h Hypothesis, baseline float64) {
	*f = [K]float64{}
	if c.CandidateN == 0 || h.Rho > 0 && c.StableN == 0 {
		return
	}
	b := min(baseline, maxBaseline)
	null := h.Delta + h.Rho*b
	last := 0.
	for k := range f {
		a := min(grid[k].effect*null, maxAlternative)
		switch {
		case a <= null:
		case a == last:
			f[k] = f[k-1]
		default:
			f[k] = logFactor(c, h, a, b)
		}
		last = a
	}
}

// logFactor is the logarithm of the factor of the alternative (a, b).
func logFactor(c Counts, h Hypothesis, a, b float64) float64 {
	nullA, nullB := h.Delta, b
	if h.Rho > 0 {
		nullB = project(float64(c.CandidateN), float64(c.StableN), a, b, h)
		nullA = h.Delta + h.Rho*nullB
	}
	sum := logRatio(c.CandidateX, c.CandidateN, a, nullA)
	if h.Rho > 0 {
		sum += logRatio(c.StableX, c.StableN, b, nullB)
	}
	return sum
}

// logRatio is the log-likelihood ratio of rate p against q for x bad of n.
func logRatio(x, n uint64, p, q float64) float64 {
	sum := float64(n-x) * math.Log((1-p)/(1-q))
	if x > 0 {
		sum += float64(x) * math.Log(p/q)
	}
	return sum
}

// project returns stable's rate b* at the point of the null line that is nearest
// to the alternative (a, b) in relative entropy, weighted with the numbers of
// requests. The alternative may lie on either side of the line.
func project(nc, ns, a, b float64, h Hypothesis) float64 {
	const edge = 1e-12
	lo, hi := b, min((a-h.Delta)/h.Rho, 1-edge)
	if lo > hi {
		lo, hi = max(hi, edge), b
	}
	// The derivative of the entropy along the line, times what keeps it from being
	// a polynomial: nc*rho*(A-a)*x*(1-x) + ns*(x-b)*A*(1-A) with A = delta+rho*x.
	// It has the derivative's sign and its one root between lo and hi.
	d, r := h.Delta, h.Rho
	c0 := -ns * b * d * (1 - d)
	c1 := nc*r*(d-a) + ns*(d*(1-d)-b*r*(1-2*d))
	c2 := nc*r*(r-d+a) + ns*(r*(1-2*d)+b*r*r)
	c3 := -r * r * (nc + ns)

	// Start where the root would be if all rates were small, then do Newton, with
	// bisection where it would leave the bracket. The decrement bounds by how much
	// the factor could grow under the null; one more step squares it.
	x := min(max(smallRoot(r*(nc*r+ns), nc*r*(d-a)+ns*(d-b*r), ns*b*d), lo), hi)
	for range 60 {
		g := c0 + x*(c1+x*(c2+x*c3))
		slope := c1 + x*(2*c2+x*3*c3)
		if g > 0 {
			hi = x
		} else {
			lo = x
		}
		next := x - g/slope
		null := d + r*x
		if g*g <= 1e-10*slope*null*(1-null)*x*(1-x) {
			return next
		}
		if !(next > lo && next < hi) {
			next = (lo + hi) / 2
		}
		x = next
	}
	return x
}

// smallRoot is the positive root of p*x*x + q*x - c, for p > 0 and c >= 0.
func smallRoot(p, q, c float64) float64 {
	s := math.Sqrt(q*q + 4*p*c)
	if q > 0 {
		return 2 * c / (q + s)
	}
	return (s - q) / (2 * p)
}
