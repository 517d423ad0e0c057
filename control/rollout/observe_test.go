package rollout

import (
	"testing"
	"time"

	"github.com/weirproxy/weir/analysis"
)

func TestObserve_TellsOfEachRuleOnceAndMovesNothing(t *testing.T) {
	p := beginnings(t)["manual"]
	v := func(rule string) analysis.Verdict {
		return analysis.Verdict{Kind: analysis.Fail, Rule: rule, Action: analysis.Notify, Text: rule + " is broken."}
	}
	f := func(want []string, observed ...analysis.Verdict) {
		t.Helper()
		next, effects, err := Step(p, Tick{At: time.Unix(100, 0), Verdict: analysis.Verdict{Kind: analysis.Pass}, CandidateUp: true, StableUp: true, Acked: true, Observed: observed}, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range effects {
			if a, ok := e.(Announce); ok {
				got = append(got, a.Kind+" "+a.Verdict.Rule)
			}
		}
		if len(got) != len(want) || len(got) > 0 && got[0] != want[0] {
			t.Errorf("told %q, want %q", got, want)
		}
		if next.Rollout.Phase != p.Rollout.Phase || next.Service.Weights["green"] != p.Service.Weights["green"] {
			t.Error("it moved")
		}
		p = next
	}
	f(nil)
	f([]string{"observed a"}, v("a"))
	f(nil, v("a"))
	f([]string{"observed b"}, v("a"), v("b"))
	broken := v("c")
	broken.Action = analysis.Rollback
	f(nil, broken)
}
