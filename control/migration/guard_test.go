package migration

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// world is one service with its rollouts and the contracts of its database. What
// may be done in it goes through the guards, as in the Controller.
type world struct {
	doc      configs.Service
	state    rollout.Service
	rollouts []rollout.State // the newest first
	records  []Record
	now      time.Time
	ids      int
}

var versions = []string{"v1", "v2", "v3", "blue"}

func newWorld() *world {
	w := &world{now: noon, doc: configs.Service{
		Name: "shop", Application: "shop", Environment: "production", Stable: "v1",
		Routes: []configs.Route{{Path: "/"}}, Versions: map[string]configs.Version{},
	}}
	for i, v := range versions {
		w.doc.Versions[v] = configs.Version{Endpoints: []string{"127.0.0.1:900" + string(rune('0'+i))}}
	}
	w.doc.SetDefaults()
	w.state = rollout.NewService(w.doc, noon)
	return w
}

func (w *world) service() Service {
	return Service{Name: "shop", State: w.state, Rollouts: w.rollouts}
}

// inForce is the rollout in force, with the state.
func (w *world) inForce() (rollout.Pair, bool) {
	for _, r := range w.rollouts {
		if r.ID == w.state.Rollout {
			return rollout.Pair{Rollout: r, Service: w.state}, true
		}
	}
	return rollout.Pair{Service: w.state}, false
}

// guarded takes a person's change in if no contract is against it.
func (w *world) guarded(before, after rollout.Pair) bool {
	s := w.service()
	if before.Rollout.ID != after.Rollout.ID {
		s.Rollouts = append([]rollout.State{after.Rollout}, s.Rollouts...)
	}
	for _, version := range Gained(before, after) {
		if Barred(w.records, s.Releases(version)) != "" {
			return false
		}
	}
	w.take(after)
	return true
}

func (w *world) take(p rollout.Pair) {
	w.state = p.Service
	for i := range w.rollouts {
		if w.rollouts[i].ID == p.Rollout.ID {
			w.rollouts[i] = p.Rollout
			return
		}
	}
	w.rollouts = append([]rollout.State{p.Rollout}, w.rollouts...)
}

func (w *world) begin(to, release string, manual bool) bool {
	w.ids++
	id := "r" + string(rune('0'+w.ids%10)) + strings.Repeat("x", w.ids/10)
	before := rollout.Pair{Service: w.state}
	var after rollout.Pair
	var err error
	if manual {
		after, err = rollout.NewManual(id, map[string]configs.Weight{w.state.Stable: 9_000, to: 1_000}, w.doc, w.state, w.now, "ana")
	} else {
		weight := configs.Weight(500)
		plan := configs.Rollout{
			Service: "shop", To: to, Release: release, Strategy: configs.StrategyCanary, KeepPrevious: configs.Duration(time.Minute),
			Stages: []configs.Stage{{Weight: &weight, Duration: configs.Duration(10 * time.Second)}}, Bake: configs.Duration(20 * time.Second),
		}
		plan.SetDefaults()
		after, err = rollout.New(id, plan, w.doc, w.state, w.now, "ana")
	}
	return err == nil && w.guarded(before, after)
}

// step is what happens to a rollout. What a person asks for is guarded; what weir
// does by itself is not, and neither is an abort.
func (w *world) step(t *rapid.T, p rollout.Pair, ev rollout.Event, elapsed time.Duration) {
	after, _, err := rollout.Step(p, ev, elapsed)
	if _, refused := errors.AsType[*rollout.Refusal](err); refused {
		return
	} else if err != nil {
		t.Fatalf("%T: %v", ev, err)
	}
	if cmd, person := ev.(rollout.Command); person {
		if cmd.Verb == "abort" && len(Gained(p, after)) > 0 {
			t.Fatalf("an abort is asked for %v", Gained(p, after))
		}
		w.guarded(p, after)
		return
	}
	w.take(after)
}

// contract runs one if it has leave.
func (w *world) contract(breaks string) {
	s := w.service()
	r := Record{Name: "drop-" + breaks, Phase: configs.PhaseContract, Breaks: []string{breaks}, State: Contracting, Steps: 1}
	if len(Leave(&r, s.Uses(w.now))) == 0 {
		w.records = append(w.records, r)
	}
}

// reached are all versions that requests may be sent to: those with a weight, and
// the way back.
func (w *world) reached() map[string]string {
	out := map[string]string{w.state.Stable: "stable"}
	for v, weight := range w.state.Weights {
		if weight > 0 {
			out[v] = "weighted"
		}
	}
	if p, ok := w.inForce(); ok {
		out[p.Rollout.From] = "the way back"
	}
	return out
}

