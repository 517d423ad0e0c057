package lab

import (
	"math/rand/v2"
	"testing"
	"time"
)

// drawShots draws shots by weights that change, and logs the changes as a client
// would know them. bias shifts every draw.
func drawShots(bias float64) (log *WeightLog, shots Shots) {
	random := rand.New(rand.NewPCG(3, 3))
	at := func(ms int) time.Time { return time.Unix(0, 0).Add(time.Duration(ms) * time.Millisecond) }
	log = &WeightLog{}
	weight := 0.5
	log.Add(at(-20), at(-10), 5000)
	swap, next := -1, weight // the moment of a change under way
	for ms := range 30_000 {
		if ms%15 == 0 {
			bp := 500 + random.IntN(9000)
			log.Add(at(ms), at(ms+6), bp)
			swap, next = ms+random.IntN(6), float64(bp)/10_000
		}
		if ms == swap {
			weight = next
		}
		version := "blue"
		if random.Float64() < weight+bias {
			version = "green"
		}
		shots = append(shots, Shot{Began: at(ms), Ended: at(ms + 1), Status: 200, Version: version})
	}
	return log, shots
}

func TestDrift_IsSmallForAFairSplitAndLargeForABiasedOne(t *testing.T) {
	f := func(bias float64, fair bool) {
		t.Helper()
		log, shots := drawShots(bias)
		all, sure := log.Drift("green", shots)
		if all.Requests != len(shots) || sure.Requests < len(shots)/3 || sure.Requests >= len(shots) {
			t.Fatalf("%d shots, of them %d counted and %d sure", len(shots), all.Requests, sure.Requests)
		}
		if (all.Errors() <= 3) != fair || (sure.Errors() <= 3) != fair {
			t.Errorf("bias %g: all %s; sure %s", bias, all, sure)
		}
	}

	f(0, true)
	f(0.02, false)
	f(-0.02, false)
}

func TestDrift_LeavesOutWhatMayHaveMetEitherWeight(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(0, 0).Add(time.Duration(ms) * time.Millisecond) }
	var log WeightLog
	log.Add(at(0), at(10), 1000)
	log.Add(at(100), at(110), 9000)
	f := func(began, ended int, want float64, sure bool) {
		t.Helper()
		if got, ok := log.sure(at(began), at(ended)); ok != sure || ok && got != want {
			t.Errorf("from %d to %d: %g, %v", began, ended, got, ok)
		}
	}

	f(5, 20, 0, false)
	f(10, 100, 0.1, true)
	f(20, 101, 0, false)
	f(105, 120, 0, false)
	f(110, 120, 0.9, true)
}

func TestQuantile(t *testing.T) {
	f := func(q float64, want time.Duration, values ...time.Duration) {
		t.Helper()
		if got := Quantile(values, q); got != want {
			t.Errorf("quantile %g of %v is %d, not %d", q, values, got, want)
		}
	}

	f(.5, 0)
	f(.5, 7, 7)
	f(.5, 2, 3, 1, 2)
	f(.5, 2, 4, 3, 1, 2)
	f(.9, 9, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	f(1, 4, 4, 3, 1, 2)
}
