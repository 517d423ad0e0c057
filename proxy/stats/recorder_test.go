package stats

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirproxy/weir/analysis/hist"
)

const (
	second = int64(time.Second)
	ms     = int64(time.Millisecond)
)

// sameTotals compares a Recorder with the twin.
func sameTotals(t rapid.TB, r *Recorder, w *twin) {
	t.Helper()
	var got Totals
	r.Totals(&got)
	for code, n := range got.Codes {
		if n != w.codes[code] {
			t.Fatalf("code %d: %d, want %d", code, n, w.codes[code])
		}
	}
	for reason, n := range got.Reasons {
		if n != w.reasons[Reason(reason)] {
			t.Fatalf("reason %v: %d, want %d", Reason(reason), n, w.reasons[Reason(reason)])
		}
	}
	for lane, n := range got.Lanes {
		if n != w.lanes[Lane(lane)] {
			t.Fatalf("lane %v: %d, want %d", Lane(lane), n, w.lanes[Lane(lane)])
		}
	}
	if got.InFlight != w.inFlight {
		t.Fatalf("in flight: %d, want %d", got.InFlight, w.inFlight)
	}
	var latency hist.Counts
	var sum time.Duration
	for _, d := range w.latency {
		latency[hist.Index(d)]++
		sum += hist.Mid(hist.Index(d))
	}
	if got.Latency != latency || got.LatencySum != sum {
		t.Fatalf("latencies differ: sum %v, want %v", got.LatencySum, sum)
	}
}

func TestRecorder_CountsAsItsTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := []time.Duration{50 * time.Millisecond, 2 * time.Second, 200 * time.Millisecond}
		keyed := rapid.Bool().Draw(t, "keyed")
		r, w := NewRecorder(rapid.IntRange(0, 5).Draw(t, "shards")), newTwin(limits, keyed)
		trial := NewTrial(limits, keyed, NewMarks())
		r.Arm(trial)

		type open struct {
			token Token
			twin  *twinRequest
		}
		var requests []*open
		now := int64(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now += rapid.Int64Range(0, second/2).Draw(t, "pause")
			if from := TickOf(now) + 1; rapid.IntRange(0, 7).Draw(t, "levels") == 0 && len(w.levels) < levelsKept && (len(w.levels) == 0 || from > w.levels[len(w.levels)-1].From) {
				l := Levels{From: from}
				for k := range l.At {
					l.At[k] = time.Duration(rapid.IntRange(0, 20).Draw(t, "level")) * 50 * time.Millisecond
				}
				trial.SetLevels(l)
				w.levels = append(w.levels, l)
			}
			if len(requests) == 0 || rapid.Bool().Draw(t, "begin") {
				lane := rapid.SampledFrom([]Lane{Split, Split, Split, Forced, Failover, Replay, Mirror, Probe}).Draw(t, "lane")
				bucket := int32(rapid.IntRange(-1, 2).Draw(t, "bucket"))
				shard := rapid.Uint32().Draw(t, "shard")
				requests = append(requests, &open{r.Begin(shard, lane, now, bucket), w.begin(lane, now, bucket)})
				continue
			}
			i := rapid.IntRange(0, len(requests)-1).Draw(t, "request")
			q := requests[i]
			if !q.twin.headed && rapid.Bool().Draw(t, "head") {
				latency := time.Duration(now - q.twin.at)
				bad := rapid.Bool().Draw(t, "bad")
				status := rapid.SampledFrom([]int{200, 404, 499}).Draw(t, "head status")
				r.Head(&q.token, now, latency, status, bad)
				w.head(q.twin, latency, status, bad)
				continue
			}
			o := Outcome{
				Reason:     Reason(rapid.IntRange(0, Reasons-1).Draw(t, "reason")),
				Status:     rapid.SampledFrom([]int{0, 200, 404, 503, 599}).Draw(t, "status"),
				ClientLeft: rapid.Bool().Draw(t, "left"),
			}
			r.End(&q.token, now, o)
			w.end(q.twin, now, o)
			if q.token != (Token{}) {
				t.Fatalf("the token is not zero after End")
			}
			requests = append(requests[:i], requests[i+1:]...)
		}
		sameTotals(t, r, w)
		for tick := uint32(0); tick <= TickOf(now); tick++ {
			var got, want Outcomes
			if o := w.ticks[tick]; o != nil {
				want = *o
			}
			if !trial.Outcomes(tick, &got) || got != want {
				t.Fatalf("tick %d: %+v, want %+v", tick, got, want)
			}
		}
	})
}

// sent is one request that run sent.
type sent struct {
	lane    Lane
	at      int64
	bucket  int32
	latency time.Duration
	headed  bool
	bad     bool
	outcome Outcome
}

// run sends requests from many goroutines at once, each with a connection, a
// clock and a random source of its own. The twin gets them afterwards: its
// mutex would keep the goroutines out of each other's way.
func run(r *Recorder, w *twin, goroutines, requests int, between func(goroutine, i int)) {
	log := make([][]sent, goroutines)
	for g := range log {
		rng := rand.New(rand.NewPCG(uint64(g), 1))
		now := int64(0)
		for range requests {
			now += rng.Int64N(2 * ms)
			log[g] = append(log[g], sent{
				lane: Lane(rng.IntN(Lanes)), at: now, bucket: int32(rng.IntN(101)) - 1,
				latency: time.Duration(rng.Int64N(400 * ms)),
				headed:  rng.IntN(4) > 0, bad: rng.IntN(10) == 0,
				outcome: Outcome{Reason: Reason(rng.IntN(Reasons)), Status: 200 + rng.IntN(4)},
			})
		}
	}
	var wg sync.WaitGroup
	for g := range log {
		wg.Go(func() {
			for i, q := range log[g] {
				if between != nil {
					between(g, i)
				}
				token := r.Begin(uint32(g), q.lane, q.at, q.bucket)
				if q.headed {
					r.Head(&token, q.at+int64(q.latency), q.latency, 200, q.bad)
				}
				r.End(&token, q.at+int64(q.latency), q.outcome)
			}
		})
	}
	wg.Wait()
	for g := range log {
		for _, q := range log[g] {
			twin := w.begin(q.lane, q.at, q.bucket)
			if q.headed {
				w.head(twin, q.latency, q.outcome.Status, q.bad)
			}
			w.end(twin, q.at+int64(q.latency), q.outcome)
		}
	}
}

