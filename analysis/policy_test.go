package analysis

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// triggers is a policy of triggers, named by their conditions.
func triggers(t testing.TB, conditions ...string) Policy {
	t.Helper()
	var p Policy
	for _, text := range conditions {
		c := condition(t, text)
		p.Rules = append(p.Rules, Rule{ID: text, Condition: c, Check: c.Below})
	}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPolicy_ValidateReportsAllProblems(t *testing.T) {
	p := Policy{
		Alpha: math.NaN(), Candidates: -1, LiveNodes: -2, MaxDuration: -1, MinSettle: -1,
		Rules: []Rule{
			{},
			{ID: "a", Condition: condition(t, "error_rate > 1%"), Check: true, Count: 3},
			{ID: "a", Condition: condition(t, "error_rate < 1%"), Patience: time.Millisecond},
			{ID: "b", Condition: condition(t, "health_check == failing"), Check: true, Patience: time.Minute, Count: -1, FromStage: -1, Action: "explode"},
			{ID: "c", Condition: condition(t, "latency_p99 > 200s"), Patience: -1},
		},
	}
	for i := range 9 {
		p.Rules = append(p.Rules, Rule{ID: fmt.Sprint(i), Condition: Condition{Metric: LatencyQuantile, Percentile: 990, Latency: time.Duration(i+1) * time.Second}})
	}
	err := p.Validate()
	if err == nil {
		t.Fatal("no problem")
	}
	for _, want := range []string{
		"alpha is NaN", "candidates is -1", "live_nodes is -2", "max_duration", "min_settle", "10 distinct latency limits",
		"rule 0 has no id", "the condition is missing", `"a" is there twice`, `written with ">"`, "takes a duration, not a count",
		`written with "<"`, "too short", "cannot be a check", "takes a count, not a duration", "count -1", "stage -1", `"explode"`,
		"longer than a node waits", "duration -1ns is negative",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not among the problems:\n%v", want, err)
		}
	}
	if err := (Policy{Rules: DefaultGuard()}).Validate(); err != nil {
		t.Fatalf("the default guard: %v", err)
	}
}

func TestPolicy_LimitsAreDistinctAndRising(t *testing.T) {
	p := triggers(t, "latency_p99 > 500ms", "latency_p50 > 100ms", "latency_p99 < 500ms", "error_rate > 1%", "latency_p99 < 2x baseline")
	if got := p.Limits(); !slices.Equal(got, []time.Duration{100 * time.Millisecond, 500 * time.Millisecond}) {
		t.Fatalf("%v", got)
	}
}

func TestPolicy_PartsOfAlpha(t *testing.T) {
	f := func(p Policy, fast, slow float64) {
		t.Helper()
		if math.Abs(p.alphaFast()-fast) > 1e-12 || math.Abs(p.alphaSlow()-slow) > 1e-12 {
			t.Fatalf("%+v: fast %g, slow %g, want %g, %g", p, p.alphaFast(), p.alphaSlow(), fast, slow)
		}
	}
	f(Policy{}, .0075, .0025)
	f(Policy{LiveNodes: 1, Fuse: true}, .0075, .0025)
	f(Policy{Alpha: .02, Candidates: 2}, .0075, .0025)
	f(Policy{LiveNodes: 3}, .005, .0025)
	f(Policy{LiveNodes: 2, Fuse: true}, .0025/4, 0)
	f(Policy{LiveNodes: 4, Fuse: true}, .0025/4, 0)
	f(Policy{LiveNodes: 5, Fuse: true}, .0025/8, 0)
	f(Policy{LiveNodes: 8, Fuse: true}, .0025/8, 0)
	f(Policy{LiveNodes: 9, Fuse: true}, .0025/16, 0)
}

func TestPolicy_SharesOfTheRulesSumToOne(t *testing.T) {
	p := triggers(t, "error_rate > 1%", "latency_p99 > 200ms", "error_rate < 0.1%", "health_check == failing")
	p.Rules = append(p.Rules, Rule{ID: "n", Condition: condition(t, "error_rate > 5%"), Action: Notify})
	sum := 0.
	for i, st := range NewJudge(p).state.Rules {
		if r := compileRules(p)[i]; r.action() != Notify && len(st.Fast) > 0 {
			sum += r.weight
		}
	}
	if math.Abs(sum-1) > 1e-12 {
		t.Fatalf("the shares sum to %g", sum)
	}
}

func TestPolicy_EstimatesFollowTheRate(t *testing.T) {
	p := triggers(t, "error_rate < 0.1%", "latency_p99 > 200ms", "health_check == failing")
	e := p.Estimates(50)
	if len(e) != 2 || e[0].Pass != 3000 || e[0].PassTime != time.Minute || e[1].Pass != 0 {
		t.Fatalf("%+v", e)
	}
	for _, one := range e {
		if one.Blatant >= one.Double || one.Blatant < 12 || one.DoubleTime <= one.BlatantTime {
			t.Fatalf("%+v", one)
		}
	}
	if e := p.Estimates(0); e[0].PassTime != 0 || e[0].Pass != 3000 {
		t.Fatalf("%+v", e)
	}
}

func TestBinomialTail_IsTheSum(t *testing.T) {
	sum := func(n, x uint64, p float64) float64 {
		total := 0.
		for k := x; k <= n; k++ {
			lc, _ := math.Lgamma(float64(n) + 1)
			a, _ := math.Lgamma(float64(k) + 1)
			b, _ := math.Lgamma(float64(n-k) + 1)
			total += math.Exp(lc - a - b + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
		}
		return total
	}
	for _, n := range []uint64{1, 4, 30, 500, 3000} {
		for _, p := range []float64{.0001, .01, .2, .5, .97} {
			for _, x := range []uint64{1, 2, n / 3, n / 2, n} {
				got, want := binomialTail(n, x, p), sum(n, x, p)
				if x == 0 {
					want = 1
				}
				if math.Abs(got-want) > 1e-10+1e-8*want {
					t.Errorf("n=%d x=%d p=%g: %g, want %g", n, x, p, got, want)
				}
			}
		}
	}
	for _, c := range []struct {
		n, x uint64
		p    float64
		want float64
	}{{10, 0, .5, 1}, {10, 11, .5, 0}, {10, 3, 0, 0}, {10, 3, 1, 1}} {
		if got := binomialTail(c.n, c.x, c.p); got != c.want {
			t.Errorf("%+v: %g", c, got)
		}
	}
	// A busy hour, against the normal approximation far from its tail.
	if got := binomialTail(1e7, 1e5, .01); math.Abs(got-.5) > .01 {
		t.Errorf("half of ten million: %g", got)
	}
}
