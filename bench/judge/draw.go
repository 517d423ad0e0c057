package main

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// source returns the generator of one run of one world. Equal arguments give
// equal runs.
func source(world, run int) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(world), uint64(run)))
}

// poisson draws a number of arrivals by inversion. The mean is at most 600.
type poisson struct {
	mean, none float64
}

func newPoisson(mean float64) poisson { return poisson{mean, math.Exp(-mean)} }

func (p poisson) draw(r *rand.Rand) uint64 {
	u, mass := r.Float64(), p.none
	var n uint64
	for u > mass && n < 5000 {
		u -= mass
		n++
		mass *= p.mean / float64(n)
	}
	return n
}

// binomial draws how many of n requests are bad.
func binomial(r *rand.Rand, n uint64, p float64) uint64 {
	var bad uint64
	switch {
	case p <= 0:
		return 0
	case p >= 1:
		return n
	case p > .1:
		for range n {
			if r.Float64() < p {
				bad++
			}
		}
		return bad
	}
	// Jump from one bad request to the next.
	scale := 1 / math.Log1p(-p)
	for at := math.Log(1-r.Float64()) * scale; at < float64(n); at += 1 + math.Log(1-r.Float64())*scale {
		bad++
		at = math.Floor(at)
	}
	return bad
}

// repeat does the runs on all processors and returns their results in order.
func repeat[T any](runs int, one func(run int) T) []T {
	results := make([]T, runs)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				run := int(next.Add(1)) - 1
				if run >= runs {
					return
				}
				results[run] = one(run)
			}
		})
	}
	workers.Wait()
	return results
}

func count[T any](results []T, is func(T) bool) int {
	n := 0
	for _, r := range results {
		if is(r) {
			n++
		}
	}
	return n
}

// quantile of values, which it sorts.
func quantile(values []float64, q float64) float64 {
	slices.Sort(values)
	return values[min(int(q*float64(len(values))), len(values)-1)]
}
