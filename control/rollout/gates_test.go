package rollout

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
)

// gateOption reads what a transcript's plan says of gates: `approvers=2
// approve=1` (the stage with that index) `hook=qa:promotion:gate deadline=1m
// overdue=pause ramp=10s`.
func gateOption(plan *configs.Rollout, name, value string) {
	d, _ := time.ParseDuration(value)
	switch name {
	case "approvers":
		plan.Approval = "manual"
		plan.Approvers, _ = strconv.Atoi(value)
	case "approve":
		i, _ := strconv.Atoi(value)
		plan.Stages[i].Approval = "manual"
	case "deadline":
		plan.ProgressDeadline = configs.Duration(d)
	case "overdue":
		plan.OnDeadline = value
	case "requires": // staging
		plan.Requires = append(plan.Requires, configs.Require{Environment: value, For: configs.Duration(time.Hour)})
	case "ramp":
		plan.Abort.Ramp = configs.Duration(d)
	case "stage-hook": // of the stage with that index: 0:qa:end:gate
		words := strings.Split(value, ":")
		i, _ := strconv.Atoi(words[0])
		plan.Stages[i].Hooks = append(plan.Stages[i].Hooks, configs.Hook{Name: words[1], At: words[2], Mode: words[3], URL: "http://127.0.0.1:9000/"})
	case "hook":
		words := strings.Split(value, ":")
		h := configs.Hook{Name: words[0], At: words[1], Mode: words[2], URL: "http://127.0.0.1:9000/" + words[0]}
		if len(words) > 3 {
			h.OnFail = words[3]
		}
		plan.Hooks = append(plan.Hooks, h)
	}
}

// gateEvent is `hook qa go reason…` or `approve bob`; nil: another command.
func (w *stage) gateEvent(verb string, args []string) Event {
	switch verb {
	case "hook", "old-hook":
		r := w.pair.Rollout
		if verb == "old-hook" {
			r.Round--
		}
		key := (&machine{Pair: Pair{Rollout: r}}).hookKey(args[0])
		return HookAnswered{At: w.at, Key: key, Name: args[0], Answer: Answer(args[1]), Text: strings.Join(args[2:], " "), StableUp: true}
	case "approve":
		return Command{At: w.at, Actor: args[0], Verb: verb}
	case "override": // with what is missing, and the reason
		return Command{At: w.at, Actor: "ana", Verb: verb, Requires: lacks(args[0]), Reason: strings.Join(args[1:], " ")}
	case "promote", "abort":
		c := Command{At: w.at, Actor: "ana", Verb: verb, Full: slices.Contains(args, "full"), Instant: slices.Contains(args, "at-once")}
		if slices.Contains(args, "frozen") {
			c.Freeze = frost()
		}
		for _, arg := range args {
			c.Requires = append(c.Requires, lacks(arg)...)
		}
		return c
	}
	return nil
}

func frost() *Freeze {
	return &Freeze{Name: "fridays", Reason: "people are away", Until: time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)}
}

// gateBeginnings are rollouts that wait for people, hooks and deadlines.
func gateBeginnings(t failer) map[string]Pair {
	w := newStage()
	begin := func(words string) Pair {
		p, err := New("g1", planOf(strings.Fields(words)), w.svc, NewService(w.svc, noon), noon, "ana")
		if err != nil {
			t.Fatalf("cannot begin: %v", err)
		}
		return p
	}
	return map[string]Pair{
		"approved": begin("green 5%/10s 100%/10s approvers=2"),
		"asked":    begin("green 5%/10s 50%/10s hook=qa:start:gate hook=load:stage:check hook=veto:any:check hook=more:increase:check:pause"),
		"promoted": begin("green 5%/0s bake=10s hook=qa:promotion:gate approvers=1"),
		"overdue":  begin("green 5%/10s 50%/10s deadline=1m hook=qa:increase:gate"),
		"ramped":   begin("green 5%/10s 50%/10s ramp=4s"),
		"required": begin("green 5%/10s 50%/10s bake=10s requires=staging"),
		"guarded":  begin("green 5%/10s 100%/10s requires=staging approvers=1 hook=qa:start:gate"),
		"batches":  begin("green strategy=rolling between=10s approvers=1 ramp=4s"),
	}
}

