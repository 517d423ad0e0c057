package analysis

import (
	"strings"
	"testing"
	"time"
)

func TestJudge_ProvesThatEveryCheckHolds(t *testing.T) {
	p := triggers(t, "error_rate < 1%", "client_error_rate < 1.5x baseline", "error_rate > 5%")
	p.Timeout = 10 * time.Second
	j := NewJudge(p)
	proven := func(want bool) {
		t.Helper()
		if v := j.Verdict(); v.Proven != want || want && v.Clearance < 20 {
			t.Fatalf("proven %v with %g: %s", v.Proven, v.Clearance, v.Text)
		}
	}
	j.SetStage(Stage{Weight: 1000})
	feed(j, 99, errorHorizons, 1, counts(90, 0), counts(10, 0))
	proven(false) // nothing is known of client errors
	feed(j, 600, append(errorHorizons, clientHorizons...), 1, counts(90, 0), counts(10, 0))
	proven(true)
	// A new weight may reveal faults: the proof begins anew.
	j.SetStage(Stage{Index: 1, Weight: 5000})
	proven(false)
	feed(j, 90, append(errorHorizons, clientHorizons...), 1, counts(50, 0), counts(50, 0))
	proven(false) // the timeout has not passed
	feed(j, 20, append(errorHorizons, clientHorizons...), 1, counts(50, 0), counts(50, 0))
	proven(true)
}

// What counts once a bucket must not prove that a version is good.
func TestJudge_ProvesOnRawCounts(t *testing.T) {
	p := triggers(t, "error_rate < 1%")
	p.Keyed = true
	j := NewJudge(p)
	feed(j, 1000, errorHorizons, 1, Counts{N: 90}, Counts{N: 10, Raw: 1})
	if v := j.Verdict(); v.Proven || v.Clearance > 1 {
		t.Fatalf("%+v", v)
	}
}

func TestJudge_SaysHowFarADecisionIs(t *testing.T) {
	f := func(bad uint64, ticks int, low, high uint64) {
		t.Helper()
		j := NewJudge(triggers(t, "error_rate < 1%"))
		feed(j, ticks, errorHorizons, 1, counts(900, 0), counts(100, 0))
		if bad > 0 {
			j.state.Rules[0].Measured.Candidate.Raw = bad
		}
		v := j.Verdict()
		if v.Kind != Inconclusive || v.ETA < low || v.ETA > high || (v.ETATime-time.Duration(v.ETA)*time.Millisecond).Abs() > TickLength {
			t.Fatalf("%d bad: %d requests, %s: %s", bad, v.ETA, v.ETATime, v.Text)
		}
	}
	f(0, 2, 100, 100)
	f(15, 10, 4000, 6000) // 1.5 %: theory says 1.3 * 4.9 / .0011 = 5 700 in all
}

func TestJudge_LiteralAsksNothingOfLuck(t *testing.T) {
	f := func(literal bool, want Path) {
		t.Helper()
		p := triggers(t, "error_rate > 1%")
		p.Rules[0].Literal, p.Rules[0].Patience = literal, time.Minute
		j := NewJudge(p)
		for at := time.Second; at <= 2*time.Minute; at += time.Second {
			bad := uint64(0)
			if at%(30*time.Second) == 0 {
				bad = 1
			}
			j.observeSlow(0, Sample{At: at, Stable: counts(30, 0), Candidate: counts(3, bad)})
		}
		if got := j.Verdict(); got.Path != want || want != "" && !strings.Contains(got.Text, "luck was not asked") {
			t.Fatalf("%+v", got)
		}
	}
	f(true, PathLiteral)
	f(false, "")
	p := triggers(t, "error_rate < 1%")
	p.Rules[0].Literal = true
	if p.Validate() == nil {
		t.Fatal("a literal check was taken")
	}
}

func TestJudge_SlowPathOfARelativeLimit(t *testing.T) {
	f := func(stable, candidate Counts, want bool) {
		t.Helper()
		j := NewJudge(triggers(t, "error_rate > 1.5x baseline"))
		j.decideSlow(0, pair{Stable: stable, Candidate: candidate}, nil)
		if j.Failed() != want {
			t.Fatalf("%+v beside %+v: failed %v", candidate, stable, j.Failed())
		}
	}
	f(counts(90_000, 900), counts(10_000, 150), false)
	f(counts(90_000, 900), counts(10_000, 170), false)
	f(counts(90_000, 900), counts(10_000, 300), true)
	// A stable that is hardly known could be that bad itself.
	f(counts(30, 0), counts(10_000, 300), false)
	f(counts(0, 0), counts(10_000, 300), false)
}

