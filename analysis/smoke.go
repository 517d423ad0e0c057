package analysis

import "fmt"

// smokeState is what the smoke checks said last.
type smokeState struct {
	Failing int    `json:"failing,omitempty"` // rounds in a row that the candidate failed
	Shared  bool   `json:"shared,omitempty"`  // stable failed the last of them too
	Text    string `json:"text,omitempty"`    // which check failed, and how
}

// Smoke tells how many rounds of smoke checks in a row the candidate failed,
// whether stable failed the last of them too, and what failed.
func (j *Judge) Smoke(failing int, stableFails bool, text string) {
	next := smokeState{Failing: max(failing, 0), Shared: stableFails && failing > 0, Text: text}
	if next == j.state.Smoke {
		return
	}
	j.state.Smoke = next
	j.decideAll()
}

func (j *Judge) decideSmoke() {
	if j.state.Health.StableDown || j.state.Smoke.Shared {
		return
	}
	for i := range j.rules {
		if j.smokes(i) && j.active(i) {
			j.fail(i, Verdict{Path: PathSmoke})
		}
	}
}

// smokes reports whether the smoke checks of the candidate break rule i.
func (j *Judge) smokes(i int) bool {
	return j.rules[i].Condition.Metric == SmokeTest && j.state.Smoke.Failing >= j.rules[i].count()
}

func (s smokeState) text() string {
	text := fmt.Sprintf("the candidate failed %d rounds of smoke checks in a row", s.Failing)
	if s.Failing == 1 {
		text = "the candidate failed its smoke checks"
	}
	if s.Text != "" {
		text += ": " + s.Text
	}
	return text
}