// gateHappenings are what may happen to a rollout that waits for people and hooks.
func gateHappenings(p Pair) []happening {
	at := p.Rollout.UpdatedAt.Add(time.Second)
	var all []happening
	add := func(elapsed time.Duration, ev Event, format string, args ...any) {
		all = append(all, happening{fmt.Sprintf(format, args...), ev, elapsed})
	}
	for _, elapsed := range []time.Duration{2 * time.Second, 10 * time.Second, time.Hour} {
		tick := Tick{At: at, Verdict: verdictOf("pass"), CandidateUp: true, BatchUp: true, StableUp: true, Acked: true, Freeze: frost()}
		add(elapsed, tick, "tick %s frozen", elapsed)
		tick.Freeze = nil
		add(elapsed, tick, "tick %s", elapsed)
	}
	all = append(all, requiredHappenings(p, at)...)
	for _, actor := range []string{"ana", "bob"} {
		add(3*time.Second, Command{At: at, Actor: actor, Verb: "approve"}, "approve by %s", actor)
		add(3*time.Second, Command{At: at, Actor: actor, Verb: "promote"}, "promote by %s", actor)
	}
	for _, verb := range []string{"pause", "resume", "abort"} {
		add(3*time.Second, Command{At: at, Actor: "ana", Verb: verb}, "%s", verb)
	}
	add(0, Command{At: at, Actor: "ana", Verb: "promote", Freeze: frost()}, "promote frozen")
	add(0, Command{At: at, Actor: "ana", Verb: "abort", Instant: true}, "abort at once")
	add(0, RevisionChanged{At: at, Version: p.Rollout.To, Revision: p.Rollout.Revision + "'"}, "revision")
	add(0, CutSeen{At: at, Cut: p.cut(p.Rollout.To, "", "errors", at)}, "cut")
	for _, h := range p.Rollout.Plan.Hooks {
		for _, answer := range []Answer{HookGo, HookWait, HookRefuse, HookNone} {
			for _, round := range []int{p.Rollout.Round - 1, p.Rollout.Round} {
				m := &machine{Pair: p}
				m.Rollout.Round = round
				ev := HookAnswered{At: at, Key: m.hookKey(h.Name), Name: h.Name, Answer: answer, StableUp: true}
				add(time.Second, ev, "hook %s %s round %d", h.Name, answer, round)
			}
		}
	}
	return all
}

// checkGates holds the promises about people, freezes and hooks against a step.
func checkGates(t failer, p, next Pair, h happening) {
	t.Helper()
	was, is := p.Rollout, next.Rollout
	if was.Ending != nil {
		for version, weight := range next.Service.Weights {
			if version != was.From && weight > p.Service.Weights[version] {
				t.Fatalf("%s: %s rose to %s in an abort", h.name, version, weight)
			}
		}
		if !is.Phase.Final() && is.Ending == nil {
			t.Fatalf("%s ended an abort without an end", h.name)
		}
	}
	begins := is.Stage > was.Stage || is.Phase == Succeeded && was.Phase != Succeeded
	checkRequired(t, p, next, h, begins)
	tick, ticked := h.event.(Tick)
	if c, ok := h.event.(Command); ok && begins && c.Freeze != nil {
		t.Fatalf("%s went on in a freeze", h.name)
	}
	if !begins {
		return
	}
	entered := is.Stage
	if is.Phase == Succeeded {
		entered = len(is.Plan.Stages)
	}
	if n := agreed(is, entered); n < wanted(is, entered) {
		t.Fatalf("%s went on to stage %d with %d approvals", h.name, entered, n)
	}
	if !ticked {
		return
	}
	if tick.Freeze != nil {
		t.Fatalf("%s went on in a freeze", h.name)
	}
	for _, hook := range is.Plan.Hooks {
		if asked(hook, was, is, entered) && was.Hooks[hook.Name].Answer != HookGo {
			t.Fatalf("%s went on to stage %d without hook %s: %+v", h.name, entered, hook.Name, was.Hooks)
		}
	}
}

// agreed is how many different people approved a stage.
func agreed(s State, stage int) int {
	people := map[string]bool{}
	for _, a := range s.Approvals {
		if a.Stage == stage {
			people[a.Actor] = true
		}
	}
	return len(people)
}

// wanted is how many people a plan of the tests asks for before a stage.
func wanted(s State, stage int) int {
	if s.Plan.Approval == "" {
		return 0
	}
	at := len(s.Plan.Stages)
	for i, st := range slices.Backward(s.Plan.Stages) {
		if st.Weight != nil && *st.Weight == configs.Whole {
			at = i
		}
	}
	if s.Strategy == configs.StrategyRolling {
		at = 0
	}
	if stage != at {
		return 0
	}
	return s.Plan.Approvers
}

// asked reports whether a hook stands before a step.
func asked(h configs.Hook, was, is State, entered int) bool {
	switch h.At {
	case configs.HookStart:
		return was.Stage < 0
	case configs.HookStage:
		return was.Stage >= 0 && was.Phase == Progressing
	case configs.HookIncrease:
		return is.Phase != Succeeded
	case configs.HookPromotion:
		return entered == len(is.Plan.Stages)
	}
	return false
}

func TestStep_EveryOrderOfGatesKeepsThePromises(t *testing.T) {
	for name, first := range gateBeginnings(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := map[string]bool{}
			phases := map[Phase]bool{}
			layer := []Pair{first}
			for range 6 {
				var next []Pair
				for _, p := range layer {
					for _, h := range gateHappenings(p) {
						q := take(t, p, h)
						key := essence(t, q)
						if q.Equal(p) || seen[key] || q.Rollout.Generation > 1 || q.Rollout.Round > 3 {
							continue
						}
						if len(q.Rollout.History) > 5 && len(seen) > 20_000 {
							continue
						}
						seen[key] = true
						phases[q.Rollout.Phase] = true
						next = append(next, q)
					}
				}
				layer = next
			}
			t.Logf("%d states, phases %v", len(seen), slices.Sorted(maps.Keys(phases)))
			if !phases[Aborted] || !phases[RolledBack] && !phases[Failed] {
				t.Errorf("only phases %v were reached", phases)
			}
		})
	}
}

