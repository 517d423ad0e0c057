package control

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/analysis/replay"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/proxy/stats"
)

// recorded is a trial that is fed by hand.
func recorded(t testing.TB, conditions ...string) *trial {
	t.Helper()
	var p analysis.Policy
	for i, text := range conditions {
		c, err := analysis.ParseCondition(text)
		if err != nil {
			t.Fatal(err)
		}
		p.Rules = append(p.Rules, analysis.Rule{ID: fmt.Sprintf("rule-%d", i), Condition: c})
	}
	limits := p.Limits()
	tr := &trial{
		id: "shop-1", service: "shop", from: "blue", first: 100,
		stable: stats.NewTrial(limits, false, nil),
		sides:  []*side{{version: "green", recorded: stats.NewTrial(limits, false, nil), judge: analysis.NewJudge(p)}},
	}
	tr.record = newRecord(tr, p)
	return tr
}

// TestRecording_SumsAreTheSameAtEveryAge plays hours in no time: whatever was
// merged, no request is lost but those of before the oldest row.
func TestRecording_SumsAreTheSameAtEveryAge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := layer{ticks: rapid.IntRange(1, 5).Draw(t, "ticks"), most: rapid.IntRange(1, 7).Draw(t, "most"), open: make([]uint32, 2)}
		var all []uint32
		for i := range rapid.IntRange(0, 100).Draw(t, "count") {
			all = append(all, uint32(i))
			l.add([]uint32{uint32(i), 1})
		}
		if want := len(all) / l.ticks; l.count != want || l.count-l.oldest() > l.most {
			t.Fatalf("%d rows of %d, from %d", l.count, want, l.oldest())
		}
		for k := l.oldest(); k < l.count; k++ {
			sum := uint32(0)
			for _, v := range all[k*l.ticks : (k+1)*l.ticks] {
				sum += v
			}
			if row := l.row(k); row[0] != sum || row[1] != uint32(l.ticks) {
				t.Fatalf("row %d is %v, want %d", k, row, sum)
			}
		}
	})
}

func TestRecording_IsFineWhereItIsNewAndCoarseWhereItIsOld(t *testing.T) {
	tr := recorded(t, "error_rate > 1%")
	r := tr.record
	r.layers = [3]layer{{ticks: 1, most: 20}, {ticks: 10, most: 5}, {ticks: 100, most: 3}}
	for i := range r.layers {
		r.layers[i].open = make([]uint32, len(r.cells))
	}
	const ticks = 537
	for i := range ticks {
		clear(r.cells)
		r.cells[0], r.cells[r.shape.width()] = 10, uint32(i%3)
		for k := range r.layers {
			r.layers[k].add(r.cells)
		}
		r.next++
	}
	rec := r.recording("n1", "shop-1", r.next)
	var ends []time.Duration
	stable, last := uint64(0), time.Duration(0)
	for row := range rec.Rows {
		if row.Version == "green" {
			if row.Errors.All != 0 || row.T != last {
				t.Fatalf("%+v", row)
			}
			continue
		}
		end := row.T
		if end <= last {
			t.Fatalf("%s after %s", end, last)
		}
		if want := uint64((end - max(last, 20*time.Second)) / stats.TickLength * 10); row.Requests != want {
			t.Fatalf("the row to %s has %d requests, want %d", end, row.Requests, want)
		}
		last = end
		ends = append(ends, end)
		stable += row.Requests
	}
	// Three hundreds would reach back to 200; tens begin where five of them fit.
	if last != ticks*stats.TickLength || stable != (ticks-200)*10 {
		t.Fatalf("%d requests in rows to %v", stable, ends)
	}
	if fine := ends[len(ends)-1] - ends[len(ends)-2]; fine != stats.TickLength || ends[0] != 30*time.Second {
		t.Fatalf("rows to %v", ends)
	}
}

