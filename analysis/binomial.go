package analysis

import "math"

// binomialTail is P(X >= x) for X binomial with n trials of probability p.
func binomialTail(n, x uint64, p float64) float64 {
	switch {
	case x == 0:
		return 1
	case x > n || p <= 0:
		return 0
	case p >= 1:
		return 1
	}
	return incompleteBeta(float64(x), float64(n-x)+1, p)
}

// binomialUpper is the largest rate beside which x or fewer of n are no rarer
// than alpha: the upper bound of Clopper and Pearson.
func binomialUpper(n, x uint64, alpha float64) float64 {
	if x >= n {
		return 1
	}
	low, high := float64(x)/float64(n), 1.
	for range 60 {
		middle := (low + high) / 2
		if 1-binomialTail(n, x+1, middle) > alpha {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

// incompleteBeta is the regularised incomplete beta function I_x(a, b), by its
// continued fraction (DLMF 8.17.22) with Lentz's method.
func incompleteBeta(a, b, x float64) float64 {
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	front := math.Exp(lab - la - lb + a*math.Log(x) + b*math.Log1p(-x))
	if x > (a+1)/(a+b+2) {
		// The fraction converges fast only below the mean.
		return 1 - front*betaFraction(b, a, 1-x)/b
	}
	return front * betaFraction(a, b, x) / a
}

func betaFraction(a, b, x float64) float64 {
	const (
		tiny  = 1e-300
		exact = 1e-14
	)
	away := func(v float64) float64 {
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	c, d := 1., 1/away(1-(a+b)*x/(a+1))
	h := d
	// It needs about sqrt(max(a, b)) rounds.
	for m := 1.; m < 1e5; m++ {
		even := m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		d = 1 / away(1+even*d)
		c = away(1 + even/c)
		h *= d * c
		odd := -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		d = 1 / away(1+odd*d)
		c = away(1 + odd/c)
		step := d * c
		h *= step
		if math.Abs(step-1) < exact {
			break
		}
	}
	return h
}
