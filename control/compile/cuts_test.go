package compile

import (
	"testing"

	"github.com/weirproxy/weir/control/rollout"
)

func TestCuts_NoOrderOfStepsBringsACutCandidateBack(t *testing.T) {
	for _, verb := range []rollout.Command{{Verb: "promote"}, {Verb: "promote", Full: true}, {Verb: "pause"}, {Verb: "abort"}} {
		verb.At, verb.Actor = noon, "ana"
		c, w := newChecker(t, verb, sound)
		if verb.Full || verb.Verb == "abort" {
			w.crashes = 0 // the other two are enough for the orders of a crash
		}
		c.explore(w)
		if c.broken != "" {
			t.Errorf("%s: %s", verb.Verb, c.broken)
		}
		t.Logf("%s (full %v): %d worlds, %d pairs", verb.Verb, verb.Full, len(c.seen), len(c.pairs))
		if len(c.seen) < 1000 {
			t.Errorf("%s: only %d worlds were explored", verb.Verb, len(c.seen))
		}
	}
}

func TestCuts_TheModelNoticesABrokenRule(t *testing.T) {
	verbs := map[flaw]string{
		noCompareOfCuts: "promote", noCompareOfMods: "pause", journalForgotten: "promote", forgetsEarly: "promote", noCutInTables: "promote",
	}
	for f, verb := range verbs {
		c, w := newChecker(t, rollout.Command{At: noon, Actor: "ana", Verb: verb}, f)
		c.explore(w)
		if c.broken == "" {
			t.Errorf("%s: no order of steps of %d worlds shows it", f, len(c.seen))
			continue
		}
		t.Logf("%s: %s", f, c.broken)
	}
}