func TestRecording_WaitsForRequestsAndShowsThemAsTheyStand(t *testing.T) {
	tr := recorded(t, "latency_p99 > 200ms")
	recorder := stats.NewRegistry().Recorder("shop", "green")
	recorder.Arm(tr.sides[0].recorded)
	begin := func(tick int64) stats.Token {
		return recorder.Begin(0, stats.Split, tick*int64(stats.TickLength)+1, -1)
	}
	hung, done := begin(100), begin(101)
	recorder.Head(&done, 101*int64(stats.TickLength)+2, time.Millisecond, 500, true)
	recorder.End(&done, 101*int64(stats.TickLength)+3, stats.Outcome{Status: 500, Reason: stats.Status})
	f := func(tick uint32, final uint32, want string) {
		t.Helper()
		tr.record.keep(tick)
		var text strings.Builder
		if err := tr.record.recording("n1", "shop-1", tick).WriteCSV(&text); err != nil {
			t.Fatal(err)
		}
		_, rows, _ := strings.Cut(text.String(), "blue to green, counted by node n1\n")
		if tr.record.next != final || strings.TrimSpace(rows) != want {
			t.Errorf("at %d: final up to %d, want %d:\n%s\nwant\n%s", tick, tr.record.next, final, text.String(), want)
		}
	}
	f(102, 100, "0.1,green,1,0,0\n0.2,green,1,1,0")
	f(104, 100, "0.1,green,1,0,1\n0.2,green,1,1,0")
	f(100+finalTicks, 100, "0.1,green,1,0,1\n0.2,green,1,1,0")
	f(101+finalTicks, 101+finalTicks, "0.1,green,1,0,1\n0.2,green,1,1,0")
	_ = hung
}

func TestRecording_HealthIsReplayedToo(t *testing.T) {
	tr := recorded(t, "error_rate > 1%", "health_check == failing")
	s := tr.sides[0]
	recorder := stats.NewRegistry().Recorder("shop", "green")
	recorder.Arm(s.recorded)
	for tick := uint32(101); tick < 200; tick++ {
		tr.judged = time.Duration(tick-100) * stats.TickLength
		token := recorder.Begin(0, stats.Split, int64(tick-1)*int64(stats.TickLength)+1, -1)
		recorder.Head(&token, 1, time.Millisecond, 200, false)
		recorder.End(&token, 2, stats.Outcome{Status: 200})
		s.judge.Advance(tr.judged)
		rounds := 0
		if tick >= 170 {
			rounds = 3
		}
		stableUp := tick < 120 || tick >= 130
		s.judge.Health(rounds, stableUp)
		tr.record.look(tr, tick, stableUp)
	}
	want := s.judge.Verdict()
	var text strings.Builder
	if err := tr.record.recording("n1", "shop-1", 200).WriteCSV(&text); err != nil {
		t.Fatal(err)
	}
	plan := replay.Plan{Policy: tr.record.policy, From: "blue", To: "green"}
	got, err := replay.Run(plan, strings.NewReader(text.String()), func(replay.Verdict) {})
	if err != nil || got.Verdict != want.Kind || got.RuleID != want.Rule || got.Path != want.Path || got.T != want.At.Seconds() {
		t.Fatalf("replayed: %+v %v\nwant: %+v\n%s", got, err, want, text.String())
	}
	for _, line := range []string{"# health blue failing 2\n", "# health blue passing 3\n", "# health green failing 7\n"} {
		if !strings.Contains(text.String(), line) {
			t.Errorf("%q is not in\n%s", line, text.String())
		}
	}
}

// After a success nothing is put back any more, and nothing is evidence.
func TestRecording_EndsWithTheRolloutUnlessItFailed(t *testing.T) {
	f := func(fail bool, want int) {
		t.Helper()
		tr := recorded(t, "error_rate > 1%", "health_check == failing")
		if fail {
			tr.sides[0].judge.Health(3, true)
		}
		for tick := uint32(101); tick < 200; tick++ {
			if tick == 150 {
				tr.ended = time.Now()
			}
			tr.record.look(tr, tick, true)
		}
		if got := int(tr.record.next - tr.record.first); got != want {
			t.Errorf("failed %v: %d ticks are kept, want %d", fail, got, want)
		}
	}
	f(false, 50)
	f(true, 99)
}

func TestRecording_IsKeptOfTheLastFifty(t *testing.T) {
	c := &Controller{opts: Options{Node: "n1", Now: func() int64 { return int64(time.Minute) }}}
	for i := range 60 {
		tr := recorded(t, "error_rate > 1%")
		tr.id = fmt.Sprintf("shop-%d", i%55)
		c.shelve(tr)
	}
	if len(c.shelf.byID) != shelved || len(c.shelf.order) != shelved || c.shelf.byID["shop-5"] != nil || c.shelf.byID["shop-4"] == nil {
		t.Fatalf("%d are kept: %v", len(c.shelf.byID), c.shelf.order)
	}
}

