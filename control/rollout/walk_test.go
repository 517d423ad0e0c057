package rollout

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// happening is an event with the stage time that it comes at.
type happening struct {
	name    string
	event   Event
	elapsed time.Duration
}

// happenings are all that may happen to p, the odd included.
func happenings(p Pair) []happening {
	at := p.Rollout.UpdatedAt.Add(time.Second)
	var all []happening
	add := func(elapsed time.Duration, ev Event, format string, args ...any) {
		all = append(all, happening{fmt.Sprintf(format, args...), ev, elapsed})
	}
	for _, kind := range []string{"pass", "fail", "fail-pause", "inconclusive", "shared", "error", "none"} {
		for _, elapsed := range []time.Duration{0, 10 * time.Second, time.Hour} {
			tick := Tick{At: at, Verdict: verdictOf(kind), CandidateUp: true, BatchUp: true, StableUp: true, Acked: true}
			if len(p.Rollout.Candidates) > 1 {
				tick.Candidates = map[string]analysis.Verdict{p.Rollout.Candidates[0]: verdictOf(kind), p.Rollout.Candidates[1]: verdictOf("pass")}
			}
			add(elapsed, tick, "tick %s %s", elapsed, kind)
		}
	}
	for _, amiss := range []Tick{
		{BatchUp: true, StableUp: true, Acked: true}, {CandidateUp: true, BatchUp: true, Acked: true},
		{CandidateUp: true, BatchUp: true, StableUp: true}, {CandidateUp: true, StableUp: true, Acked: true},
	} {
		amiss.At, amiss.Verdict = at, verdictOf("pass")
		add(time.Hour, amiss, "tick up=%v batch=%v stable=%v acked=%v", amiss.CandidateUp, amiss.BatchUp, amiss.StableUp, amiss.Acked)
		amiss.Verdict = verdictOf("fail")
		add(time.Hour, amiss, "tick fail up=%v batch=%v stable=%v acked=%v", amiss.CandidateUp, amiss.BatchUp, amiss.StableUp, amiss.Acked)
	}
	for _, passed := range []bool{true, false} {
		run := 1
		if p.Rollout.Smoke != nil {
			run += p.Rollout.Smoke.Runs
		}
		add(time.Second, SmokeDone{At: at, Generation: p.Rollout.Generation, Run: run, Passed: passed, Text: "GET /"}, "smoke passed=%v", passed)
	}
	add(time.Second, SmokeDone{At: at, Generation: p.Rollout.Generation - 1, Run: 1, Passed: true}, "smoke of the build before")
	for _, verb := range []string{"pause", "resume", "promote", "abort", "undo", "retry", "dance"} {
		add(3*time.Second, Command{At: at, Actor: "ana", Verb: verb}, "%s", verb)
	}
	add(0, Command{At: at, Actor: "ana", Verb: "promote", Full: true}, "promote full")
	for _, version := range []string{p.Rollout.To, "red", "blue"} {
		for generation := max(0, p.Rollout.Generation-1); generation <= p.Rollout.Generation; generation++ {
			c := p.cut(version, "", "errors", at)
			c.Node, c.Generation, c.Verdict = "edge-1", generation, verdictOf("fail")
			add(0, CutSeen{At: at, Cut: c}, "cut %s %d", version, generation)
			c.Actor = "ana"
			add(0, CutSeen{At: at, Cut: c}, "cut %s %d by ana", version, generation)
		}
	}
	add(0, CutSeen{At: at, Cut: Cut{Rollout: "another", Version: "green"}}, "cut of another")
	add(0, StableBreaks{At: at, Rule: "errors"}, "stable breaks errors")
	add(time.Hour, StableBreaks{At: at, Rule: "errors"}, "stable breaks errors late")
	add(0, RevisionChanged{At: at, Version: p.Rollout.To, Revision: p.Rollout.Revision + "'"}, "revision")
	add(0, Supersede{At: at, Actor: "ana", By: "another"}, "supersede")
	for _, weights := range []map[string]configs.Weight{{"blue": 10_000}, {"blue": 7_000, "green": 3_000}, {"green": 10_000}, {"blue": 5_000, "green": 2_500, "red": 2_500}} {
		add(0, SetWeights{At: at, Actor: "ana", Weights: weights}, "weights %s", describe(weights))
	}
	return all
}