// TestStep_AbortEndsEveryRampInAsManyStepsAsItHas goes through a ramp with a
// leader that looks when it likes.
func TestStep_AbortEndsEveryRampAndWeightsOnlyFall(t *testing.T) {
	for _, every := range []time.Duration{100 * time.Millisecond, time.Second, 7 * time.Second, time.Minute} {
		w := newStage()
		p, err := New("r", planOf(strings.Fields("green 5%/10s 50%/1h ramp=10s")), w.svc, NewService(w.svc, noon), noon, "ana")
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			p, _, err = Step(p, Command{At: noon, Actor: "ana", Verb: "promote"}, 0)
			if err != nil {
				t.Fatal(err)
			}
		}
		p, effects, err := Step(p, Command{At: noon, Actor: "ana", Verb: "abort"}, time.Hour)
		if err != nil || p.Rollout.Ending == nil || p.Service.Weights["green"] != 4500 {
			t.Fatalf("the abort led to %s with %v, %v, effects %v", p.Rollout.Phase, p.Service.Weights, err, effects)
		}
		spent := time.Duration(0)
		for !p.Rollout.Phase.Final() {
			spent += every
			before := p.Service.Weights["green"]
			p, _, err = Step(p, Tick{At: noon, Verdict: verdictOf("pass"), CandidateUp: true, StableUp: true, Acked: true}, spent)
			if after := p.Service.Weights["green"]; err != nil || after > before {
				t.Fatalf("after %s from %s to %s, %v", spent, before, after, err)
			}
			if spent >= 10*time.Second && !p.Rollout.Phase.Final() {
				t.Fatalf("it goes on after %s", spent)
			}
		}
		if p.Rollout.Phase != Aborted || p.Service.Weights["blue"] != configs.Whole || p.Service.Rollout != "" {
			t.Fatalf("it ended as %s with %v", p.Rollout.Phase, p.Service.Weights)
		}
	}
}

func TestStep_RandomWalksThroughGatesKeepThePromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := gateBeginnings(t)
		p := all[rapid.SampledFrom(slices.Sorted(maps.Keys(all))).Draw(t, "beginning")]
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			options := append(gateHappenings(p), happenings(p)...)
			h := options[rapid.IntRange(0, len(options)-1).Draw(t, "event")]
			next := take(t, p, h)
			if again := take(t, p, h); !again.Equal(next) {
				t.Fatalf("%s gives another result the second time", h.name)
			}
			if was, is := p.Rollout.Phase, next.Rollout.Phase; was.Final() && !is.Final() && is != Paused {
				t.Fatalf("%s brought back a rollout that was %s: %s", h.name, was, is)
			}
			p = next
		}
	})
}

// A gate that said go meant the candidate as it was: if it has had no healthy
// endpoint since, the gate is asked again.
func TestGate_IsAskedAgainWhenTheCandidateWasUnwell(t *testing.T) {
	w := newStage()
	plan := planOf(strings.Fields("green 10%/1m hook=budget:promotion:gate"))
	p, err := New("r1", plan, w.svc, NewService(w.svc, noon), noon, "ana")
	if err != nil {
		t.Fatal(err)
	}
	well := Tick{At: noon, CandidateUp: true, StableUp: true, Acked: true, Verdict: analysis.Verdict{Kind: analysis.Pass}}
	var effects []Effect
	step := func(ev Event, elapsed time.Duration) {
		t.Helper()
		if p, effects, err = Step(p, ev, elapsed); err != nil {
			t.Fatal(err)
		}
	}
	asked := func() string {
		for _, e := range effects {
			if ask, ok := e.(AskHook); ok {
				return ask.Key
			}
		}
		return ""
	}
	step(well, 0)
	step(well, time.Minute)
	first := asked()
	if first == "" {
		t.Fatalf("the gate is not asked: %+v", p.Rollout)
	}
	step(HookAnswered{At: noon, Key: first, Name: "budget", Answer: HookGo, StableUp: true}, time.Minute)
	ill := well
	ill.CandidateUp = false
	step(ill, time.Minute)
	step(well, time.Minute)
	if again := asked(); again == "" || again == first || p.Rollout.Phase != Progressing {
		t.Errorf("asked %q, then %q; it is %s", first, again, p.Rollout.Phase)
	}
	step(HookAnswered{At: noon, Key: asked(), Name: "budget", Answer: HookGo, StableUp: true}, time.Minute)
	step(well, time.Minute)
	if p.Rollout.Phase != Succeeded {
		t.Errorf("it is %s, waiting for %s", p.Rollout.Phase, p.Rollout.WaitingFor)
	}
}
