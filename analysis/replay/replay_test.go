package replay

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/analysis"
)

// plan judges green against the file's other version.
func plan(t testing.TB, conditions ...string) Plan {
	t.Helper()
	p := Plan{To: "green", Weights: []int{500, 2500, 10_000}}
	for i, text := range conditions {
		c, err := analysis.ParseCondition(text)
		if err != nil {
			t.Fatal(err)
		}
		r := analysis.Rule{ID: fmt.Sprintf("rule-%d", i+1), Condition: c, Check: c.Below}
		if c.Metric != analysis.HealthCheck {
			r.Patience = 10 * time.Second
		}
		p.Policy.Rules = append(p.Policy.Rules, r)
	}
	if err := p.Policy.Validate(); err != nil {
		t.Fatal(err)
	}
	return p
}

// run replays a file and returns its verdicts, the last of all at the end.
func run(t testing.TB, p Plan, text string) []Verdict {
	t.Helper()
	var told []Verdict
	end, err := Run(p, strings.NewReader(text), func(v Verdict) { told = append(told, v) })
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range told {
		if i > 0 && v.Verdict == told[i-1].Verdict {
			t.Fatalf("told twice: %+v", told)
		}
	}
	if len(told) > 0 && told[len(told)-1].Verdict != end.Verdict {
		t.Fatalf("it ends with %+v, and the last change is %+v", end, told[len(told)-1])
	}
	return append(told, end)
}

const head = "# weir counts 1\nt,version,requests,errors,over_200ms\n"

// ticks writes seconds of traffic: 180 requests a second of blue and 20 of
// green, of which so many fail.
func ticks(from, to int, blueBad, greenBad int) string {
	var b strings.Builder
	for t := from; t <= to; t++ {
		fmt.Fprintf(&b, "%d,blue,180,%d,0\n%d,green,20,%d,0\n", t, blueBad, t, greenBad)
	}
	return b.String()
}

func TestRun_TheContractFails(t *testing.T) {
	text, err := os.ReadFile("testdata/counts.csv")
	if err != nil {
		t.Fatal(err)
	}
	got := run(t, plan(t, "error_rate > 1%", "latency_p99 > 200ms"), string(text))
	end := got[len(got)-1]
	if len(got) != 3 || got[0].Verdict != analysis.Pass || end.Verdict != analysis.Fail || end.Rule != "error_rate > 1%" || end.Path != analysis.PathFast {
		t.Fatalf("%+v", got)
	}
	if end.T != 5 || end.CandidateRequests != 19+22+20+18+23 || end.StableRequests != 181+178+180+182+177 || end.Evidence < end.Threshold {
		t.Fatalf("%+v", end)
	}
	got = run(t, plan(t, "error_rate > 60%"), string(text))
	if end := got[len(got)-1]; end.Verdict != analysis.Pass || end.T != 8 || end.CandidateRequests != 162 {
		t.Fatalf("%+v", end)
	}
}

func TestRun_ARuleWithoutItsColumnIsAnError(t *testing.T) {
	f := func(condition, column, text string, want analysis.Kind) {
		t.Helper()
		got := run(t, plan(t, "error_rate > 1%", condition), text)
		end := got[len(got)-1]
		if end.Verdict != want || want == analysis.Unmeasured && !strings.Contains(end.Text, column) {
			t.Errorf("%s: %+v", condition, end)
		}
	}
	f("latency_p99 > 300ms", `"over_300ms"`, head+ticks(1, 20, 0, 0), analysis.Unmeasured)
	f("latency_p99 > 200ms", "", head+ticks(1, 20, 0, 0), analysis.Pass)
	f("client_error_rate > 1.5x baseline", `"client_errors"`, head+ticks(1, 20, 0, 0), analysis.Unmeasured)
	f("latency_p99 > 1.2x baseline", `"over_q50"`, head+ticks(1, 20, 0, 0), analysis.Unmeasured)
	// A failure is proven by what there is.
	f("latency_p99 > 300ms", "", head+ticks(1, 20, 0, 10), analysis.Fail)
}