// beginnings are the rollouts that walks start from.
func beginnings(t failer) map[string]Pair {
	w := newStage()
	must := func(p Pair, err error) Pair {
		if err != nil {
			t.Fatalf("cannot begin: %v", err)
		}
		return p
	}
	cur := NewService(w.svc, noon)
	sticky := w.svc
	sticky.Sticky = &configs.Sticky{By: "cookie", Mode: "pin"}
	return map[string]Pair{
		"pinned":      must(New("r10", planOf([]string{"green", "5%/10s", "50%/10s", "bake=10s"}), sticky, cur, noon, "ana")),
		"plan":        must(New("r1", planOf([]string{"green", "5%/10s", "50%/10s"}), w.svc, cur, noon, "ana")),
		"bake":        must(New("r2", planOf([]string{"green", "-/0s", "5%/10s", "bake=10s"}), w.svc, cur, noon, "ana")),
		"manual":      must(NewManual("r3", map[string]configs.Weight{"blue": 9_000, "green": 1_000}, w.svc, cur, noon, "ana")),
		"all at once": must(New("r5", planOf([]string{"green", "strategy=all-at-once", "bake=10s"}), w.svc, cur, noon, "ana")),
		"mirror":      must(New("r8", planOf([]string{"green", "0%/10s/mirror", "5%/10s/pause"}), w.svc, cur, noon, "ana")),
		"match":       must(New("r9", planOf([]string{"green", "0%/10s/match", "50%/10s", "bake=10s"}), w.svc, cur, noon, "ana")),
		"blue-green":  must(New("r6", planOf([]string{"green", "strategy=blue-green", "smoke=/", "preview=new.example.com", "bake=10s"}), w.svc, cur, noon, "ana")),
		"rolling":     must(New("r7", planOf([]string{"teal", "strategy=rolling", "batch=2", "between=10s"}), w.svc, cur, noon, "ana")),
		"several":     must(NewManual("r4", map[string]configs.Weight{"blue": 6_000, "green": 1_000, "red": 3_000}, w.svc, cur, noon, "ana")),
	}
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// take carries out one happening and checks what must hold of every step.
func take(t failer, p Pair, h happening) Pair {
	t.Helper()
	next, effects, err := Step(p, h.event, h.elapsed)
	if _, refused := errors.AsType[*Refusal](err); err != nil && !refused {
		t.Fatalf("%s: %v", h.name, err)
	}
	if err != nil && (!next.Equal(p) || len(effects) > 0) {
		t.Fatalf("%s was refused, and yet something came of it", h.name)
	}
	checkStep(t, p, next, h, effects)
	checkRest(t, p, next, h, effects)
	checkVerbs(t, p, h, err)
	return next
}

// visit takes everything that may happen to p, and returns what came of it.
func visit(t failer, p Pair) []Pair {
	t.Helper()
	image := mustJSON(t, p)
	var back Pair
	if err := json.Unmarshal([]byte(image), &back); err != nil || !back.Equal(p) {
		t.Fatalf("the pair does not survive JSON: %v\n%+v\n%+v", err, p, back)
	}
	var all []Pair
	for _, h := range happenings(p) {
		if q := take(t, p, h); !q.Equal(p) {
			all = append(all, q)
		}
	}
	if got := mustJSON(t, p); got != image {
		t.Fatalf("Step changed the pair that it was given:\n%s\n%s", image, got)
	}
	return all
}

// checkStep holds the promises of the package against one step.
func checkStep(t failer, p, next Pair, h happening, effects []Effect) {
	t.Helper()
	was, is := p.Rollout, next.Rollout
	checkPlan(t, h, next)
	checkGates(t, p, next, h)
	person := false
	switch ev := h.event.(type) {
	case Command, SetWeights:
		person = true
	case CutSeen:
		if next.Service.Counts(ev.Cut) && next.Service.Weights[ev.Cut.Version] > 0 {
			t.Fatalf("%s: the version keeps its weight", h.name)
		}
	}
	for version, weight := range next.Service.Weights {
		if version == p.Service.Stable || weight <= p.Service.Weights[version] {
			continue
		}
		tick, isTick := h.event.(Tick)
		healthy := isTick && tick.Acked && tick.CandidateUp && tick.StableUp
		passed := was.Phase == Pending && (len(was.Plan.Smoke) == 0 || was.Smoke != nil && was.Smoke.Passed) ||
			was.Phase != Pending && (tick.Verdict.Kind == analysis.Pass || beside(was) && tick.Verdict.Kind != analysis.Fail) && h.elapsed >= length(was)
		if _, _, rolls := was.Batch(); rolls && version == was.To {
			passed = passed && tick.BatchUp
		}
		switch {
		case person, was.Phase == Succeeded && version == was.From:
		case !healthy || !passed:
			t.Fatalf("%s raised %s", h.name, version)
		case was.Phase == Paused || was.Phase.Final():
			t.Fatalf("%s raised %s in phase %s", h.name, version, was.Phase)
		}
		if !next.Raises(p) {
			t.Fatalf("%s raised %s and Raises does not say so", h.name, version)
		}
	}
	if was.Phase.Final() && is.Phase != was.Phase {
		undone := was.Phase == Succeeded && person && is.Phase == Aborted
		shared := was.Phase == RolledBack && is.Phase == Paused && next.Service.Weights[is.From] == configs.Whole
		cut, isCut := h.event.(CutSeen)
		late := isCut && was.Phase == Succeeded && cut.Cut.Version == was.To && next.Service.Stable == was.From
		if !undone && !shared && !late {
			t.Fatalf("%s brought a rollout back from %s to %s", h.name, was.Phase, is.Phase)
		}
	}
	if c, ok := h.event.(Command); ok && c.Verb == "abort" && !was.Phase.Final() && is.Ending == nil {
		if is.Phase != Aborted || next.Service.Weights[is.From] != configs.Whole || next.Service.Rollout != "" {
			t.Fatalf("abort led to %s with %s", is.Phase, describe(next.Service.Weights))
		}
	}
	if len(is.History) > MaxHistory || len(was.History) > 0 && !reflect.DeepEqual(was.History[0], is.History[0]) {
		t.Fatalf("%s: the history has %d entries or lost its first", h.name, len(is.History))
	}
	for _, e := range effects {
		if cut, ok := e.(CutNow); ok && (!p.Service.Reaches(cut.Cut.Version) || cut.Cut.Generation != was.Generation) {
			t.Fatalf("%s cuts %+v", h.name, cut.Cut)
		}
	}
}

// checkRest holds a tick against what Rest said of it.
func checkRest(t failer, p, next Pair, h happening, effects []Effect) {
	t.Helper()
	tick, ok := h.event.(Tick)
	if !ok || h.elapsed >= p.Rest() || tick.Verdict.Kind == analysis.Fail || len(tick.Observed) > 0 {
		return
	}
	for _, v := range tick.Candidates {
		if v.Kind == analysis.Fail {
			return
		}
	}
	if !next.Equal(p) || len(effects) > 0 {
		t.Fatalf("%s moved a rollout at rest in phase %s, stage %d", h.name, p.Rollout.Phase, p.Rollout.Stage)
	}
}

// checkVerbs compares what was refused with what Allowed says.
func checkVerbs(t failer, p Pair, h happening, err error) {
	t.Helper()
	c, ok := h.event.(Command)
	if !ok || c.Verb == "retry" {
		return
	}
	allowed := slices.Contains(p.Rollout.Allowed(), c.Verb)
	if c.Verb == "undo" && p.Rollout.Phase == Succeeded {
		return // depends on what is kept
	}
	if c.Verb == "approve" || c.Verb == "override" || c.Verb == "promote" && (c.Freeze != nil || len(c.Requires) > 0 || p.Rollout.Plan.Approvers > 0) {
		return // depends on who asks, and on freezes
	}
	if allowed != (err == nil) {
		t.Fatalf("%s in phase %s: allowed %v, error %v", h.name, p.Rollout.Phase, allowed, err)
	}
}

// length is how long the present stage or bake lasts at least.
func length(s State) time.Duration {
	if s.Phase == Baking {
		return s.Plan.Bake.Std()
	}
	return s.Plan.Stages[s.Stage].Duration.Std()
}

func halfL1(a, b map[string]configs.Weight) int {
	sum := 0
	names := maps.Clone(a)
	maps.Copy(names, b)
	for version := range names {
		d := int(a[version] - b[version])
		sum += max(d, -d)
	}
	return sum / 2
}

func mustJSON(t failer, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("cannot encode: %v", err)
	}
	return string(b)
}

