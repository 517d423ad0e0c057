package analysis

import (
	"encoding/json"
	"testing"
	"time"
)

// fleetOf is the policy of the judge of three nodes' counts.
func fleetOf(t testing.TB, conditions ...string) Policy {
	p := triggers(t, conditions...)
	p.LiveNodes = 3
	return p
}

// inParts feeds ticks of equal counts, with their parts if whole is not set.
func inParts(j *Judge, ticks int, whole bool, parts ...Part) {
	for range ticks {
		s := Sample{At: j.state.Now + TickLength}
		for _, p := range parts {
			s.Stable.Add(p.Stable)
			s.Candidate.Add(p.Candidate)
		}
		if !whole {
			s.Parts = parts
		}
		for _, s.Horizon = range []Horizon{Settled, Final} {
			j.Observe(s)
		}
		j.Advance(s.At)
	}
}

func TestJudge_ABadNodeWithMoreOfTheCandidateIsNobodysFault(t *testing.T) {
	good := Part{Stable: counts(190, 0), Candidate: counts(10, 0)}
	bad := Part{Stable: counts(100, 5), Candidate: counts(100, 5)}
	f := func(condition string, whole, want bool) {
		t.Helper()
		p := fleetOf(t, condition)
		p.Rules[0].Patience = 20 * time.Second
		j := NewJudge(p)
		inParts(j, 600, whole, good, bad)
		if j.Failed() != want {
			t.Errorf("%s, summed %v: failed %v: %+v", condition, whole, j.Failed(), j.Verdict())
		}
	}
	for _, condition := range []string{"error_rate > 1%", "error_rate > 1.5x baseline"} {
		f(condition, false, false)
		f(condition, true, true)
	}
}

func TestJudge_TheSlowPathOfAFleetComparesNodeByNode(t *testing.T) {
	j := NewJudge(fleetOf(t, "error_rate > 1%"))
	window := pair{Stable: counts(100_000, 900), Candidate: counts(10_000, 450)}
	good, bad := Part{Stable: counts(90_000, 400), Candidate: counts(1_000, 0)}, Part{Stable: counts(10_000, 500), Candidate: counts(9_000, 450)}
	j.decideSlow(0, window, []Part{good, bad})
	if j.Failed() {
		t.Fatalf("blamed for the node that it is on: %+v", j.Verdict())
	}
	j.decideSlow(0, window, nil)
	if !j.Failed() {
		t.Fatal("not blamed where nothing is known of the nodes: the case does not bite")
	}
}

func TestMatched_IsNeverBetterThanStable(t *testing.T) {
	f := func(stable Counts, want uint64, parts ...Part) {
		t.Helper()
		if got := matched(stable, parts); got.X != want || got.N != stable.N || got.Raw < stable.Raw {
			t.Errorf("matched(%+v, %+v) = %+v, want %d bad", stable, parts, got, want)
		}
	}
	f(counts(100, 5), 5)
	f(counts(0, 0), 0, Part{Candidate: counts(5, 5)})
	f(counts(100, 5), 5, Part{Stable: counts(100, 5), Candidate: counts(10, 0)})
	f(counts(200, 10), 20, Part{Stable: counts(100, 0)}, Part{Stable: counts(100, 10), Candidate: counts(10, 0)})
	f(counts(200, 10), 10, Part{Stable: counts(100, 0), Candidate: counts(10, 0)}, Part{Stable: counts(100, 10)})
}

func TestJudge_OfAFleetGoesOnAfterARestart(t *testing.T) {
	p := fleetOf(t, "error_rate > 1%", "latency_p99 > 200ms")
	a, b := NewJudge(p), NewJudge(p)
	parts := []Part{{counts(90, 1), counts(10, 1)}, {counts(50, 0), counts(5, 0)}}
	inParts(a, 50, false, parts...)
	if err := json.Unmarshal(mustJSON(t, a), b); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		inParts(a, 1, false, parts...)
		inParts(b, 1, false, parts...)
		if x, y := string(mustJSON(t, a)), string(mustJSON(t, b)); x != y {
			t.Fatalf("it went on differently:\n%s\n%s", x, y)
		}
	}
}

// A judge of one node has no strata, and takes no state of one that does.
func TestJudge_RefusesAFleetsStateOfTheSameShape(t *testing.T) {
	p := fleetOf(t, "latency_p99 > 200ms")
	a := NewJudge(p)
	a.state.Rules[0].Fast[0].Strata = nil
	if err := json.Unmarshal(mustJSON(t, a), NewJudge(p)); err == nil {
		t.Fatal("taken")
	}
}

func TestJudge_OfAFleetObservesWithoutAllocating(t *testing.T) {
	j := NewJudge(fleetOf(t, "error_rate > 1%", "error_rate > 1.5x baseline"))
	parts := []Part{{counts(90, 1), counts(10, 0)}, {counts(90, 0), counts(10, 0)}}
	inParts(j, 700, false, parts...)
	sample := Sample{Stable: counts(180, 1), Candidate: counts(20, 0), Parts: parts, At: j.state.Now}
	if n := testing.AllocsPerRun(100, func() {
		sample.At += TickLength
		for _, sample.Horizon = range []Horizon{Settled, Final} {
			j.Observe(sample)
		}
	}); n != 0 {
		t.Fatalf("%g allocations", n)
	}
}

// A candidate that fails three times as often as stable on each node, and has most
// of its requests on the good one, looks as good as stable by the sums.
func TestJudge_ProvesNothingByWhereRequestsWent(t *testing.T) {
	good := Part{Stable: counts(400, 0), Candidate: counts(400, 4)}
	bad := Part{Stable: counts(400, 40), Candidate: counts(20, 6)}
	f := func(whole, want bool) {
		t.Helper()
		p := fleetOf(t, "error_rate < 1.5x baseline")
		j := NewJudge(p)
		inParts(j, 400, whole, good, bad)
		if got := j.state.Rules[0].Clear[0].Evidence() >= p.passEvidence(); got != want {
			t.Errorf("summed %v: proven %v, want %v (evidence %g)", whole, got, want, j.state.Rules[0].Clear[0].Evidence())
		}
	}
	f(false, false)
	f(true, true)
	honest := NewJudge(fleetOf(t, "error_rate < 1.5x baseline"))
	inParts(honest, 600, false, Part{counts(400, 4), counts(400, 4)}, Part{counts(400, 40), counts(20, 2)})
	if !honest.Verdict().Proven {
		t.Errorf("a good candidate is not proven: %+v", honest.Verdict())
	}
}
