package analysis

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// strange draws one thing that clocks, counters and callers do to a judge without
// any request of the candidate having been bad.
func strange(t *rapid.T, w *world) {
	rates := []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 0, 1, 1e-300}
	torn := []Counts{{}, {N: 1, X: 2}, {N: 1, Raw: 2}, {N: 1 << 60}, {N: math.MaxUint64, X: math.MaxUint64, Raw: math.MaxUint64}}
	times := []time.Duration{math.MinInt64, -time.Hour, 0, 1, w.at - time.Hour, w.at}
	at := rapid.SampledFrom(times).Draw(t, "time")
	switch rapid.IntRange(0, 6).Draw(t, "what") {
	case 0: // the clock goes back
		w.Advance(at)
	case 1: // a tick of long ago, again
		for range 20 {
			w.Observe(Sample{At: at, Stable: Counts{N: 450}, Candidate: Counts{N: 50, X: 50, Raw: 50}})
		}
	case 2: // counters that were reset or torn
		w.at += TickLength
		s := Sample{At: w.at, Stable: rapid.SampledFrom(torn).Draw(t, "stable"), Candidate: rapid.SampledFrom(torn).Draw(t, "candidate")}
		s.Horizon = Horizon(rapid.IntRange(0, 7).Draw(t, "horizon"))
		s.Limit = rapid.IntRange(-1, 9).Draw(t, "limit")
		s.Halves = [2]uint64{math.MaxUint64, 1}
		w.Observe(s)
	case 3: // nobody asks
		w.at += time.Duration(rapid.IntRange(1, 3600).Draw(t, "pause")) * time.Second
		w.Advance(w.at)
	case 4:
		w.SetBaseline(w.rules[0].ID, rapid.SampledFrom(rates).Draw(t, "rate"))
	case 5:
		w.SetStage(Stage{Index: 0, Elapsed: at, Weight: rapid.SampledFrom([]int{0, 100, 5000, 10_000}).Draw(t, "weight")})
	case 6: // stable alone
		candidate := w.candN
		w.candN = 0
		w.ticks(rapid.IntRange(1, 50).Draw(t, "ticks"), 1, 0)
		w.candN = candidate
	}
}

// Clock steps, zero traffic, counter resets and values that are no numbers fail no
// version, and what breaks afterwards is still put back.
func TestJudge_StrangeInputFailsNobodyAndHidesNothing(t *testing.T) {
	p := triggers(t, "error_rate > 1%", "error_rate > 1.5x baseline", "latency_p99 > 200ms", "health_check == failing")
	p.Rules[0].Patience = time.Minute
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(p)
		for range rapid.IntRange(1, 30).Draw(t, "events") {
			if rapid.Bool().Draw(t, "traffic") {
				w.ticks(rapid.IntRange(1, 100).Draw(t, "ticks"), 0, 0)
			}
			strange(t, w)
			if w.Failed() {
				t.Fatalf("failed without a bad request: %+v", w.Verdict())
			}
		}
		for _, v := range []any{w.Verdict(), w.Report(), w.Judge} {
			if _, err := json.Marshal(v); err != nil {
				t.Fatal(err) // a number that JSON has no word for
			}
		}

		w.SetStage(Stage{Weight: 1000})
		if rapid.Bool().Draw(t, "by health") {
			w.Health(NoEndpoint, true)
			if !w.Failed() {
				t.Fatal("a candidate without an endpoint stays")
			}
			return
		}
		w.ticks(int(time.Minute/TickLength), 0, 9)
		if !w.Failed() {
			t.Fatalf("nine of ten requests fail for a minute: %+v", w.Verdict())
		}
	})
}
