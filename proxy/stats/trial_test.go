package stats

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestTrial_Outcome has one request a case: dispatched at 0, limits 100 ms and 1 s.
func TestTrial_Outcome(t *testing.T) {
	type limits = [MaxLimits]uint64
	f := func(name string, head time.Duration, bad bool, end time.Duration, o Outcome, want Outcomes) {
		t.Helper()
		r := NewRecorder(1)
		trial := NewTrial([]time.Duration{100 * time.Millisecond, time.Second}, true, NewMarks())
		r.Arm(trial)
		token := r.Begin(0, Split, 0, 7)
		if head >= 0 {
			r.Head(&token, int64(head), head, o.Status, bad)
		}
		if end >= 0 {
			r.End(&token, int64(end), o)
		}
		want.ErrorsHalf[1] = want.Errors // bucket 7 is odd
		var got Outcomes
		if !trial.Outcomes(0, &got) || got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	const none = -1
	good := Outcome{Status: 200}

	f("hangs", none, false, none, good, Outcomes{Started: 1})
	f("body under way", 50*time.Millisecond, false, none, good, Outcomes{Started: 1, Headed: 1})
	f("good", 50*time.Millisecond, false, time.Minute, good, Outcomes{Started: 1, Headed: 1, Ended: 1})
	f("on the limit is within it", 100*time.Millisecond, false, time.Second, good,
		Outcomes{Started: 1, Headed: 1, Ended: 1})
	f("over one limit", 101*time.Millisecond, false, time.Second, good,
		Outcomes{Started: 1, Headed: 1, Ended: 1, Over: limits{1}, OverUnique: limits{1}})
	f("over both", 2*time.Second, false, 2*time.Second, good,
		Outcomes{Started: 1, Headed: 1, Ended: 1, Over: limits{1, 1}, OverUnique: limits{1, 1}})
	f("fast 500 stands at its head", 10*time.Millisecond, true, none, Outcome{Status: 500},
		Outcomes{Started: 1, Headed: 1, Ended: 1, Errors: 1, ErrorsUnique: 1, Excluded: limits{1, 1}})
	f("500 is one error, even truncated", 10*time.Millisecond, true, time.Second, Outcome{Status: 500, Reason: Truncated},
		Outcomes{Started: 1, Headed: 1, Ended: 1, Errors: 1, ErrorsUnique: 1, Excluded: limits{1, 1}})
	f("slow 500 is slow too", 500*time.Millisecond, true, time.Second, Outcome{Status: 500, Reason: Status},
		Outcomes{Started: 1, Headed: 1, Ended: 1, Errors: 1, ErrorsUnique: 1, Over: limits{1}, OverUnique: limits{1}, Excluded: limits{0, 1}})
	f("good head, truncated body", 10*time.Millisecond, false, time.Second, Outcome{Status: 200, Reason: Truncated},
		Outcomes{Started: 1, Headed: 1, Ended: 1, Errors: 1, ErrorsUnique: 1})
	f("refused", none, false, time.Millisecond, Outcome{Status: 502, Reason: Connect},
		Outcomes{Started: 1, Headed: 1, Ended: 1, Errors: 1, ErrorsUnique: 1, Excluded: limits{1, 1}})
	f("timed out", none, false, 15*time.Second, Outcome{Status: 504, Reason: Timeout},
		Outcomes{Started: 1, Headed: 1, Ended: 1, Errors: 1, ErrorsUnique: 1, Over: limits{1, 1}, OverUnique: limits{1, 1}})
	f("client left at once", none, false, 50*time.Millisecond, Outcome{ClientLeft: true},
		Outcomes{Started: 1, Headed: 1, Ended: 1, Excluded: limits{1, 1}})
	f("client left after the first limit", none, false, 500*time.Millisecond, Outcome{Reason: Reset, ClientLeft: true},
		Outcomes{Started: 1, Headed: 1, Ended: 1, Over: limits{1}, OverUnique: limits{1}, Excluded: limits{0, 1}})
	f("client left in the body", 50*time.Millisecond, false, time.Second, Outcome{Status: 200, ClientLeft: true},
		Outcomes{Started: 1, Headed: 1, Ended: 1})
}

func TestTrial_OnlyLaneSplitIsEvidence(t *testing.T) {
	r, trial := NewRecorder(1), NewTrial(nil, false, nil)
	r.Arm(trial)
	for lane := range Lane(Lanes) {
		token := r.Begin(0, lane, 0, -1)
		r.End(&token, 1, Outcome{Status: 500, Reason: Status})
	}
	var got Outcomes
	trial.Outcomes(0, &got)
	if want := (Outcomes{Started: 1, Headed: 1, Ended: 1, Errors: 1, ErrorsUnique: 1}); got != want {
		t.Fatalf("%+v, want %+v", got, want)
	}
}

func TestTrial_BucketCountsOncePerRepeatOnBothVersions(t *testing.T) {
	marks := NewMarks()
	stable, candidate := NewRecorder(1), NewRecorder(1)
	limits := []time.Duration{time.Millisecond}
	trials := map[*Recorder]*Trial{stable: NewTrial(limits, true, marks), candidate: NewTrial(limits, true, marks)}
	for r, trial := range trials {
		r.Arm(trial)
	}
	f := func(r *Recorder, at int64, bucket int32, wantError, wantOver uint64) {
		t.Helper()
		token := r.Begin(0, Split, at, bucket)
		r.Head(&token, at+2*ms, 2*time.Millisecond, 500, true)
		r.End(&token, at+3*ms, Outcome{Status: 500, Reason: Status})
		var got Outcomes
		if !trials[r].Outcomes(TickOf(at), &got) || got.ErrorsUnique != wantError || got.OverUnique[0] != wantOver {
			t.Fatalf("bucket %d at %v: %d errors, %d over, want %d, %d", bucket, time.Duration(at),
				got.ErrorsUnique, got.OverUnique[0], wantError, wantOver)
		}
	}
	f(stable, 100*second, 5, 1, 1)
	f(candidate, 101*second, 5, 0, 0)
	f(candidate, 102*second, 6, 1, 1)
	f(stable, 99*second, 5, 0, 0) // an earlier tick that ends later
	f(candidate, 700*second-100*ms, 5, 0, 0)
	f(candidate, 700*second, 5, 1, 1)
	f(stable, 701*second, 5, 0, 0)
	f(stable, 702*second, -1, 1, 1)
	f(stable, 703*second, -1, 1, 1)
}

func TestMarks_OneOfManyIsFirst(t *testing.T) {
	const rounds = 5000
	marks := NewMarks()
	var firsts atomic.Int64
	lockstep(rounds, func(round int) {
		if marks.errors().first(int32(round), 17) {
			firsts.Add(1)
		}
	}, func(int) {})
	if firsts.Load() != rounds {
		t.Fatalf("%d outcomes counted, want one a bucket", firsts.Load())
	}
}

// inStep is how many goroutines lockstep runs: as many as there are processors,
// so that they do meet.
var inStep = max(2, min(4, runtime.GOMAXPROCS(0)))

// lockstep has goroutines enter each round together, and the last of each do after.
func lockstep(rounds int, do, after func(round int)) {
	arrived := make([]atomic.Int32, rounds)
	var wg sync.WaitGroup
	for range inStep {
		wg.Go(func() {
			for round := range rounds {
				for n := 1; round > 0 && arrived[round-1].Load() < int32(inStep); n++ {
					if n%100 == 0 {
						runtime.Gosched()
					}
				}
				do(round)
				if arrived[round].Add(1) == int32(inStep) {
					after(round)
				}
			}
		})
	}
	wg.Wait()
}

func TestTrial_TickIsGoneWhenTheRingMovedPast(t *testing.T) {
	r, trial := NewRecorder(1), NewTrial(nil, false, nil)
	r.Arm(trial)
	var o Outcomes
	old, stale := r.Begin(0, Split, 0, -1), r.Begin(0, Split, 0, -1)
	if !trial.Outcomes(0, &o) || o.Started != 2 {
		t.Fatalf("tick 0: %+v", o)
	}
	if !trial.Outcomes(ringTicks, &o) || o.Started != 0 {
		t.Fatalf("a tick to come is not empty: %+v", o)
	}
	later := ringTicks * int64(TickLength)
	fresh := r.Begin(0, Split, later, -1)
	if trial.Outcomes(0, &o) {
		t.Fatalf("tick 0 is still there: %+v", o)
	}
	// The late end must not touch the tick that took the slot.
	r.Head(&old, later, time.Duration(later), 500, true)
	r.End(&old, later, Outcome{Status: 500, Reason: Status})
	r.End(&stale, 1, Outcome{Status: 200}) // by a clock that was read long ago
	late := r.Begin(0, Split, 0, -1)
	r.End(&late, 1, Outcome{Status: 200})
	if !trial.Outcomes(ringTicks, &o) || o != (Outcomes{Started: 1}) {
		t.Fatalf("tick %d: %+v", ringTicks, o)
	}
	r.End(&fresh, later, Outcome{Status: 200})
	if !trial.Outcomes(ringTicks, &o) || o != (Outcomes{Started: 1, Headed: 1, Ended: 1}) {
		t.Fatalf("tick %d: %+v", ringTicks, o)
	}
	if trial.Dropped() != 3 {
		t.Fatalf("%d dropped, want the head, the end and the begin that came too late", trial.Dropped())
	}
}

func TestTrial_TooLateForItsTickEvenIfTheSlotIsStillIts(t *testing.T) {
	r, trial := NewRecorder(1), NewTrial(nil, false, nil)
	r.Arm(trial)
	token := r.Begin(0, Split, 0, -1)
	r.End(&token, openTicks*int64(TickLength)+1, Outcome{Status: 200})
	var o Outcomes
	if !trial.Outcomes(0, &o) || o != (Outcomes{Started: 1}) {
		t.Fatalf("%+v", o)
	}
}

// TestTrial_NothingIsLostWhenTicksOpen has all goroutines of one shard enter
// each new tick together, through more ticks than the ring has. Every request is
// slow and an error, so that all counters of the tick are hit.
func TestTrial_NothingIsLostWhenTicksOpen(t *testing.T) {
	r, trial := NewRecorder(1), NewTrial([]time.Duration{time.Millisecond}, false, nil)
	r.Arm(trial)
	var wrong atomic.Int32
	const each = 60
	n := uint64(inStep * each)
	want := Outcomes{Started: n, Headed: n, Ended: n, Errors: n, ErrorsUnique: n}
	want.Over[0], want.OverUnique[0] = n, n
	lockstep(ringTicks+200, func(tick int) {
		at := int64(tick) * int64(TickLength)
		for range each {
			token := r.Begin(0, Split, at, -1)
			r.End(&token, at+second, Outcome{Reason: Timeout})
		}
	}, func(tick int) {
		var o Outcomes
		if !trial.Outcomes(uint32(tick), &o) || o != want {
			wrong.Add(1)
		}
	})
	if wrong.Load() != 0 || trial.Dropped() != 0 {
		t.Fatalf("%d ticks lost counts, %d requests dropped", wrong.Load(), trial.Dropped())
	}
}

func TestTrial_TickThatIsBeingOpenedIsEmptyNotGone(t *testing.T) {
	r, trial := NewRecorder(1), NewTrial(nil, false, nil)
	r.Arm(trial)
	const tick = 7
	var o Outcomes
	f := func(epoch uint64, want bool) {
		t.Helper()
		trial.rings[0].Load().slots[tick].epoch.Store(epoch)
		if got := trial.Outcomes(tick, &o); got != want || o != (Outcomes{}) {
			t.Errorf("epoch %d: %v, %+v", epoch, got, o)
		}
	}
	f(0, true)
	f(ready(tick)|1, true)
	f(ready(tick), true)
	f(ready(tick+ringTicks)|1, false)
	f(ready(tick+ringTicks), false)
}

func TestTrial_ReadsAreConsistentWhileCounting(t *testing.T) {
	limits := []time.Duration{time.Millisecond}
	r, trial := NewRecorder(2), NewTrial(limits, false, nil)
	r.Arm(trial)
	var wg sync.WaitGroup
	var running atomic.Int32
	running.Store(4)
	for g := range 4 {
		wg.Go(func() {
			defer running.Add(-1)
			for i := range 5000 {
				token := r.Begin(uint32(g), Split, 0, -1)
				if i%2 == 0 {
					r.Head(&token, 0, time.Duration(i%3)*time.Millisecond, 500, i%4 == 0)
				}
				r.End(&token, 0, Outcome{Reason: Reason(i % Reasons)})
			}
		})
	}
	for running.Load() > 0 {
		var o Outcomes
		if !trial.Outcomes(0, &o) {
			t.Fatalf("tick 0 is gone")
		}
		if o.ErrorsUnique > o.Errors || o.Errors > o.Ended || o.Ended > o.Headed || o.Headed > o.Started ||
			o.OverUnique[0] > o.Over[0] || o.Over[0]+o.Excluded[0] > o.Headed {
			t.Fatalf("inconsistent: %+v", o)
		}
		var totals Totals
		r.Totals(&totals)
		if totals.InFlight > totals.Begun() || totals.Ended() > totals.Begun() {
			t.Fatalf("%d in flight, %d begun, %d ended", totals.InFlight, totals.Begun(), totals.Ended())
		}
	}
	wg.Wait()
}

func TestNewTrial_RefusesMisuse(t *testing.T) {
	f := func(limits int, keyed bool) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Fatalf("%d limits, keyed %v: no panic", limits, keyed)
			}
		}()
		NewTrial(make([]time.Duration, limits), keyed, nil)
	}
	f(MaxLimits+1, false)
	f(0, true)
}