func TestRun_JudgesLimitsRelativeToStable(t *testing.T) {
	f := func(condition, columns string, green int, want analysis.Kind) {
		t.Helper()
		var b strings.Builder
		fmt.Fprintf(&b, "# weir counts 1\nt,version,requests,errors%s\n", columns)
		more := strings.Count(columns, ",")
		for t := 1; t <= 60; t++ {
			fmt.Fprintf(&b, "%d,blue,180,0%s\n%d,green,20,0%s\n", t, strings.Repeat(",9", more), t, strings.Repeat(fmt.Sprintf(",%d", green), more))
		}
		got := run(t, plan(t, condition), b.String())
		if end := got[len(got)-1]; end.Verdict != want {
			t.Errorf("%s with %d: %+v", condition, green, end)
		}
	}
	f("client_error_rate > 1.5x baseline", ",client_errors", 1, analysis.Pass)
	f("client_error_rate > 1.5x baseline", ",client_errors", 10, analysis.Fail)
	f("latency_p99 > 1.2x baseline", ",over_q50,over_q90,over_q99", 1, analysis.Pass)
	f("latency_p99 > 1.2x baseline", ",over_q50,over_q90,over_q99", 10, analysis.Fail)
}

func TestRun_StableThatBreaksTheRuleTooIsShared(t *testing.T) {
	f := func(text string, want ...analysis.Kind) {
		t.Helper()
		var kinds []analysis.Kind
		for _, v := range run(t, plan(t, "error_rate > 1%"), head+text) {
			kinds = append(kinds, v.Verdict)
		}
		if fmt.Sprint(kinds) != fmt.Sprint(want) {
			t.Errorf("%v, want %v", kinds, want)
		}
	}
	f(ticks(1, 10, 0, 0)+ticks(11, 12, 90, 10)+ticks(13, 40, 0, 0), analysis.Pass, analysis.Shared, analysis.Pass, analysis.Pass)
	// Right after the cut stable fails as the candidate did.
	f(ticks(1, 10, 0, 0)+ticks(11, 15, 0, 10)+ticks(16, 20, 90, 0), analysis.Pass, analysis.Fail, analysis.Shared, analysis.Shared)
	// Long after it, that is another story.
	f(ticks(1, 10, 0, 0)+ticks(11, 15, 0, 10)+ticks(16, 40, 0, 0)+ticks(41, 50, 90, 0), analysis.Pass, analysis.Fail, analysis.Fail)
}

func TestRun_CommentsTellHealthAndStages(t *testing.T) {
	p := plan(t, "error_rate > 1%", "health_check == failing")
	got := run(t, p, head+"# health green failing 4.5\n# health blue failing 30\n"+ticks(1, 8, 0, 0))
	if v := got[1]; v.Verdict != analysis.Fail || v.Path != analysis.PathHealth || v.Rule != "health_check == failing" || v.T != 4.5 || v.CandidateRequests != 80 {
		t.Errorf("%+v", got)
	}
	got = run(t, plan(t, "error_rate > 1%"), head+ticks(1, 8, 0, 0)+"# health green failing 12\n")
	if v := got[len(got)-1]; v.Verdict != analysis.Fail || v.Rule != "health" || v.T != 12 {
		t.Errorf("%+v", got)
	}
	got = run(t, p, head+"# health blue failing 2\n# health green failing 3\n# health green passing 5\n# health blue passing 6\n"+ticks(1, 8, 0, 0))
	if v := got[len(got)-1]; v.Verdict != analysis.Pass || got[1].Verdict != analysis.Shared {
		t.Errorf("%+v", got)
	}
	// A check of the second stage acts from there.
	p = plan(t, "error_rate < 1%")
	p.Policy.Rules[0].FromStage = 1
	if got = run(t, p, head+"# stage 0 0\n"+ticks(1, 30, 0, 10)); got[len(got)-1].Verdict == analysis.Fail {
		t.Errorf("%+v", got)
	}
	// Without a word about stages it acts from the start.
	if got = run(t, p, head+ticks(1, 30, 0, 10)); got[len(got)-1].Verdict != analysis.Fail {
		t.Errorf("%+v", got)
	}
	got = run(t, p, head+"# stage 0 0\n# stage 1 20\n"+ticks(1, 30, 0, 10))
	if v := got[len(got)-1]; v.Verdict != analysis.Fail || v.T != 20 || v.CandidateRequests != 400 {
		t.Errorf("%+v", got)
	}
	// At 100 % there is no baseline: what both versions do looks like the candidate's.
	p = plan(t, "error_rate > 1%")
	for stage := range p.Weights {
		got = run(t, p, fmt.Sprintf("%s# stage %d 0\n", head, stage)+ticks(1, 20, 90, 10))
		failed := slices.ContainsFunc(got, func(v Verdict) bool { return v.Verdict == analysis.Fail })
		if failed != (p.Weights[stage] == 10_000) {
			t.Errorf("stage %d: %+v", stage, got)
		}
	}
}

