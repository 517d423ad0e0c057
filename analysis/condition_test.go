package analysis

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestParseCondition_ReadsWhatOperatorsWrite(t *testing.T) {
	f := func(text string, want Condition, canonical string) {
		t.Helper()
		got, err := ParseCondition(text)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Fatalf("%q is %+v, want %+v", text, got, want)
		}
		if got.String() != canonical {
			t.Fatalf("%q is spelt %q, want %q", text, got, canonical)
		}
		again, err := ParseCondition(got.String())
		if err != nil || again != got {
			t.Fatalf("%q does not parse to itself: %+v, %v", got, again, err)
		}
	}
	f("error_rate > 1%", Condition{Metric: ErrorRate, Rate: 10_000}, "error_rate > 1%")
	f("error_rate<0.1%", Condition{Metric: ErrorRate, Rate: 1000, Below: true}, "error_rate < 0.1%")
	f(" error_rate  >\t1.50% ", Condition{Metric: ErrorRate, Rate: 15_000}, "error_rate > 1.5%")
	f("error_rate > 0.0001%", Condition{Metric: ErrorRate, Rate: 1}, "error_rate > 0.0001%")
	f("error_rate > 99.9999%", Condition{Metric: ErrorRate, Rate: 999_999}, "error_rate > 99.9999%")
	f("client_error_rate > 5%", Condition{Metric: ClientErrorRate, Rate: 50_000}, "client_error_rate > 5%")
	f("latency_p99 > 200ms", Condition{Metric: LatencyQuantile, Percentile: 990, Latency: 200 * time.Millisecond}, "latency_p99 > 200ms")
	f("p99_latency > 500ms", Condition{Metric: LatencyQuantile, Percentile: 990, Latency: 500 * time.Millisecond}, "latency_p99 > 500ms")
	f("p99.9_latency < 1.5s", Condition{Metric: LatencyQuantile, Percentile: 999, Latency: 1500 * time.Millisecond, Below: true}, "latency_p99.9 < 1.5s")
	f("latency_p50 < 1m0s", Condition{Metric: LatencyQuantile, Percentile: 500, Latency: time.Minute, Below: true}, "latency_p50 < 1m")
	f("latency_p99 > 275s", Condition{Metric: LatencyQuantile, Percentile: 990, Latency: 275 * time.Second}, "latency_p99 > 4m35s")
	f("error_rate < 1.5x baseline", Condition{Metric: ErrorRate, Times: 1500, Below: true}, "error_rate < 1.5x baseline")
	f("latency_p99 < 1.2x baseline", Condition{Metric: LatencyQuantile, Percentile: 990, Times: 1200, Below: true}, "latency_p99 < 1.2x baseline")
	f("health_check == failing", Condition{Metric: HealthCheck}, "health_check == failing")
	f("smoke_test == failing", Condition{Metric: SmokeTest}, "smoke_test == failing")
	f("memory > 512MiB", Condition{Metric: Memory, Value: 512 << 20}, "memory > 512MiB")
	f("memory > 1024MiB", Condition{Metric: Memory, Value: 1 << 30}, "memory > 1GiB")
	f("memory > 2GB", Condition{Metric: Memory, Value: 2e9}, "memory > 2GB")
	f("memory > 999999936MB", Condition{Metric: Memory, Value: 999999936e6}, "memory > 999999936MB")
	f("memory < 1.5x baseline", Condition{Metric: Memory, Times: 1500, Below: true}, "memory < 1.5x baseline")
	f("cpu > 80%", Condition{Metric: CPU, Value: 800_000}, "cpu > 80%")
	f("cpu > 250.5%", Condition{Metric: CPU, Value: 2_505_000}, "cpu > 250.5%")
	f("orders_per_minute > 100", Condition{Metric: Named, Name: "orders_per_minute", Value: 100e6}, "orders_per_minute > 100")
	f("balance < -0.5", Condition{Metric: Named, Name: "balance", Value: -500_000, Below: true}, "balance < -0.5")
	f("queue > 0", Condition{Metric: Named, Name: "queue"}, "queue > 0")
	f("orders < 0.8x baseline", Condition{Metric: Named, Name: "orders", Times: 800, Below: true}, "orders < 0.8x baseline")
	f("queue > 2x baseline", Condition{Metric: Named, Name: "queue", Times: 2000}, "queue > 2x baseline")
}

