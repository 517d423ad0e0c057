package main

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// tableOf makes a table from CPU times in µs, one row a round, of a proxy, two
// rivals and a floor.
func tableOf(rows ...[4]int) *table {
	t := &table{proxies: []*proxy{
		{process: &process{name: "weir"}},
		{process: &process{name: "nginx"}, peer: peer{rival: true}},
		{process: &process{name: "haproxy"}, peer: peer{rival: true}},
		{process: &process{name: "relay"}},
	}}
	for _, row := range rows {
		samples := make([]sample, len(row))
		for i, micros := range row {
			samples[i] = sample{requests: 1000, took: time.Second, cpu: time.Duration(micros) * time.Millisecond}
		}
		t.rounds = append(t.rounds, samples)
	}
	return t
}

func TestTable_RatiosAreTakenWithinARound(t *testing.T) {
	// The second round ran on a machine half as fast.
	table := tableOf([4]int{12, 10, 11, 8}, [4]int{24, 22, 20, 16})
	f := func(over string, want ...float64) {
		t.Helper()
		if got := table.ratios(cpu, 0, over); !slices.Equal(got, want) {
			t.Errorf("ratios over %s: %v, want %v", over, got, want)
		}
	}
	f("nginx", 1.2, 24.0/22)
	f("relay", 1.5, 1.5)
	f(best, 1.2, 1.2) // another rival is the best one in each round
}

func TestTable_BestIsTheHighestRate(t *testing.T) {
	table := tableOf([4]int{1, 1, 1, 1})
	for i, requests := range []int{500, 1000, 2000, 9000} {
		table.rounds[0][i].requests = requests
	}
	if got := table.ratios(rps, 0, best); got[0] != 0.25 {
		t.Errorf("rate over the best rival: %v, want 0.25", got[0])
	}
}

func TestTable_BarIsKeptAtItsLimit(t *testing.T) {
	table := tableOf([4]int{10, 10, 12, 8}, [4]int{10, 10, 12, 8}, [4]int{13, 10, 12, 8})
	f := func(b bar, ok bool, says string) {
		t.Helper()
		text, got := table.judge(b)
		if got != ok || !strings.Contains(text, says) {
			t.Errorf("judge(%+v): %v, %q; want %v and %q", b, got, text, ok, says)
		}
	}
	f(bar{figure: cpu, over: best, limit: 1}, true, "kept")
	f(bar{figure: cpu, over: best, limit: 0.99}, false, "MISSED")
	f(bar{figure: cpu, over: best, limit: 1, upper: true}, false, "MISSED")
	f(bar{figure: cpu, over: "caddy", limit: 1}, true, "not measured")
	f(bar{figure: memory, limit: 1}, true, "kept")
	f(bar{figure: cpu, of: "relay", over: "nginx", limit: 0.8}, true, "kept")
	f(bar{figure: cpu, of: "caddy", over: "nginx", limit: 0.8}, true, "not measured")
	f(bar{figure: cpu, of: "relay", over: "nginx", limit: 0.5, control: true}, false, "control: ")
}

func TestTable_WhoLogsIsHeldAgainstThoseWhoLog(t *testing.T) {
	table := tableOf([4]int{10, 5, 20, 8})
	table.proxies[0].peer.logs, table.proxies[2].peer.logs = true, true
	if got := table.ratios(cpu, 0, best); got[0] != 0.5 {
		t.Errorf("over the best rival: %v, want 0.5", got[0])
	}
	if got := table.others(0); !slices.Equal(got, []string{best, "haproxy"}) {
		t.Errorf("held against %v", got)
	}
}

func TestInterval_HoldsTheMedianAndGrowsWithTheSpread(t *testing.T) {
	f := func(values ...float64) float64 {
		t.Helper()
		low, high := interval(values)
		if m := median(values); low > m || high < m {
			t.Errorf("interval(%v) = %v..%v is beside the median %v", values, low, high, m)
		}
		return high - low
	}
	if width := f(1, 1, 1, 1, 1); width != 0 {
		t.Errorf("equal values have an interval of %v", width)
	}
	narrow := f(0.99, 1, 1.01, 1, 1)
	if wide := f(0.8, 0.9, 1, 1.1, 1.2); wide <= narrow {
		t.Errorf("spread values have an interval of %v, close ones of %v", wide, narrow)
	}
}

func TestMedian_OfEvenNumberIsBetween(t *testing.T) {
	if got := median([]float64{4, 1, 2, 100}); math.Abs(got-3) > 1e-9 {
		t.Errorf("median %v, want 3", got)
	}
}