func TestStep_RandomWalksKeepThePromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := beginnings(t)
		p := all[rapid.SampledFrom(slices.Sorted(maps.Keys(all))).Draw(t, "beginning")]
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			options := happenings(p)
			h := options[rapid.IntRange(0, len(options)-1).Draw(t, "event")]
			next := take(t, p, h)
			if again := take(t, p, h); !again.Equal(next) {
				t.Fatalf("%s gives another result the second time", h.name)
			}
			if l1, n := halfL1(p.Service.Weights, next.Service.Weights), moved(p.Service, next.Service); n != l1 {
				t.Fatalf("%s moved %d keys, not %d", h.name, n, l1)
			}
			p = next
		}
	})
}

// TestStep_EveryOrderOfEventsKeepsThePromises visits every state that is at most
// seven events from a beginning, and takes every event in each.
func TestStep_EveryOrderOfEventsKeepsThePromises(t *testing.T) {
	const depth = 7
	for name, first := range beginnings(t) {
		seen := map[string]bool{}
		layer := []Pair{first}
		phases := map[Phase]bool{}
		for range depth {
			var next []Pair
			for _, p := range layer {
				for _, q := range visit(t, p) {
					if key := essence(t, q); !seen[key] && q.Rollout.Generation <= 1 {
						seen[key] = true
						phases[q.Rollout.Phase] = true
						next = append(next, q)
					}
				}
			}
			layer = next
		}
		t.Logf("%s: %d states, phases %v", name, len(seen), slices.Sorted(maps.Keys(phases)))
		if len(phases) < 6 {
			t.Errorf("%s: only phases %v were reached", name, phases)
		}
	}
}

