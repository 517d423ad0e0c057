package analysis

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// measured is a judge of rules on measurements with the given patience.
func measured(t testing.TB, patience time.Duration, conditions ...string) *world {
	t.Helper()
	var p Policy
	for _, text := range conditions {
		text, check := strings.CutPrefix(text, "check ")
		p.Rules = append(p.Rules, Rule{ID: text, Condition: condition(t, text), Patience: patience, Check: check})
	}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	w := newWorld(p)
	w.Health(0, true)
	return w
}

// see lets time pass, then takes a measurement. Stable is NaN where it is not known.
func (w *world) see(after time.Duration, subject string, candidate, stable float64) {
	w.at += after
	w.Advance(w.at)
	m := Measurement{Candidate: candidate}
	if !math.IsNaN(stable) {
		m.Stable = &stable
	}
	w.Measure(subject, m)
}

func TestMeasure_BreaksWhenEveryMeasurementOfThePatienceDoes(t *testing.T) {
	w := measured(t, 30*time.Second, "memory > 512MiB")
	none := math.NaN()
	w.want(t, Inconclusive) // not measured yet
	w.see(time.Second, "memory", 600<<20, none)
	w.see(10*time.Second, "memory", 600<<20, none)
	if v := w.want(t, Inconclusive); !strings.Contains(v.Text, "600MiB on the candidate; it is outside the limit for 10s of 30s") {
		t.Errorf("%q", v.Text)
	}
	w.see(10*time.Second, "memory", 100<<20, none) // one good measurement begins it anew
	w.want(t, Pass)
	w.see(10*time.Second, "memory", 700<<20, none)
	w.see(29*time.Second, "memory", 700<<20, none)
	w.want(t, Inconclusive)
	w.see(time.Second, "memory", 700<<20, none)
	v := w.want(t, Fail)
	if !w.Failed() || v.Path != PathValue || v.Rule != "memory > 512MiB" || v.Value == nil || v.Value.Candidate != 700<<20 || v.Value.Limit != 512<<20 {
		t.Errorf("%+v", v)
	}
	if want := "memory > 512MiB is broken: 700MiB on the candidate; every measurement of 30s said so. The bound on false rollbacks does not cover this rule."; v.Text != want {
		t.Errorf("got  %q\nwant %q", v.Text, want)
	}
}

func TestMeasure_NothingIsLearnedFromWhatCannotBeMeasured(t *testing.T) {
	w := measured(t, 10*time.Second, "orders < 100")
	w.see(time.Second, "orders", 5, math.NaN())
	for range 100 {
		w.at += time.Second
		w.Advance(w.at)
		w.Measure("orders", Measurement{Missing: "the query has no data"})
	}
	if v := w.want(t, Unmeasured); v.Text != "orders < 100 cannot be measured: the query has no data." {
		t.Errorf("%q", v.Text)
	}
	w.see(200*time.Second, "orders", 5, math.NaN()) // after a gap it begins anew
	w.want(t, Inconclusive)
	w.see(10*time.Second, "orders", 5, math.NaN())
	w.want(t, Fail)

	w = measured(t, 10*time.Second, "orders < 100")
	for range 50 {
		w.see(time.Second, "orders", math.NaN(), math.NaN())
		w.see(time.Second, "orders", math.Inf(-1), math.NaN())
	}
	w.want(t, Unmeasured)
}

func TestMeasure_StableThatBreaksTheLimitTooIsShared(t *testing.T) {
	w := measured(t, 10*time.Second, "cpu > 80%")
	for range 20 {
		w.see(time.Second, "cpu", 1.2, 0.9)
	}
	if v := w.want(t, Shared); !strings.Contains(v.Text, "120% on the candidate, 90% on stable") {
		t.Errorf("%q", v.Text)
	}
	w.see(time.Second, "cpu", 1.2, 0.2)
	w.want(t, Fail)
}

func TestMeasure_IsComparedWithStable(t *testing.T) {
	w := measured(t, 10*time.Second, "memory > 1.5x baseline")
	w.see(time.Second, "memory", 1e9, math.NaN())
	if v := w.want(t, Unmeasured); !strings.Contains(v.Text, "stable shows no value") {
		t.Errorf("%q", v.Text)
	}
	for range 12 {
		w.see(time.Second, "memory", 1<<30, 1<<30)
	}
	w.want(t, Pass)
	for range 12 {
		w.see(time.Second, "memory", 2<<30, 1<<30)
	}
	if v := w.want(t, Fail); !strings.Contains(v.Text, "2GiB on the candidate, 1GiB on stable; the limit is 1.5GiB") {
		t.Errorf("%q", v.Text)
	}
}