func TestRun_TheFirstTickAndTheBaselineCount(t *testing.T) {
	evidence := func(text string) float64 {
		t.Helper()
		got := run(t, plan(t, "error_rate > 1%"), head+text)
		return got[len(got)-1].Evidence
	}
	good := ticks(1, 2, 0, 0)
	if with, without := evidence(ticks(0, 0, 0, 10)+good), evidence(good); with <= without {
		t.Errorf("ten errors at 0 give an evidence of %g, none give %g", with, without)
	}
	bad := ticks(1, 2, 0, 2)
	if with, without := evidence("# baseline 0\n"+bad), evidence(bad); with == without {
		t.Errorf("a baseline changes nothing: %g", with)
	}
}

func TestRun_NodesAreSummed(t *testing.T) {
	var one, three strings.Builder
	one.WriteString("# weir counts 1\nt,version,requests,errors\n")
	three.WriteString("# weir counts 1\nt,version,node,requests,errors\n")
	for t := 1; t <= 20; t++ {
		fmt.Fprintf(&one, "%d,blue,90,1\n%d,green,12,3\n", t, t)
		for n := range 3 {
			fmt.Fprintf(&three, "%d,blue,n%d,30,%d\n%d,green,n%d,4,1\n", t, n, n/2, t, n)
		}
	}
	p := plan(t, "error_rate > 1%")
	if a, b := run(t, p, one.String()), run(t, p, three.String()); fmt.Sprint(a) != fmt.Sprint(b) {
		t.Fatalf("%+v\n%+v", a, b)
	}
	// As the fuse of one node of three it has to prove more.
	fuse := run(t, p, strings.Replace(one.String(), "\nt,", "\n# nodes 3\nt,", 1))
	if v := fuse[len(fuse)-1]; v.Verdict != analysis.Fail || v.Path != analysis.PathFuse || v.Threshold < 1000 {
		t.Fatalf("%+v", fuse)
	}
}

func TestRun_AMarginalBreakFailsWhenItsPatienceEndsWithTheData(t *testing.T) {
	p := plan(t, "error_rate > 1%")
	p.Policy.Rules[0].Patience = 100 * time.Second
	text := head + "1,blue,100000,400,0\n1,green,100000,400,0\n"
	for t := 2; t <= 100; t++ {
		text += fmt.Sprintf("%d,blue,10000,40,0\n%d,green,10000,%d,0\n", t, t, 100+t%2*20)
	}
	got := run(t, p, text)
	v := got[len(got)-1]
	if v.Verdict != analysis.Fail || v.T > 100 {
		t.Fatalf("%+v", got)
	}
}

