package evidence

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// readings are two readings of one tick: the first leaves out what is still to
// come of the candidate and counts stable's unfinished requests as bad.
func readings(t *rapid.T) (early, late Counts) {
	late = Counts{CandidateN: rapid.Uint64Range(0, 9).Draw(t, "n"), StableN: rapid.Uint64Range(0, 60).Draw(t, "m")}
	late.CandidateX = rapid.Uint64Range(0, late.CandidateN).Draw(t, "x")
	late.StableX = rapid.Uint64Range(0, min(late.StableN, 5)).Draw(t, "y")
	early = late
	early.CandidateX -= rapid.Uint64Range(0, late.CandidateX).Draw(t, "to come")
	early.StableX += rapid.Uint64Range(0, min(late.StableN-late.StableX, 3)).Draw(t, "unfinished")
	return early, late
}

// This is what lets both readings share one threshold.
func TestFollower_IsNeverBelowTheEarlierReading(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, f := NewDetector(.005), NewFollower()
		type late struct {
			at time.Duration
			Counts
		}
		var waiting []late
		wealth := map[time.Duration]float64{}
		var at time.Duration
		for range rapid.IntRange(1, 120).Draw(t, "ticks") {
			at += time.Duration(rapid.SampledFrom([]int{1, 1, 1, 1, 30, 120}).Draw(t, "gap")) * tick
			first, second := readings(t)
			h := Hypothesis{Delta: rapid.SampledFrom([]float64{.005, .01}).Draw(t, "delta"), Rho: rapid.SampledFrom([]float64{0, 1}).Draw(t, "rho")}
			waiting = append(waiting, late{at, second})
			var stake Stake
			var ended bool
			switch rapid.IntRange(0, 30).Draw(t, "what") {
			case 0:
				stake, ended = d.Drop(at), true
			case 1:
				d.Restart()
				fallthrough
			default:
				stake, ended = d.Observe(at, first, h)
			}
			if ended {
				f.Push(stake)
				wealth[at] = d.Evidence()
			}
			for range rapid.IntRange(0, len(waiting)).Draw(t, "read") {
				if f.Observe(waiting[0].at, waiting[0].Counts) && f.Evidence() < wealth[waiting[0].at]*(1-1e-12) {
					t.Fatalf("%g at first, %g in the end", wealth[waiting[0].at], f.Evidence())
				}
				waiting = waiting[1:]
			}
		}
	})
}

func TestFollower_WithEqualReadingsIsItsDetector(t *testing.T) {
	d, f := NewDetector(.005), NewFollower()
	r := rand.New(rand.NewPCG(3, 3))
	for i := range 3000 {
		at := time.Duration(i+1) * tick
		c := Counts{CandidateN: r.Uint64N(5), StableN: r.Uint64N(50)}
		if c.CandidateN > 0 && r.IntN(40) == 0 {
			c.CandidateX = 1
		}
		if i == 1000 {
			d.Restart()
		}
		if stake, ended := d.Observe(at, c, limitOne); ended {
			f.Push(stake)
		}
		f.Observe(at, c)
		if i == 1500 {
			data, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			f = new(Follower)
			if err := json.Unmarshal(data, f); err != nil || f.Check() != nil {
				t.Fatal(err, f.Check())
			}
		}
	}
	if f.Wealth.Bets != d.Wealth.Bets || !reflect.DeepEqual(f.Guard, d.Guard) || len(f.Stakes) != 0 {
		t.Fatalf("%+v\n%+v", f, d)
	}
}

func TestFollower_MissingTicksProveNothing(t *testing.T) {
	d, f := NewDetector(.005), NewFollower()
	c := Counts{CandidateN: 10, CandidateX: 9, StableN: 90}
	for i := range 3 * maxStakes {
		stake, _ := d.Observe(time.Duration(i+1)*tick, c, limitOne)
		f.Push(stake)
	}
	if f.Evidence() > 1+1e-9 || len(f.Stakes) > maxStakes {
		t.Fatalf("evidence %g of ticks that never came, %d stakes", f.Evidence(), len(f.Stakes))
	}
	if !f.Observe(time.Duration(3*maxStakes)*tick, c) || f.Evidence() <= 1 {
		t.Fatal("the next tick was not judged")
	}
}

func TestClearance_PassesAVersionInsideItsLimitAlone(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	f := func(rate float64, h Hypothesis, want bool) {
		t.Helper()
		c := NewClearance(.001)
		passed := false
		for i := range 3000 {
			counts := Counts{CandidateN: 10, StableN: 90}
			for range counts.CandidateN {
				if r.Float64() < rate {
					counts.CandidateX++
				}
			}
			for range counts.StableN {
				if r.Float64() < .001 {
					counts.StableX++
				}
			}
			c.Observe(time.Duration(i+1)*tick, counts, h)
			passed = passed || c.Evidence() >= 20
		}
		if passed != want {
			t.Fatalf("rate %g, %+v: passed %v, want %v", rate, h, passed, want)
		}
	}
	f(0, Hypothesis{Delta: .01}, true)
	f(.002, Hypothesis{Delta: .01}, true)
	f(.012, Hypothesis{Delta: .01}, false)
	f(.001, Hypothesis{Delta: .0005, Rho: 2}, true)
	f(.004, Hypothesis{Delta: .0005, Rho: 1.5}, false)
}

func TestClearance_RestartForgets(t *testing.T) {
	c := NewClearance(.001)
	for i := range 500 {
		c.Observe(time.Duration(i+1)*tick, Counts{CandidateN: 10, StableN: 90}, Hypothesis{Delta: .01})
	}
	if c.Evidence() < 20 {
		t.Fatalf("not passed: %g", c.Evidence())
	}
	c.Restart(50 * time.Second)
	if e := c.Evidence(); e > 1+1e-9 || e < 1-1e-9 {
		t.Fatalf("evidence %g after a restart", e)
	}
	c.Observe(51*time.Second, Counts{CandidateN: 9, CandidateX: 10}, Hypothesis{Delta: .01})
	if e := c.Evidence(); e > 1+1e-9 {
		t.Fatalf("counts that cannot be raised it to %g", e)
	}
}
