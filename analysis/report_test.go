package analysis

import (
	"strings"
	"testing"
	"time"
)

func TestJudge_ChecksPassOnEnoughRequestsInsideTheLimit(t *testing.T) {
	p := triggers(t, "error_rate < 1%")
	w := newWorld(p)
	w.ticks(29, 0, 0)
	v := w.want(t, Inconclusive)
	if v.Needed != 300 || v.Seen != 290 || !strings.Contains(v.Text, "about 10 more requests") {
		t.Fatalf("%+v", v)
	}
	w.ticks(1, 0, 0)
	w.want(t, Pass)
	w.SetStage(Stage{Index: 1, Weight: 0})
	w.want(t, Pass)
	w.SetStage(Stage{Index: 2, Weight: 2500})
	if v := w.want(t, Inconclusive); v.Seen != 0 {
		t.Fatalf("%+v", v)
	}
	w.ticks(31, 0, 0)
	w.want(t, Pass)
}

func TestJudge_ACheckOutsideItsLimitWithoutProofIsInconclusive(t *testing.T) {
	w := newWorld(triggers(t, "error_rate < 1%"))
	w.ticks(299, 0, 0)
	for range 7 {
		w.ticks(10, 0, 0)
		w.ticks(1, 0, 1)
	}
	w.SetStage(Stage{Weight: 100})
	w.ticks(28, 0, 0)
	w.ticks(1, 0, 1)
	w.ticks(5, 0, 0)
	w.ticks(1, 0, 3)
	w.ticks(1, 0, 0)
	v := w.want(t, Inconclusive)
	if v.Seen < v.Needed || v.CandidateRate <= .01 || !strings.Contains(v.Text, "not proven") {
		t.Fatalf("%+v", v)
	}
}

// A deduplicated count must not make a version look good enough to pass.
func TestJudge_PassesOnRawCounts(t *testing.T) {
	p := triggers(t, "error_rate < 1%")
	p.Keyed = true
	j := NewJudge(p)
	for i := range 100 {
		for _, h := range []Horizon{Settled, Final} {
			j.Observe(Sample{Horizon: h, At: time.Duration(i+1) * TickLength, Stable: Counts{N: 90}, Candidate: Counts{N: 10, Raw: 2}})
		}
	}
	if v := j.Verdict(); v.Kind != Inconclusive {
		t.Fatalf("%+v", v)
	}
}

func TestJudge_MeasuresAStageFromItsChangeOfWeights(t *testing.T) {
	j := NewJudge(triggers(t, "error_rate < 1%"))
	j.Advance(5 * time.Second)
	j.SetStage(Stage{Weight: 2500})
	// Requests of before the change that end after it are not of the stage.
	j.Observe(Sample{Horizon: Final, At: 4 * time.Second, Stable: Counts{N: 90}, Candidate: Counts{N: 1000}})
	j.Observe(Sample{Horizon: Final, At: 6 * time.Second, Stable: Counts{N: 90}, Candidate: Counts{N: 20}})
	if v := j.Verdict(); v.Seen != 20 {
		t.Fatalf("%+v", v)
	}
}

func TestJudge_SettlesBeforeItPasses(t *testing.T) {
	p := triggers(t, "error_rate > 1%")
	p.MinSettle = time.Second
	w := newWorld(p)
	w.SetStage(Stage{Weight: 100})
	w.ticks(5, 0, 0)
	w.want(t, Inconclusive)
	w.ticks(5, 0, 0)
	w.want(t, Pass)
}

func TestJudge_RulesWaitForTheirStage(t *testing.T) {
	p := triggers(t, "error_rate > 1%")
	p.Rules[0].FromStage = 2
	w := newWorld(p)
	w.ticks(30, 0, 5)
	w.want(t, Pass)
	if r := w.Report()[0]; r.State != StateWaiting {
		t.Fatalf("%+v", r)
	}
	w.SetStage(Stage{Index: 2})
	w.want(t, Fail)
}

func TestJudge_NotifyOnlyReports(t *testing.T) {
	p := triggers(t, "error_rate > 1%")
	p.Rules[0].Action = Notify
	w := newWorld(p)
	w.ticks(30, 0, 5)
	w.want(t, Pass)
	if r := w.Report()[0]; r.State != StateFail || r.Action != Notify {
		t.Fatalf("%+v", r)
	}
}

func TestJudge_WhatCannotBeMeasuredIsAnError(t *testing.T) {
	w := newWorld(triggers(t, "error_rate > 1%", "latency_p99 > 200ms"))
	w.CannotMeasure("latency_p99 > 200ms", "the column over_200ms is missing")
	w.ticks(30, 0, 0)
	v := w.want(t, Unmeasured)
	if v.Rule != "latency_p99 > 200ms" || !strings.Contains(v.Text, "over_200ms") {
		t.Fatalf("%+v", v)
	}
}