// TestGuards_NothingThatRunsIsBroken holds the promise against a dumb twin: it
// knows of each version only what the contracts that were run say of its name, and
// of blue which release was last brought to it.
func TestGuards_NothingThatRunsIsBroken(t *testing.T) {
	seen := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		runs := map[string]string{"v1": "v1", "v2": "v2", "v3": "v3", "blue": "blue"}
		for range rapid.IntRange(5, 60).Draw(t, "steps") {
			p, ok := w.inForce()
			switch rapid.SampledFrom([]string{"begin", "begin", "act", "tick", "tick", "cut", "wait", "contract", "contract", "shared"}).Draw(t, "what") {
			case "begin":
				to := rapid.SampledFrom(versions).Draw(t, "to")
				release := ""
				if to == "blue" {
					release = rapid.SampledFrom([]string{"v1", "v2", "v3"}).Draw(t, "release")
				}
				if w.begin(to, release, rapid.Bool().Draw(t, "manual")) {
					seen["begun"]++
					if release != "" && w.rollouts[0].Plan.Release == release {
						runs["blue"] = release
					}
				}
			case "act":
				if len(w.rollouts) > 0 {
					if !ok {
						p.Rollout = w.rollouts[0]
					}
					verb := rapid.SampledFrom([]string{"promote", "pause", "resume", "abort", "undo"}).Draw(t, "verb")
					w.step(t, p, rollout.Command{At: w.now, Actor: "ana", Verb: verb, Full: rapid.Bool().Draw(t, "full"), Instant: true}, time.Second)
				}
			case "tick":
				if ok {
					w.step(t, p, rollout.Tick{At: w.now, Verdict: analysis.Verdict{Kind: analysis.Pass}, CandidateUp: true, BatchUp: true, StableUp: true, Acked: true}, time.Hour)
				}
			case "cut":
				if len(w.rollouts) > 0 {
					r := w.rollouts[0]
					p.Rollout = r
					c := rollout.Cut{Rollout: r.ID, Service: "shop", Version: r.To, Generation: r.Generation, At: w.now, Reason: "errors", Verdict: analysis.Verdict{Kind: analysis.Fail, Rule: "errors"}}
					w.step(t, p, rollout.CutSeen{At: w.now, Cut: c}, w.now.Sub(r.EndedAt))
				}
			case "shared":
				if len(w.rollouts) > 0 {
					p.Rollout = w.rollouts[0]
					w.step(t, p, rollout.StableBreaks{At: w.now, Rule: "errors"}, w.now.Sub(p.Rollout.EndedAt))
				}
			case "wait":
				w.now = w.now.Add(rapid.SampledFrom([]time.Duration{time.Second, 30 * time.Second, time.Hour}).Draw(t, "for"))
			case "contract":
				n := len(w.records)
				w.contract(rapid.SampledFrom([]string{"v1", "v2", "v3", "blue"}).Draw(t, "breaks"))
				seen["granted"] += len(w.records) - n
			}
			for version, why := range w.reached() {
				for _, r := range w.records {
					if slices.Contains(r.Breaks, version) || slices.Contains(r.Breaks, runs[version]) {
						t.Fatalf("%s (%s) is %s, and %s has run; rollouts: %+v", version, runs[version], why, r.Name, w.rollouts)
					}
				}
			}
		}
	})
	if seen["begun"] < 50 || seen["granted"] < 50 {
		t.Errorf("too little happened to prove anything: %v", maps.Collect(maps.All(seen)))
	}
}

