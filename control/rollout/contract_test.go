package rollout

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
)

// simulation runs a rollout by a clock of its own: the true Step, collector and
// judge at the plan's true durations, and a world that answers as it is told.
type simulation struct {
	t         *testing.T
	pair      Pair
	svc       configs.Service
	policy    analysis.Policy
	judge     *analysis.Judge
	collector *analysis.Collector
	began     time.Time
	tick      int64 // of analysis.TickLength, since the beginning
	elapsed   time.Duration
	outcomes  map[int64][2]analysis.Outcomes
	owed      [2]float64 // requests of stable and candidate that make no whole one yet
	broken    bool       // the candidate fails two in five requests
	walked    []string   // the weights of the candidate, with when it got them
}

const perTick = 100 // requests: a thousand a second

func newSimulation(t *testing.T, p Pair, svc configs.Service) *simulation {
	s := &simulation{t: t, pair: p, svc: svc, began: p.Rollout.StartedAt, outcomes: map[int64][2]analysis.Outcomes{}}
	if p.Rollout.manual() {
		s.policy = svc.GuardPolicy()
	} else {
		s.policy = p.Rollout.Plan.Policy(svc)
	}
	s.judge = analysis.NewJudge(s.policy)
	s.collector = analysis.NewCollector(s.policy, svc.Timeout.Std(), 0, 0)
	s.note()
	return s
}

func (s *simulation) now() time.Duration { return time.Duration(s.tick) * analysis.TickLength }

// note says when the candidate's weight changed.
func (s *simulation) note() {
	weight := percent(s.pair.Rollout.Weights[s.pair.Rollout.To])
	if n := len(s.walked); n > 0 && fmt.Sprint(s.walked[n-1]) == weight {
		return
	}
	s.walked = append(s.walked, weight)
}

// serve plays the requests of one tick. All of them end within it.
func (s *simulation) serve() {
	r := s.pair.Rollout
	var o [2]analysis.Outcomes
	for i, version := range []string{r.From, r.To} {
		s.owed[i] += perTick * float64(s.pair.Service.Weights[version]) / float64(configs.Whole)
		n := uint64(s.owed[i])
		s.owed[i] -= float64(n)
		o[i] = analysis.Outcomes{Started: n, Headed: n, Ended: n}
		if i == 1 && s.broken {
			bad := (2*n + 4) / 5
			o[i].Errors, o[i].ErrorsUnique = bad, bad
			o[i].ErrorsHalf = [2]uint64{bad / 2, bad - bad/2}
		}
	}
	s.outcomes[s.tick] = o
	delete(s.outcomes, s.tick-2000)
	s.tick++
}

// look judges, and does what a leader and everybody it asks would do.
func (s *simulation) look() {
	r := s.pair.Rollout
	s.judge.SetStage(analysis.Stage{Index: max(r.Stage, 0), Elapsed: s.elapsed, Weight: int(r.Weights[r.To])})
	s.collector.Collect(s.tick, func(at int64) (stable, candidate analysis.Outcomes, ok bool) {
		o, ok := s.outcomes[at]
		return o[0], o[1], ok
	}, s.judge.Observe)
	s.judge.Advance(s.now())
	at := s.began.Add(s.now())
	s.step(Tick{At: at, Verdict: s.judge.Verdict(), CandidateUp: true, BatchUp: true, StableUp: true, Acked: true})
	if s.pair.Rollout.WaitingFor == WaitApproval {
		s.step(Command{At: at, Actor: "ana", Verb: "approve"})
	}
}

func (s *simulation) step(ev Event) {
	s.t.Helper()
	before := s.pair
	next, effects, err := Step(s.pair, ev, s.elapsed)
	if err != nil {
		s.t.Fatalf("%T: %v", ev, err)
	}
	s.pair = next
	if next.Rollout.Stretch() != before.Rollout.Stretch() {
		s.elapsed = 0
	}
	s.note()
	for _, e := range effects {
		switch e := e.(type) {
		case CutNow:
			s.step(CutSeen{At: s.began.Add(s.now()), Cut: e.Cut})
		case RunSmoke:
			s.step(SmokeDone{At: s.began.Add(s.now()), Generation: e.Generation, Run: e.Run, Passed: true})
		}
	}
}

// run goes on until the rollout is over, and returns how long that took.
func (s *simulation) run(limit time.Duration) time.Duration {
	s.t.Helper()
	for !s.pair.Rollout.Phase.Final() {
		if s.now() > limit {
			r := s.pair.Rollout
			s.t.Fatalf("not over after %s: %s in stage %d, %s", limit, r.Phase, r.Stage, r.Reason)
		}
		s.serve()
		s.elapsed += analysis.TickLength
		s.look()
	}
	return s.now()
}