func TestRecorder_LosesNothingBetweenGoroutines(t *testing.T) {
	limits := []time.Duration{100 * time.Millisecond, 300 * time.Millisecond}
	r, w := NewRecorder(2), newTwin(limits, true)
	trial := NewTrial(limits, true, NewMarks())
	r.Arm(trial)
	run(r, w, 8, 10_000, nil)

	sameTotals(t, r, w)
	var got, want Outcomes
	for tick := range uint32(110) {
		var o Outcomes
		if !trial.Outcomes(tick, &o) {
			t.Fatalf("tick %d is gone", tick)
		}
		sum(&got, &o)
		if o := w.ticks[tick]; o != nil {
			sum(&want, o)
		}
	}
	// Which tick a bucket's first bad outcome is in depends on the schedule, how
	// many buckets had one does not.
	if got != want {
		t.Fatalf("over all ticks: %+v, want %+v", got, want)
	}
}

func sum(out, o *Outcomes) {
	out.Started += o.Started
	out.Headed += o.Headed
	out.Ended += o.Ended
	out.Errors += o.Errors
	out.ErrorsUnique += o.ErrorsUnique
	for k := range MaxLimits {
		out.Over[k] += o.Over[k]
		out.OverUnique[k] += o.OverUnique[k]
		out.Excluded[k] += o.Excluded[k]
	}
}

func TestRecorder_ArmAndDisarmLoseNoTotals(t *testing.T) {
	limits := []time.Duration{100 * time.Millisecond}
	r, w := NewRecorder(2), newTwin(limits, false)
	trials := make([]*Trial, 40)
	for i := range trials {
		trials[i] = NewTrial(limits, false, nil)
	}
	run(r, w, 8, 800, func(g, i int) {
		if g != 0 || i%10 != 0 {
			return
		}
		if n := i / 10; n%2 == 0 {
			r.Arm(trials[n/2])
		} else {
			r.Disarm()
		}
	})

	sameTotals(t, r, w)
	var started uint64
	for _, trial := range trials {
		for tick := range uint32(100) {
			var o Outcomes
			if !trial.Outcomes(tick, &o) || o.Started != o.Headed || o.Started != o.Ended {
				t.Fatalf("a trial that was armed for a while has ends of others: %+v", o)
			}
			started += o.Started
		}
	}
	if started == 0 {
		t.Fatalf("no trial counted anything")
	}
}

func TestRecorder_LateEndGoesToTheTrialOfItsBegin(t *testing.T) {
	r := NewRecorder(1)
	first, second := NewTrial(nil, false, nil), NewTrial(nil, false, nil)
	before := r.Begin(0, Split, 0, -1)
	r.Arm(first)
	during := r.Begin(0, Split, 0, -1)
	r.Arm(second)
	r.End(&before, 1, Outcome{Status: 200})
	r.End(&during, 1, Outcome{Status: 200})

	f := func(trial *Trial, want Outcomes) {
		t.Helper()
		var got Outcomes
		if !trial.Outcomes(0, &got) || got != want {
			t.Fatalf("%+v, want %+v", got, want)
		}
	}
	f(first, Outcomes{Started: 1, Headed: 1, Ended: 1})
	f(second, Outcomes{})
}

func TestRecorder_SecondEndAndZeroTokenCountNothing(t *testing.T) {
	r := NewRecorder(1)
	token := r.Begin(0, Split, 0, -1)
	for range 2 {
		r.Head(&token, 1, 1, 200, false)
	}
	for range 3 {
		r.End(&token, 1, Outcome{Status: 200})
		r.Head(&token, 1, 1, 200, false)
	}
	var got Totals
	r.Totals(&got)
	if got.Ended() != 1 || got.Begun() != 1 || got.InFlight != 0 || got.Latency.Total() != 1 {
		t.Fatalf("ended %d, begun %d, in flight %d, latencies %d", got.Ended(), got.Begun(), got.InFlight, got.Latency.Total())
	}
}

func TestRecorder_StrangeStatusIsNoCode(t *testing.T) {
	r := NewRecorder(1)
	for _, status := range []int{-1, 0, 600, 999, 1 << 40} {
		token := r.Begin(0, Split, 0, -1)
		r.End(&token, 1, Outcome{Status: status})
	}
	var got Totals
	r.Totals(&got)
	if got.Codes[0] != 5 {
		t.Fatalf("%d without a code, want 5", got.Codes[0])
	}
}

func TestNewRecorder_RoundsShardsUp(t *testing.T) {
	f := func(shards, want int) {
		t.Helper()
		if got := len(NewRecorder(shards).shards); got != want {
			t.Fatalf("NewRecorder(%d) has %d shards, want %d", shards, got, want)
		}
	}
	f(-1, 1)
	f(0, 1)
	f(1, 1)
	f(2, 2)
	f(3, 4)
	f(8, 8)
	f(9, 16)
	f(1000, MaxShards)
}