func TestMeasure_AChecksLimitMustHold(t *testing.T) {
	w := measured(t, 10*time.Second, "check orders > 100", "check cpu < 80%")
	w.SetStage(Stage{Index: 0, Weight: 100})
	w.see(time.Second, "orders", 150, math.NaN())
	w.want(t, Inconclusive) // cpu is not measured yet
	w.see(0, "cpu", .1, math.NaN())
	w.want(t, Pass)
	w.SetStage(Stage{Index: 1, Weight: 1000})
	w.want(t, Inconclusive) // of the weight before
	w.see(time.Second, "orders", 150, math.NaN())
	w.see(0, "cpu", .1, math.NaN())
	w.want(t, Pass)
	w.see(time.Second, "orders", 50, math.NaN())
	w.see(10*time.Second, "orders", 50, math.NaN())
	if v := w.want(t, Fail); v.Rule != "orders > 100" {
		t.Errorf("%+v", v)
	}
}

func TestMeasure_WaitsForItsStageAndForStable(t *testing.T) {
	w := measured(t, time.Second, "cpu > 80%")
	w.rules[0].FromStage = 1
	for range 5 {
		w.see(time.Second, "cpu", 2, math.NaN())
	}
	w.want(t, Pass)
	w.Health(0, false)
	w.SetStage(Stage{Index: 1, Weight: 100})
	w.see(time.Second, "cpu", 2, math.NaN())
	w.want(t, Inconclusive) // stable has no endpoint that could take the traffic
	w.Health(0, true)
	w.want(t, Fail)
}

func TestMeasure_ANotifyRuleOnlyObserves(t *testing.T) {
	w := measured(t, time.Second, "cpu > 80%")
	w.rules[0].Action = Notify
	for range 5 {
		w.see(time.Second, "cpu", 2, math.NaN())
	}
	w.want(t, Pass)
	if r := w.Report()[0]; r.State != StateFail || !strings.Contains(r.Text, "only observes") {
		t.Errorf("%+v", r)
	}
}

// No run of measurements without one beyond the limit fails, whatever was missing
// between; and the state that went through JSON goes on as if it had not.
func TestMeasure_AgreesWithADumbTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		patience := time.Duration(rapid.IntRange(1, 60).Draw(t, "patience")) * time.Second
		p := Policy{Rules: []Rule{{ID: "x", Condition: Condition{Metric: Named, Name: "x", Value: 10e6}, Patience: patience}}}
		j := NewJudge(p)
		j.Health(0, true)
		type seen struct {
			at    time.Duration
			value float64
		}
		var good []seen
		now, failed := time.Duration(0), false
		for range rapid.IntRange(1, 60).Draw(t, "n") {
			now += time.Duration(rapid.IntRange(1, 200).Draw(t, "gap")) * time.Second
			j.Advance(now)
			if rapid.Bool().Draw(t, "measured") {
				v := rapid.SampledFrom([]float64{9, 10, 11}).Draw(t, "value")
				j.Measure("x", Measurement{Candidate: v})
				good = append(good, seen{now, v})
				// The twin looks back from here as long as it is unbroken.
				since := now
				for i := len(good) - 1; i >= 0 && good[i].value > 10 && since-good[i].at <= valueGap; i-- {
					since = good[i].at
				}
				failed = failed || v > 10 && now-since >= patience
			} else {
				j.Measure("x", Measurement{Missing: "no data"})
			}
			raw, err := json.Marshal(j)
			if err != nil {
				t.Fatal(err)
			}
			j = NewJudge(p)
			if err := json.Unmarshal(raw, j); err != nil {
				t.Fatal(err)
			}
			if j.Failed() != failed {
				t.Fatalf("failed is %v, the twin says %v: %+v", j.Failed(), failed, good)
			}
		}
	})
}

func TestSmoke_FailsAfterItsCountUnlessStableFailsToo(t *testing.T) {
	p := triggers(t, "smoke_test == failing")
	p.Rules[0].Count = 2
	w := newWorld(p)
	w.Health(0, true)
	w.Smoke(1, false, "GET /: 500, not 200")
	w.want(t, Pass)
	w.Smoke(2, true, "GET /: 500, not 200")
	if v := w.want(t, Shared); !strings.Contains(v.Text, "stable fails them too") {
		t.Errorf("%q", v.Text)
	}
	w.Smoke(0, false, "")
	w.want(t, Pass)
	w.Smoke(2, false, "GET /: 500, not 200")
	v := w.want(t, Fail)
	if want := "smoke_test == failing: the candidate failed 2 rounds of smoke checks in a row: GET /: 500, not 200. The bound on false rollbacks does not cover this rule."; v.Text != want || v.Path != PathSmoke {
		t.Errorf("%s: %q", v.Path, v.Text)
	}
}

func TestSmoke_DoesNotFailWhileStableIsDown(t *testing.T) {
	w := newWorld(triggers(t, "smoke_test == failing"))
	w.Health(0, false)
	w.Smoke(9, false, "no answer")
	if w.Failed() {
		t.Error("failed with nowhere to go")
	}
	w.Health(0, true)
	w.want(t, Fail)
}