func TestUses_NamesWhyAVersionIsInUse(t *testing.T) {
	w := newWorld()
	if !w.begin("blue", "v2", false) {
		t.Fatal("the rollout was refused")
	}
	f := func(what string, at time.Time, breaks, want string) {
		t.Helper()
		s := w.service()
		got := Leave(&Record{Phase: configs.PhaseContract, Breaks: []string{breaks}}, s.Uses(at))
		if len(got) == 0 && want == "" || len(got) == 1 && strings.Contains(got[0], want) && want != "" {
			return
		}
		t.Errorf("%s: %q stands against a contract that breaks %s, want %q", what, got, breaks, want)
	}
	f("a rollout begins", noon, "v1", "version v1 is stable")
	f("a rollout begins", noon, "v2", "version blue, which is v2, is a candidate of rollout r1 (pending)")
	f("a rollout begins", noon, "v3", "")
	p, _ := w.inForce()
	after, _, err := rollout.Step(p, rollout.Command{At: noon, Verb: "promote", Full: true, Actor: "ana"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	w.take(after)
	f("it succeeded", noon, "v1", "kept for undo until 2026-11-23T12:01:00Z")
	f("an hour later", noon.Add(time.Hour), "v1", "")
	w.state.KeepUntil = noon
	f("nothing is kept", noon.Add(time.Second), "v1", "what rollout r1 took the place of, which is too young until 2026-11-23T12:00:20Z")
	f("nothing is kept", noon.Add(21*time.Second), "v1", "")
	f("nothing is kept", noon.Add(21*time.Second), "v2", "version blue, which is v2, is stable")
	w.rollouts = append([]rollout.State{{ID: "r9", Phase: rollout.Queued, From: "v3", To: "v1", Candidates: []string{"v1"}}}, w.rollouts...)
	f("one is queued", noon.Add(time.Hour), "v1", "a candidate of rollout r9 (queued)")
	f("one is queued", noon.Add(time.Hour), "v3", "")
}

func TestNext_AContractBarsWhatItMayHaveTaken(t *testing.T) {
	contract := Record{Application: "shop", Environment: "production", Name: "drop", Phase: configs.PhaseContract, Breaks: []string{"v1"}, Steps: 2}
	told := func(r Record, state State, done int) Record {
		r.State, r.StepsDone = state, done
		return r
	}
	f := func(old Record, state State, done int, want State, bars bool) Record {
		t.Helper()
		next, err := Next(old, told(contract, state, done), noon)
		if err != nil {
			t.Fatal(err)
		}
		if next.State != want || next.Bars() != bars {
			t.Errorf("%s and %s with %d steps done is %s, bars: %v", old.State, state, done, next.State, next.Bars())
		}
		return next
	}
	f(Record{}, Pending, 0, Pending, false)
	granted := f(Record{}, Contracting, 0, Contracting, true)
	if !granted.GrantedAt.Equal(noon) {
		t.Errorf("%+v", granted)
	}
	f(granted, Pending, 0, Contracting, true)  // it failed, and may be tried again
	f(Record{}, Pending, 1, Contracting, true) // somebody ran it without asking
	f(Record{}, Done, 2, Done, true)           // likewise
	done := f(granted, Done, 2, Done, true)    //
	f(done, Pending, 2, Contracting, true)     // a step was added to it
	if again, err := Next(done, told(contract, Done, 2), noon.Add(time.Hour)); err != nil || !again.DoneAt.Equal(noon) {
		t.Errorf("told again: %+v %v", again, err)
	}
	if less := contract; !granted.Covered(&less) {
		t.Error("what has leave must ask again")
	}
	more := contract
	more.Breaks = []string{"v1", "v2"}
	if granted.Covered(&more) {
		t.Error("leave for v1 is leave for v2")
	}
	for _, bad := range []Record{
		told(Record{Name: "x", Phase: configs.PhaseExpand, Steps: 1}, Contracting, 0),
		told(Record{Name: "x", Phase: configs.PhaseExpand, Steps: 1}, Done, 0),
		told(Record{Name: "x", Phase: configs.PhaseExpand, Steps: 1}, Pending, 2),
	} {
		if _, err := Next(Record{}, bad, noon); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	if _, err := Next(done, told(Record{Name: "drop", Phase: configs.PhaseExpand, Steps: 1}, Done, 1), noon); err == nil {
		t.Error("a contract that was done became an expand")
	}
}

func TestMissing_SaysWhatToRun(t *testing.T) {
	records := []Record{
		{Name: "a", Phase: configs.PhaseExpand, State: Done},
		{Name: "b", Phase: configs.PhaseMigrate, State: Running, Steps: 3, StepsDone: 1},
		{Name: "c", Phase: configs.PhaseContract, State: Pending},
		{Name: "d", Phase: configs.PhaseContract, State: Done},
	}
	got := strings.Join(Missing(records, "production", []string{"a", "b", "c", "d", "e"}), "\n")
	for _, want := range []string{"\"b\" (migrate) is running in production, 1 of 3 steps are done: run `weir migrate up", "\"c\" is a contract: never in the same release as code", "\"e\" was never told of"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if strings.Count(got, "\n") != 2 {
		t.Errorf("more is missing than what is: %s", got)
	}
	if none := Missing(records, "production", []string{"a", "d"}); len(none) > 0 {
		t.Errorf("%q", none)
	}
}