// essence is what tells states apart: neither times nor the history.
func essence(t failer, p Pair) string {
	t.Helper()
	p.Rollout.History, p.Rollout.Reason, p.Rollout.Revision = nil, "", ""
	p.Rollout.Missing = nil
	if o := p.Rollout.Overridden; o != nil {
		p.Rollout.Overridden = &Override{Missing: o.Missing[len(o.Missing)-1:]}
	}
	p.Rollout.StartedAt, p.Rollout.UpdatedAt, p.Rollout.EndedAt = time.Time{}, time.Time{}, time.Time{}
	p.Service.KeepUntil, p.Service.Labels = time.Time{}, nil
	p.Rollout.Plan, p.Rollout.Announced = configs.Rollout{}, 0
	if p.Service.Pins != nil {
		p.Service.Pins = &Pins{Versions: p.Service.Pins.Versions}
	}
	p.Rollout.Approvals = slices.Clone(p.Rollout.Approvals)
	for i := range p.Rollout.Approvals {
		p.Rollout.Approvals[i].At = time.Time{}
	}
	p.Rollout.Hooks = maps.Clone(p.Rollout.Hooks)
	for name, s := range p.Rollout.Hooks {
		s.At = time.Time{}
		p.Rollout.Hooks[name] = s
	}
	return mustJSON(t, p)
}
