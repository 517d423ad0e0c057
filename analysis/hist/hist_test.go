package hist

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"pgregory.net/rapid"
)

func TestIndex_BucketsTouchAndHoldTheirBounds(t *testing.T) {
	for i := range Buckets {
		from, to := Bounds(i)
		if from >= to {
			t.Fatalf("bucket %d is empty: %s to %s", i, from, to)
		}
		if Index(from) != i || Index(to-1) != i {
			t.Fatalf("bucket %d: its bounds %s and %s are in buckets %d and %d", i, from, to-1, Index(from), Index(to-1))
		}
		if i+1 < Buckets {
			if next, _ := Bounds(i + 1); next != to {
				t.Fatalf("bucket %d ends at %s, and the next begins at %s", i, to, next)
			}
		}
	}
}

func TestMid_IsWithinItsErrorInEveryBucket(t *testing.T) {
	worst := 0.
	for i := range Buckets {
		from, to := Bounds(i)
		mid := Mid(i)
		if from < 32*1024 {
			if mid-from > 512 || to-mid > 512 {
				t.Fatalf("bucket %d: the middle %s of %s to %s is off by more than half a unit", i, mid, from, to)
			}
			continue
		}
		worst = max(worst, float64(mid-from)/float64(from), float64(to-1-mid)/float64(to-1))
	}
	t.Logf("worst error %.2f %%", 100*worst)
	if worst > .016 {
		t.Fatalf("the middle of a bucket is off by %.2f %%", 100*worst)
	}
}

func TestIndex_OddDurationsAreInTheOuterBuckets(t *testing.T) {
	f := func(d time.Duration, want int) {
		t.Helper()
		if got := Index(d); got != want {
			t.Fatalf("Index(%d) = %d, want %d", d, got, want)
		}
	}
	f(-1, 0)
	f(math.MinInt64, 0)
	f(0, 0)
	f(1023, 0)
	f(1024, 1)
	f(274*time.Second, Buckets-1)
	f(300*time.Second, Buckets-1)
	f(math.MaxInt64, Buckets-1)
}

func TestQuantile_AgreesWithTheOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	oracle := hdrhistogram.New(1, int64(300*time.Second), 4)
	var counts Counts
	for range 50_000 {
		d := time.Duration(float64(20*time.Millisecond) * math.Exp(r.NormFloat64()))
		counts.Add(d)
		if err := oracle.RecordValue(int64(d)); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range []float64{0, .01, .5, .9, .99, .999, 1} {
		got, want := counts.Quantile(q), oracle.ValueAtQuantile(100*q)
		if math.Abs(float64(got)/float64(want)-1) > .02 {
			t.Errorf("quantile %g is %s, the oracle says %s", q, got, time.Duration(want))
		}
	}
}

func TestQuantile_OfNothingIsZero(t *testing.T) {
	var counts Counts
	if got := counts.Quantile(.99); got != 0 {
		t.Fatalf("got %s", got)
	}
	counts.Add(time.Second)
	for _, q := range []float64{-1, math.NaN(), 2} {
		if got := counts.Quantile(q); got != Mid(Index(time.Second)) {
			t.Fatalf("quantile %g is %s", q, got)
		}
	}
}

func TestMerge_IsAddingAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		durations := rapid.SliceOf(rapid.Int64Range(-5, int64(400*time.Second)))
		a, b := durations.Draw(t, "a"), durations.Draw(t, "b")
		var left, right, both Counts
		for _, d := range a {
			left.Add(time.Duration(d))
			both.Add(time.Duration(d))
		}
		for _, d := range b {
			right.Add(time.Duration(d))
			both.Add(time.Duration(d))
		}
		merged := left
		merged.Merge(&right)
		if merged != both || both.Total() != uint64(len(a)+len(b)) {
			t.Fatal("merging is not adding")
		}
		merged.Sub(&right)
		if merged != left {
			t.Fatal("taking away does not undo merging")
		}
		merged.Sub(&both)
		if merged.Total() != 0 {
			t.Fatal("a reset left a huge count")
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	var counts Counts
	d := 20 * time.Millisecond
	for b.Loop() {
		counts.Add(d)
		d += 977 * time.Microsecond
		if d > 2*time.Second {
			d = 0
		}
	}
}