func TestRecording_EvidenceSpansTheTrialInBoundedSpace(t *testing.T) {
	tr := recorded(t, "error_rate > 1%")
	var l evidenceLog
	for i := range 24 * 3600 {
		tr.judged = time.Duration(i) * time.Second
		l.look(tr, false)
	}
	points := l.rules[0].Points
	if len(points) < evidencePoints/2-1 || len(points) > evidencePoints || points[0].T > 20*time.Minute || points[len(points)-1].T < 23*time.Hour {
		t.Fatalf("%d points from %s to %s", len(points), points[0].T, points[len(points)-1].T)
	}
	if l.rules[0].Threshold <= 0 || l.rules[0].Crossed != 0 {
		t.Fatalf("%+v", l.rules[0])
	}
}

// What a node wrote of a rollout that it put back fails again when it is judged
// anew, by the same rule and path; under a looser limit it does not.
func TestRecording_OfARollbackFailsAgainWhenReplayed(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	var broken atomic.Bool
	stop := l.traffic(1000, func(version string) bool {
		return version == "green" && broken.Load() && rand.IntN(2) == 0
	})
	defer stop()
	limit, err := analysis.ParseCondition("error_rate > 1%")
	if err != nil {
		t.Fatal(err)
	}
	plan := canary(stage(500, 300*time.Millisecond), stage(1000, time.Minute))
	plan.Rollback.Triggers = []configs.Trigger{{Condition: limit, Duration: configs.Duration(time.Minute)}}
	id := l.do(StartRollout{Plan: plan, Actor: "ana"}).ID
	l.until("green has 10 %", func() bool { return l.picked("green") == 1000 })
	time.Sleep(300 * time.Millisecond)
	broken.Store(true)
	l.until("the state says so", func() bool { return l.phase(id) == "rolled_back" })
	want := l.rollout(id).State.Verdict

	rec, err := l.Recording(t.Context(), id)
	if err != nil || rec == nil {
		t.Fatalf("%v %v", rec, err)
	}
	var text strings.Builder
	if err := rec.WriteCSV(&text); err != nil {
		t.Fatal(err)
	}
	plan.SetDefaults()
	judge := func(plan configs.Rollout) replay.Verdict {
		t.Helper()
		got, err := replay.Run(replay.Plan{Policy: plan.Policy(shop()), To: "green", Weights: []int{500, 1000}}, strings.NewReader(text.String()), func(replay.Verdict) {})
		if err != nil {
			t.Fatalf("%v in\n%s", err, text.String())
		}
		return got
	}
	got := judge(plan)
	if got.Verdict != want.Kind || got.RuleID != want.Rule || got.Path != want.Path || got.T > want.At.Seconds() {
		t.Fatalf("replayed: %+v\nwant: %+v\n%s", got, want, text.String())
	}
	for _, line := range []string{"# weir counts 1\n", "\n# stage 0 ", "\n# stage 1 "} {
		if !strings.Contains(text.String(), line) {
			t.Errorf("%q is not in\n%s", line, text.String())
		}
	}
	loose := plan
	loose.Rollback.Triggers = []configs.Trigger{{Condition: limit}}
	loose.Rollback.Triggers[0].Condition.Rate = 800_000
	if got := judge(loose); got.Verdict == analysis.Fail {
		t.Fatalf("a limit of 80 %%: %+v", got)
	}

	e := rec.Evidence[0]
	if e.Rule != want.Rule || e.Crossed != want.At || e.Points[len(e.Points)-1].Evidence < e.Threshold {
		t.Fatalf("%+v", e)
	}
	stable, candidate, ok := rec.Around(e.Condition, "green", e.Crossed, 10*time.Second)
	if !ok || stable.Bad != 0 || stable.Requests == 0 || candidate.Bad < 4 {
		t.Fatalf("%+v %+v", stable, candidate)
	}
	if rec, err := l.Recording(t.Context(), "shop-none"); rec != nil || err != nil {
		t.Fatalf("%v %v", rec, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Recording(ctx, id); err != nil && ctx.Err() == nil {
		t.Fatal(err)
	}
}