func TestBinomialUpper_IsTheInverseOfTheTail(t *testing.T) {
	for _, c := range []struct{ n, x uint64 }{{10, 0}, {100, 3}, {5000, 50}, {5, 5}} {
		p := binomialUpper(c.n, c.x, .01)
		if tail := 1 - binomialTail(c.n, c.x+1, p); c.x < c.n && (tail < .0099 || tail > .0101) || c.x == c.n && p != 1 {
			t.Fatalf("%+v: %g, with a tail of %g", c, p, tail)
		}
	}
}

func TestJudge_SkipsATimeoutAfterALossOfWeight(t *testing.T) {
	f := func(from, to int, want bool) {
		t.Helper()
		p := triggers(t, "error_rate > 1%")
		p.Timeout = 5 * time.Second
		j := NewJudge(p)
		j.SetStage(Stage{Weight: from})
		feed(j, 20, errorHorizons, 1, counts(90, 0), counts(10, 0))
		j.SetStage(Stage{Weight: to})
		feed(j, 49, errorHorizons, 1, counts(90, 0), counts(10, 5))
		if j.Failed() != want {
			t.Fatalf("from %d to %d: failed %v", from, to, j.Failed())
		}
		feed(j, 30, errorHorizons, 1, counts(90, 0), counts(10, 5))
		if !j.Failed() {
			t.Fatal("nothing failed after the timeout")
		}
	}
	f(5000, 1000, false)
	f(1000, 5000, true)
}

func TestJudge_WarmupIsOfLatencyAlone(t *testing.T) {
	p := triggers(t, "error_rate > 1%", "latency_p99 > 200ms")
	p.Warmup = 10 * time.Second
	j := NewJudge(p)
	feed(j, 100, []Horizon{Latency}, 1, counts(90, 0), counts(10, 5))
	if j.Failed() {
		t.Fatal("a cold cache put a version back")
	}
	feed(j, 40, []Horizon{Latency}, 1, counts(90, 0), counts(10, 5))
	if !j.Failed() {
		t.Fatal("still warming up")
	}
	j = NewJudge(p)
	feed(j, 50, errorHorizons, 1, counts(90, 0), counts(10, 5))
	if !j.Failed() {
		t.Fatal("errors waited for the warmup")
	}
}

func TestJudge_WarnsOfErrorsThatComeInClusters(t *testing.T) {
	f := func(halves func(block int) [2]uint64, warned bool) {
		t.Helper()
		j := NewJudge(triggers(t, "error_rate > 1%"))
		for i := range 40 {
			at := time.Duration(i+1) * 15 * time.Second
			j.Observe(Sample{Horizon: Final, At: at, Stable: counts(900, 5), Halves: halves(i)})
		}
		if got := strings.Contains(j.Report()[0].Text, "clusters of clients"); got != warned || j.Phi() == 0 {
			t.Fatalf("phi %g, warned %v", j.Phi(), got)
		}
	}
	f(func(block int) [2]uint64 { return [2]uint64{uint64(2 + block%2), 3} }, false)
	// An outage of all hits both halves.
	f(func(block int) [2]uint64 { return [2]uint64{uint64(500 * (block / 20)), uint64(500*(block/20) + 3)} }, false)
	f(func(block int) [2]uint64 { return [2]uint64{uint64(50 * (block & 2)), uint64(50 * (2 - block&2))} }, true)
}

func TestJudge_NotifySaysWhatItWouldHaveDone(t *testing.T) {
	p := triggers(t, "error_rate > 1%")
	p.Rules[0].Action = Notify
	j := NewJudge(p)
	feed(j, 50, errorHorizons, 1, counts(90, 0), counts(10, 5))
	if r := j.Report()[0]; j.Failed() || r.State != StateFail || !strings.Contains(r.Text, "would have been rolled back") {
		t.Fatalf("%+v", r)
	}
}
