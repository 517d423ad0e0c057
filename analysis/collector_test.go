package analysis

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// record is what a recorder knows, by tick.
type record map[int64][2]Outcomes

func (r record) read(tick int64) (Outcomes, Outcomes, bool) {
	both, ok := r[tick]
	return both[0], both[1], ok
}

// collect returns what has ripened by now.
func (r record) collect(c *Collector, now int64) []Sample {
	var samples []Sample
	c.Collect(now, r.read, func(s Sample) { samples = append(samples, s) })
	return samples
}

// ended are the outcomes of n requests of which so many ended, and failed.
func ended(n, ended, errors uint64) Outcomes {
	return Outcomes{Started: n, Headed: ended, Ended: ended, Errors: errors, ErrorsUnique: errors}
}

func TestCollector_SettlesWhenStableDidOrAfterASecond(t *testing.T) {
	p := triggers(t, "error_rate > 1%")
	f := func(stable, candidate Outcomes, age int64, want bool, wantStable, wantCandidate uint64) {
		t.Helper()
		c := NewCollector(p, 15*time.Second, 0, 0)
		samples := record{0: {stable, candidate}}.collect(c, 1+age)
		i := slices.IndexFunc(samples, func(s Sample) bool { return s.Horizon == Settled })
		if (i >= 0) != want {
			t.Fatalf("settled %v, want %v", i >= 0, want)
		}
		if want && (samples[i].Stable.X != wantStable || samples[i].Candidate.X != wantCandidate || samples[i].At != TickLength) {
			t.Fatalf("%+v, want %d and %d bad", samples[i], wantStable, wantCandidate)
		}
	}
	f(ended(100, 99, 2), ended(10, 5, 3), 0, true, 3, 3)
	f(ended(100, 98, 2), ended(10, 10, 3), 0, false, 0, 0)
	f(ended(100, 98, 2), ended(10, 10, 3), 9, false, 0, 0)
	f(ended(100, 98, 2), ended(10, 5, 3), 10, true, 4, 3)
	f(ended(0, 0, 0), ended(10, 5, 3), 0, false, 0, 0)
	f(ended(0, 0, 0), ended(10, 10, 3), 0, true, 0, 3)
	f(ended(0, 0, 0), ended(10, 5, 3), 10, true, 0, 3)
}

func TestCollector_IsFinalWhenAllEndedOrTimedOut(t *testing.T) {
	p := triggers(t, "error_rate > 1%")
	f := func(timeout time.Duration, age int64, stable, candidate Outcomes, want bool, wantStable, wantCandidate uint64) {
		t.Helper()
		samples := record{0: {stable, candidate}}.collect(NewCollector(p, timeout, 0, 0), 1+age)
		i := slices.IndexFunc(samples, func(s Sample) bool { return s.Horizon == Final })
		if (i >= 0) != want {
			t.Fatalf("final %v, want %v", i >= 0, want)
		}
		if want && (samples[i].Stable.X != wantStable || samples[i].Candidate.X != wantCandidate) {
			t.Fatalf("%+v, want %d and %d bad", samples[i], wantStable, wantCandidate)
		}
	}
	f(time.Second, 0, ended(9, 9, 1), ended(4, 4, 2), true, 1, 2)
	f(time.Second, 59, ended(9, 8, 1), ended(4, 3, 2), false, 0, 0)
	f(time.Second, 60, ended(9, 8, 1), ended(4, 3, 2), true, 2, 2)
	f(time.Hour, 949, ended(9, 9, 1), ended(4, 3, 2), false, 0, 0)
	f(time.Hour, 950, ended(9, 9, 1), ended(4, 3, 2), true, 1, 2)
}

func TestCollector_ReadsALimitOneTickAfterItPassed(t *testing.T) {
	p := triggers(t, "latency_p99 > 250ms")
	o := Outcomes{Started: 10, Headed: 8, Ended: 7}
	o.Over[0], o.OverUnique[0], o.Excluded[0] = 3, 1, 2
	f := func(keyed bool, age int64, want, wantStable Counts) {
		t.Helper()
		p.Keyed = keyed
		samples := record{0: {o, o}}.collect(NewCollector(p, time.Second, 0, 0), 1+age)
		i := slices.IndexFunc(samples, func(s Sample) bool { return s.Horizon == Latency })
		if (i >= 0) != (want.N > 0) {
			t.Fatalf("age %d: %+v", age, samples)
		}
		if i >= 0 && (samples[i].Candidate != want || samples[i].Stable != wantStable) {
			t.Fatalf("%+v, want %+v and stable %+v", samples[i], want, wantStable)
		}
	}
	// What failed before the limit leaves the candidate's denominator and is bad
	// on stable: both lower the evidence.
	f(false, 3, Counts{}, Counts{})
	f(false, 4, Counts{N: 8, X: 5, Raw: 5}, Counts{N: 10, X: 7, Raw: 5})
	f(true, 4, Counts{N: 8, X: 3, Raw: 5}, Counts{N: 10, X: 5, Raw: 5})
}