func TestParseCondition_SaysWhatIsWrongWhereAndWhatToWrite(t *testing.T) {
	f := func(text string, offset int, problem, remedy string) {
		t.Helper()
		_, err := ParseCondition(text)
		var bad *ConditionError
		if !errors.As(err, &bad) {
			t.Fatalf("%q: no ConditionError but %v", text, err)
		}
		if bad.Offset != offset || !strings.Contains(bad.Problem, problem) || !strings.Contains(bad.Remedy, remedy) {
			t.Fatalf("%q: byte %d: %s; %s\nwant byte %d, %q and %q", text, bad.Offset, bad.Problem, bad.Remedy, offset, problem, remedy)
		}
		if !strings.HasPrefix(err.Error(), "cannot parse condition ") {
			t.Fatalf("%q: %v", text, err)
		}
	}
	f("", 0, "metric is missing", "error_rate")
	f("eror_rate > 1%", 0, `no metric "eror_rate"`, "error_rate")
	f("cpu > 0.8", 6, "no unit", "80%")
	f("cpu > 0%", 6, "fail every version", "80%")
	f("memory > 512", 9, "no unit", "512MiB")
	f("memory > 1.5GiB", 9, "no limit", "512MiB")
	f("memory > 999999999GiB", 9, "too large", "512MiB")
	f("memory == failing", 7, `"=="`, ">")
	f("orders > 1e3", 0, `no metric "orders"`, "of the plan")
	f("orders > 1.0000001", 9, "more than 6 decimals", "plain number")
	f("orders > 10%", 0, `no metric "orders"`, "of the plan")
	f("9orders > 10", 0, `no metric "9orders"`, "of the plan")
	f("error_rate", 10, "no comparison", `">"`)
	f("error_rate 1%", 11, "no comparison", `">"`)
	f("error_rate >= 1%", 11, `">="`, `">"`)
	f("error_rate == 1%", 11, `"=="`, `">"`)
	f("error_rate >", 12, "limit is missing", "0.1%")
	f("error_rate > 1", 13, "no unit", "0.1%")
	f("error_rate > 0.01", 13, "no unit", "0.1%")
	f("error_rate > 200ms", 13, "no unit", "percentage")
	f("error_rate > 0%", 13, "fail every version", "0.1%")
	f("error_rate > 0.000%", 13, "fail every version", "0.1%")
	f("error_rate > 100%", 13, "never breaks", "under 100%")
	f("error_rate > 101%", 13, "never breaks", "under 100%")
	f("error_rate > 99999999999999999999%", 13, "too large", "0.1%")
	f("error_rate > -1%", 13, "negative", "0.1%")
	f("error_rate > 1e1%", 13, "plain decimal", "0.1%")
	f("error_rate > .%", 13, "plain decimal", "0.1%")
	f("error_rate > NaN%", 13, "plain decimal", "0.1%")
	f("error_rate > 0.00001%", 13, "more than 4 decimals", "0.1%")
	f("error_rate > 1% for 5m", 16, `"for 5m" follows`, "one condition")
	f("latency_p0 > 1s", 9, "out of range", "p50 to p99.9")
	f("latency_p49.9 > 1s", 9, "out of range", "p50 to p99.9")
	f("latency_p100 > 1s", 9, "out of range", "p50 to p99.9")
	f("p100_latency > 1s", 1, "out of range", "p50 to p99.9")
	f("latency_p99.99 > 1s", 9, "more than 1 decimals", "latency_p99")
	f("latency_p > 1s", 9, "no percentile", "latency_p99")
	f("latency_pxx > 1s", 9, "no percentile", "latency_p99")
	f("latency_p99 >", 13, "limit is missing", "200ms")
	f("latency_p99 > 200", 14, "no unit", "200ms")
	f("latency_p99 > 1%", 14, "no duration", "200ms")
	f("latency_p99 > -5ms", 14, "negative", "200ms")
	f("latency_p99 > 0s", 14, "fail every version", "200ms")
	f("latency_p99 > 5ns", 14, "too short", "1us")
	f("latency_p99 > 276s", 14, "longer than", "4m35s")
	f("error_rate < 0.5x baseline", 13, "equals stable", "1x baseline")
	f("memory < 0x baseline", 9, "is none", "1.5x baseline")
	f("error_rate < 2x", 15, "of the baseline", "2x baseline")
	f("error_rate < 2x stable", 16, `not of "stable"`, "2x baseline")
	f("error_rate < 5000x baseline", 13, "never breaks", "1000x")
	f("health_check > 3", 13, `not ">"`, "health_check == failing")
	f("health_check == passing", 16, `"passing" is no state`, "health_check == failing")
	f("health_check == failing!", 23, `"!" follows`, "one condition")
	f("smoke_test", 10, `compared with "=="`, "smoke_test == failing")
}

func TestCondition_SharesOfBadRequests(t *testing.T) {
	f := func(text string, want float64) {
		t.Helper()
		if got := condition(t, text).Share(); got != want {
			t.Fatalf("%q allows %g, want %g", text, got, want)
		}
	}
	f("error_rate > 1%", .01)
	f("latency_p99 > 1s", .01)
	f("latency_p50 > 1s", .5)
	f("latency_p99.9 > 1s", .001)
	f("error_rate < 2x baseline", 0)
	f("health_check == failing", 0)
}

func TestCondition_IsAStringInJSON(t *testing.T) {
	var r Rule
	if err := json.Unmarshal([]byte(`{"condition": "p99_latency > 500ms"}`), &r); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(r.Condition)
	if err != nil || string(data) != `"latency_p99 \u003e 500ms"` {
		t.Fatalf("%s, %v", data, err)
	}
	before := r.Condition
	if err := r.Condition.UnmarshalText([]byte("nonsense")); err == nil || r.Condition != before {
		t.Fatal("a bad text changed the condition")
	}
}

func FuzzParseCondition(f *testing.F) {
	for _, seed := range []string{
		"error_rate > 1%", "error_rate < 0.1%", "latency_p99 > 200ms", "p99.9_latency > 1.5s", "error_rate < 1.5x baseline",
		"health_check == failing", "smoke_test == failing", "latency_p > 1", "error_rate > 99999999999%", "\xff > 1%", "error_rate > 1%\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCondition(text)
		if err != nil {
			var bad *ConditionError
			if !errors.As(err, &bad) || bad.Offset < 0 || bad.Offset > len(text) || bad.Problem == "" || bad.Remedy == "" {
				t.Fatalf("%q: %#v", text, err)
			}
			return
		}
		again, err := ParseCondition(c.String())
		if err != nil || again != c {
			t.Fatalf("%q is spelt %q, which is %+v, %v", text, c, again, err)
		}
		if c.counted() && !c.Relative() && !(c.Share() > 0 && c.Share() < 1) {
			t.Fatalf("%q allows a share of %g", text, c.Share())
		}
	})
}

func condition(t testing.TB, text string) Condition {
	t.Helper()
	c, err := ParseCondition(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
