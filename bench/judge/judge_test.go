package main

import (
	"math"
	"os"
	"testing"
	"time"
)

// kept fails the test if a bar is missed. The worlds are those of the full
// suite, with fewer runs.
func kept(t *testing.T, rows ...row) {
	t.Helper()
	for _, r := range rows {
		t.Logf("%s %s: %s (%s)", r.bar, r.what, r.value, r.limit)
		if !r.ok {
			t.Errorf("missed: bar %s, %s: %s, must be %s", r.bar, r.what, r.value, r.limit)
		}
	}
}

func TestJudge_FindsABlatantBreakInAboutASecond(t *testing.T) {
	for _, c := range []struct {
		runs    int
		healthy time.Duration
		limit   float64
	}{{100, 5 * time.Second, 1}, {100, 10 * time.Second, 1}, {100, 15 * time.Second, 1}, {12, 15 * time.Minute, 1.3}} {
		found := timeToVerdict(c.runs, c.healthy, .5)
		if median := quantile(found, .5); !(median > .2 && median <= c.limit) {
			t.Errorf("after %s of health: %.2f s, must be <= %g s", c.healthy, median, c.limit)
		}
	}
}

func TestJudge_ABurstPutsNothingBack(t *testing.T) {
	kept(t, burst(60, 50, 15*time.Second, .001), burst(60, 50, time.Second, 0), burst(60, 500, time.Second, 0))
}

func TestJudge_KeepsItsPromiseOnTheLimit(t *testing.T) {
	kept(t, onTheLimit(40, 1e5, .01, 1), onTheLimit(40, 1e5, .001, 1))
}

func TestJudge_NeedsFewRequests(t *testing.T) {
	kept(t, delay(600, .01, 5), delay(300, .01, 10))
}

// Restarts are what keeps a judge fast after a healthy hour: without them the
// same bar is missed by far, which shows that it can be.
func TestJudge_FindsAFaultAfterLongHealth(t *testing.T) {
	kept(t, afterHealth(10, byJudge))
	if r := afterHealth(5, byCumulativeTest); r.ok {
		t.Errorf("a cumulative test keeps the bar: %s, must be %s", r.value, r.limit)
	}
}

func TestJudge_HoldsInASharedOutage(t *testing.T) {
	for _, o := range outages() {
		kept(t, sharedOutage(5, o)...)
	}
	kept(t, insideTheLimit(10))
}

func TestJudge_HoldsInTheWorldsOfOneBadOutcomePerBucket(t *testing.T) {
	kept(t, chronic(6, 200), distinctClients(6, 500))
}

func TestJudge_ErrorRuleHoldsWhenFailuresAreSlowerOnOneSide(t *testing.T) {
	p := errorRule("error_rate > 1%")
	kept(t, slowerFailures(30, candidate, "error rule", p), slowerFailures(30, stable, "error rule", p))
}

func TestDraws_HaveTheirMeans(t *testing.T) {
	r := source(1, 1)
	p := newPoisson(18)
	var sum, few, many float64
	const runs = 20_000
	for range runs {
		sum += float64(p.draw(r))
		few += float64(binomial(r, 1000, .002))
		many += float64(binomial(r, 20, .3))
	}
	for _, c := range []struct{ got, want float64 }{{sum / runs, 18}, {few / runs, 2}, {many / runs, 6}} {
		if math.Abs(c.got/c.want-1) > .02 {
			t.Errorf("mean %g, want %g", c.got, c.want)
		}
	}
}

func TestPrint_ReportsAMissedBar(t *testing.T) {
	if !print(os.Stderr, []row{{"0", "kept", "1", "1", true}}) || print(os.Stderr, []row{{"0", "missed", "2", "1", false}}) {
		t.Fatal("the outcome of the table is wrong")
	}
}