func TestRun_RefusesWhatItCannotJudge(t *testing.T) {
	f := func(p Plan, text, want string) {
		t.Helper()
		_, err := Run(p, strings.NewReader(text), func(Verdict) {})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	p := plan(t, "error_rate > 1%")
	f(p, head+"1,blue,1,0,0\n1,blue,1,0,0\n", "line 4, column 1: blue has two rows at 1")
	f(p, head+"1,blue,1,0,0\n1,red,1,0,0\n", "green, blue and red: say which was stable")
	f(p, head+"# stage 3 1\n", "has 3 stages, counted from 0")
	f(p, head+"2,blue,1,0,0\n# stage 1 1\n", "stands after rows of 2")
	f(p, head+"2,blue,1,0,0\n# baseline 0.1\n", "must stand before the first row")
	p.From = "blue"
	got := run(t, p, head+"1,blue,1,0,0\n1,red,1,1,1\n1,green,1,0,0\n")
	if v := got[len(got)-1]; v.Verdict != analysis.Pass || v.StableRequests != 1 {
		t.Errorf("a version that is neither was judged: %+v", got)
	}
	got = run(t, p, head+"1,blue,1,0,0\n")
	if v := got[len(got)-1]; v.Verdict != analysis.Inconclusive || !strings.Contains(v.Text, "No request of green") {
		t.Errorf("%+v", got)
	}
}

// What failed at once is not slow: it must not make the candidate look worse,
// nor stable better, than its latency was.
func TestRun_ErrorsAreNoEvidenceOfLatency(t *testing.T) {
	var b strings.Builder
	b.WriteString(head)
	for t := 1; t <= 60; t++ {
		fmt.Fprintf(&b, "%d,blue,180,90,0\n%d,green,20,10,1\n", t, t)
	}
	got := run(t, plan(t, "latency_p99 > 200ms"), b.String())
	if v := got[len(got)-1]; v.Verdict == analysis.Fail {
		t.Fatalf("%+v", got)
	}
}

func FuzzRun(f *testing.F) {
	f.Add(head + ticks(1, 3, 0, 10) + "# health green failing 4\n")
	f.Add("# weir counts 1\nt,version,node,requests,errors,errors_unique,over_1s,over_1s_unique\n# stage 1 0.5\n# nodes 2\n0,green,n1,3,1,1,1,1\n")
	f.Add("\ufeff# weir counts 1\r\n# baseline 0.5\r\nrequests,errors,version,t\r\n9,1,blue,0.000000001\r\n")
	f.Add("# weir counts 1\nt,version,requests,errors,over_q50,over_q90,over_q99\n1,green,1,0,0,0,0\n")
	p := plan(f, "error_rate > 1%", "latency_p99 > 200ms", "health_check == failing")
	f.Fuzz(func(t *testing.T, text string) {
		end, err := Run(p, strings.NewReader(text), func(Verdict) {})
		if err == nil && (end.Verdict == "" || end.Evidence < 0 || end.T < 0) {
			t.Fatalf("%+v", end)
		}
	})
}

// million are healthy ticks of both versions.
func million(rows int, tick time.Duration) string {
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	b.WriteString(head)
	for i := range rows / 2 {
		t := seconds(time.Duration(i+1) * tick)
		fmt.Fprintf(&b, "%s,blue,%d,%d,%d\n%s,green,%d,0,0\n", t, 80+r.IntN(40), r.IntN(2), r.IntN(2), t, 5+r.IntN(10))
	}
	return b.String()
}

// BenchmarkRun_AMillionRows must stay under 5 s a run.
func BenchmarkRun_AMillionRows(b *testing.B) {
	p := plan(b, "error_rate > 1%", "latency_p99 > 200ms", "error_rate < 2%")
	for _, tick := range []time.Duration{100 * time.Millisecond, time.Second} {
		b.Run(tick.String(), func(b *testing.B) {
			text := million(1_000_000, tick)
			b.ReportAllocs()
			for b.Loop() {
				if end := run(b, p, text); end[len(end)-1].Verdict == analysis.Fail {
					b.Fatalf("%+v", end)
				}
			}
		})
	}
}

func TestObserve_WhatAFileDoesNotSayLowersTheEvidence(t *testing.T) {
	f := func(requests, errors, over uint64, wantCandidate, wantStable analysis.Counts) {
		t.Helper()
		r := &Row{Requests: requests, Errors: Bad{All: errors, Unique: errors}}
		bad := Bad{All: over, Unique: over}
		if got := slowCandidate(r, bad); got != wantCandidate {
			t.Errorf("%d requests, %d errors, %d slow: candidate %+v, want %+v", requests, errors, over, got, wantCandidate)
		}
		if got := slowStable(r, bad); got != wantStable {
			t.Errorf("%d requests, %d errors, %d slow: stable %+v, want %+v", requests, errors, over, got, wantStable)
		}
	}
	f(20, 0, 3, analysis.Counts{N: 20, X: 3, Raw: 3}, analysis.Counts{N: 20, X: 3, Raw: 3})
	f(20, 10, 0, analysis.Counts{N: 10}, analysis.Counts{N: 20, X: 10})
	f(20, 10, 3, analysis.Counts{N: 13, X: 3, Raw: 3}, analysis.Counts{N: 20, X: 13, Raw: 3})
	f(20, 10, 15, analysis.Counts{N: 20, X: 15, Raw: 15}, analysis.Counts{N: 20, X: 20, Raw: 15})
}
