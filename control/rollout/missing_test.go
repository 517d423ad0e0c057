package rollout

import (
	"time"

	"github.com/weirproxy/weir/configs"
)

// lacks is what staging lacks, by a word of a transcript.
func lacks(word string) []Missing {
	switch word {
	case "absent":
		return []Missing{{Wait: WaitEnvironment, Environment: "staging", Text: "v1.5 is not in staging"}}
	case "soaking":
		return []Missing{{Wait: WaitEnvironment, Environment: "staging", Text: "v1.5 has been live in staging", Since: noon.Add(-10 * time.Hour), For: configs.Duration(24 * time.Hour)}}
	case "put-back":
		return []Missing{{Wait: WaitEnvironment, Environment: "staging", Text: "staging was put back from v1.5 to v1.4", PutBack: true}}
	}
	return nil
}

// requiredHappenings are what other environments may do to a rollout.
func requiredHappenings(p Pair, at time.Time) []happening {
	if len(p.Rollout.Plan.Requires) == 0 {
		return nil
	}
	var all []happening
	add := func(elapsed time.Duration, name string, ev Event) { all = append(all, happening{name, ev, elapsed}) }
	for _, word := range []string{"absent", "soaking", "put-back"} {
		missing := lacks(word)
		add(time.Hour, "tick "+word, Tick{At: at, Verdict: verdictOf("pass"), CandidateUp: true, BatchUp: true, StableUp: true, Acked: true, Requires: missing})
		for _, c := range []Command{{Verb: "promote"}, {Verb: "promote", Full: true}, {Verb: "override", Reason: "hotfix"}, {Verb: "abort"}} {
			c.At, c.Actor, c.Requires = at, "bob", missing
			add(0, c.Verb+" "+word, c)
		}
	}
	add(0, "override without a reason", Command{At: at, Actor: "bob", Verb: "override", Requires: lacks("absent")})
	return all
}

// checkRequired holds the promises about environments against a step.
func checkRequired(t failer, p, next Pair, h happening, begins bool) {
	t.Helper()
	was, is := p.Rollout, next.Rollout
	var missing []Missing
	switch ev := h.event.(type) {
	case Tick:
		missing = ev.Requires
	case Command:
		missing = ev.Requires
		if ev.Verb == "override" && is.Overridden != was.Overridden && (ev.Reason == "" || is.Overridden.Actor == "" || len(is.Overridden.Missing) == 0) {
			t.Fatalf("%s: it is overridden without a reason, a person or an object: %+v", h.name, is.Overridden)
		}
		if ev.Verb == "abort" && !was.Phase.Final() && !is.Phase.Final() && is.Ending == nil {
			t.Fatalf("%s: the abort waits for an environment", h.name)
		}
	}
	if is.Phase.Final() && len(is.Missing) > 0 {
		t.Fatalf("%s: it is over, and still waits for %s", h.name, Sentences(is.Missing))
	}
	if !begins || len(missing) == 0 {
		return
	}
	w := missing[0]
	overridden := false
	if was.Overridden != nil {
		for _, known := range was.Overridden.Missing {
			overridden = overridden || known.PutBack || !w.PutBack
		}
	}
	pending := was.Phase == Pending || was.Phase == Paused && was.Resume == Pending
	if !overridden && (pending || w.PutBack) {
		t.Fatalf("%s went on to stage %d although %s", h.name, is.Stage, w)
	}
}