func TestCollector_CountsABucketOnceWhereThereIsAKey(t *testing.T) {
	p := triggers(t, "error_rate > 1%")
	p.Keyed = true
	o := Outcomes{Started: 10, Headed: 10, Ended: 10, Errors: 6, ErrorsUnique: 2}
	for _, s := range (record{0: {o, o}}).collect(NewCollector(p, time.Second, 0, 0), 1) {
		if want := (Counts{N: 10, X: 2, Raw: 6}); s.Candidate != want || s.Stable != want {
			t.Fatalf("%+v, want %+v", s, want)
		}
	}
}

// Whatever a recorder says and however the collector is called, each tick comes
// once a horizon, in order, with counts that can be.
func TestCollector_EmitsEachTickOnceInOrder(t *testing.T) {
	p := triggers(t, "error_rate > 1%", "latency_p99 > 200ms", "latency_p99 > 3s")
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.Int64Range(-5, 1<<40).Draw(t, "first")
		began := time.Duration(rapid.Int64Range(0, 100).Draw(t, "began")) * time.Second
		c := NewCollector(p, time.Duration(rapid.Int64Range(0, 40).Draw(t, "timeout"))*time.Second, first, began)
		r := record{}
		last := map[int]time.Duration{}
		counts := map[int]int{}
		small := rapid.Uint64Range(0, 20)
		now := first
		emit := func(s Sample) {
			if s.At <= max(last[s.stream()], began) {
				t.Fatalf("tick %s after %s", s.At, last[s.stream()])
			}
			if !s.Stable.sane() || !s.Candidate.sane() {
				t.Fatalf("counts that cannot be: %+v", s)
			}
			last[s.stream()] = s.At
			counts[s.stream()]++
		}
		for range rapid.IntRange(1, 40).Draw(t, "rounds") {
			step := rapid.SampledFrom([]int64{0, 1, 1, 1, 5, 60, 2000}).Draw(t, "step")
			for range min(step, 80) {
				if rapid.IntRange(0, 9).Draw(t, "held") > 0 {
					o := Outcomes{Started: small.Draw(t, "started")}
					o.Headed, o.Ended, o.Errors = small.Draw(t, "headed"), small.Draw(t, "ended"), small.Draw(t, "errors")
					o.Errors = min(o.Errors, o.Started)
					o.Excluded[0], o.Over[0] = small.Draw(t, "excluded"), small.Draw(t, "over")
					r[now] = [2]Outcomes{o, o}
				}
				now++
			}
			now += step - min(step, 80)
			c.Collect(now, r.read, emit)
		}
		// The longest wait is 95 s, and what is younger than 102 s is held.
		c.Collect(now+960, r.read, emit)
		for stream := range int(Latency) + 2 {
			if counts[stream] > len(r) {
				t.Fatalf("stream %d: %d samples of %d ticks", stream, counts[stream], len(r))
			}
		}
		for stream := range int(Latency) + 2 {
			if now-first <= maxBehind-960 && counts[stream] != len(r) {
				t.Fatalf("stream %d: %d samples of %d ticks", stream, counts[stream], len(r))
			}
		}
	})
}

func TestCollector_AGapIsSkipped(t *testing.T) {
	p := triggers(t, "error_rate > 1%")
	r := record{}
	for tick := range int64(10) {
		r[tick] = [2]Outcomes{ended(9, 9, 0), ended(1, 1, 0)}
	}
	c := NewCollector(p, time.Second, 0, 0)
	if got := len(r.collect(c, 10)); got != 20 {
		t.Fatalf("%d samples before the gap", got)
	}
	r[1_000_000] = [2]Outcomes{ended(9, 9, 0), ended(1, 1, 0)}
	after := r.collect(c, 1_000_001)
	if len(after) != 2 || after[0].At != 1_000_001*TickLength {
		t.Fatalf("%+v after the gap", after)
	}
}

func TestCollector_AllocatesNothing(t *testing.T) {
	p := triggers(t, "error_rate > 1%", "latency_p99 > 200ms")
	c := NewCollector(p, time.Second, 0, 0)
	o := ended(9, 9, 0)
	read := func(int64) (Outcomes, Outcomes, bool) { return o, o, true }
	emit := func(Sample) {}
	now := int64(0)
	if n := testing.AllocsPerRun(100, func() { now++; c.Collect(now, read, emit) }); n != 0 {
		t.Fatalf("%g allocations", n)
	}
}

// A recorder's ring holds other ticks where old ones were.
func TestCollector_NeverReadsBeyondTheRing(t *testing.T) {
	c := NewCollector(triggers(t, "error_rate > 1%"), time.Second, 0, 0)
	oldest := int64(1 << 62)
	read := func(tick int64) (Outcomes, Outcomes, bool) {
		oldest = min(oldest, tick)
		return ended(9, 9, 0), ended(1, 1, 0), true
	}
	c.Collect(5000, read, func(Sample) {})
	if oldest != 5000-maxBehind {
		t.Fatalf("tick %d was read at 5000", oldest)
	}
}