// contract reads a document that must be taken as it stands.
func contract(t *testing.T, name string, kind configs.Kind) *configs.Document {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "configs", "testdata", "contract", name))
	if err != nil {
		t.Fatal(err)
	}
	documents, err := configs.Decode(name, data)
	if err != nil {
		t.Fatal(err)
	}
	for i := range documents {
		if documents[i].Kind() == kind {
			return &documents[i]
		}
	}
	t.Fatalf("%s has no %s", name, kind)
	return nil
}

func startContract(t *testing.T, name string) *simulation {
	t.Helper()
	svc, plan := *contract(t, "shop.yaml", configs.KindService).Service, *contract(t, name, configs.KindRollout).Rollout
	svc.SetDefaults()
	plan.SetDefaults()
	p, err := New("shop-1", plan, svc, NewService(svc, noon), noon, "ana")
	if err != nil {
		t.Fatal(err)
	}
	return newSimulation(t, p, svc)
}

func TestContract_EveryPlanRunsToItsEnd(t *testing.T) {
	f := func(name string, length time.Duration, walked string) {
		t.Helper()
		s := startContract(t, name)
		took := s.run(length + 10*time.Minute)
		r := s.pair.Rollout
		if r.Phase != Succeeded || s.pair.Service.Stable != "green" || s.pair.Service.Previous != "blue" {
			t.Errorf("%s: %s, because %s", name, r.Phase, r.Reason)
		}
		if took < length || took > length+2*time.Second {
			t.Errorf("%s took %s of %s", name, took, length)
		}
		if got := fmt.Sprint(s.walked); got != walked {
			t.Errorf("%s went by %s, not by %s", name, got, walked)
		}
	}
	f("quick-canary.yaml", 15*time.Second, "[0% 5% 25% 100%]")
	f("all-at-once.yaml", 5*time.Minute, "[0% 100%]")
	f("blue-green.yaml", 10*time.Minute, "[0% 100%]")
	f("rolling.yaml", time.Minute, "[0% 50% 100%]")
	f("seed-canary.yaml", 105*time.Minute, "[0% 1% 10% 50% 100%]")
	f("seed-triggers.yaml", 105*time.Minute, "[0% 1% 10% 50% 100%]")
}

func TestContract_EveryPlanPutsABadVersionBack(t *testing.T) {
	f := func(name string, good, within time.Duration) {
		t.Helper()
		s := startContract(t, name)
		for s.now() < good {
			s.serve()
			s.elapsed += analysis.TickLength
			s.look()
		}
		if s.pair.Rollout.Phase.Final() {
			t.Fatalf("%s is over after %s: %s", name, good, s.pair.Rollout.Reason)
		}
		s.broken = true
		took := s.run(good+within) - good
		r := s.pair.Rollout
		if r.Phase != RolledBack || s.pair.Service.Weights["blue"] != configs.Whole || r.Verdict == nil || r.Verdict.Kind != analysis.Fail {
			t.Errorf("%s: %s, because %s", name, r.Phase, r.Reason)
		}
		t.Logf("%s: bad at %s, back after %s: %s", name, good, took, r.Reason)
		again, _, err := Step(s.pair, Tick{At: noon, Verdict: analysis.Verdict{Kind: analysis.Pass}, CandidateUp: true, StableUp: true, Acked: true}, time.Hour)
		if err != nil || !again.Equal(s.pair) {
			t.Errorf("%s: it does not stay over: %v", name, err)
		}
	}
	f("quick-canary.yaml", 7*time.Second, 3*time.Second)
	f("all-at-once.yaml", time.Minute, 3*time.Second)
	f("blue-green.yaml", 9*time.Minute, 3*time.Second)
	f("rolling.yaml", 10*time.Second, 3*time.Second)
	f("seed-canary.yaml", 20*time.Minute, 10*time.Second)
	f("seed-triggers.yaml", 5*time.Minute, 10*time.Second)
	f("seed-triggers.yaml", 100*time.Minute, 3*time.Second)
}

// Weights by hand of the service with a guard make the version stable too.
func TestContract_GuardedWeightsRunToTheirEnd(t *testing.T) {
	svc := *contract(t, "guarded.yaml", configs.KindService).Service
	svc.SetDefaults()
	p, err := NewManual("api-1", map[string]configs.Weight{"v41": 9_000, "v42": 1_000}, svc, NewService(svc, noon), noon, "ana")
	if err != nil {
		t.Fatal(err)
	}
	s := newSimulation(t, p, svc)
	for s.now() < time.Minute {
		s.serve()
		s.elapsed += analysis.TickLength
		s.look()
	}
	s.step(SetWeights{At: noon, Actor: "ana", Weights: map[string]configs.Weight{"v42": configs.Whole}})
	if took := s.run(time.Hour); s.pair.Rollout.Phase != Succeeded || took < 11*time.Minute || took > 11*time.Minute+2*time.Second {
		t.Errorf("%s after %s: %s", s.pair.Rollout.Phase, took, s.pair.Rollout.Reason)
	}
}
