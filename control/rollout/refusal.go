package rollout

import (
	"fmt"
	"strings"
)

// RefusalKind tells callers why a person's wish was refused.
type RefusalKind uint8

// Kinds of a Refusal.
const (
	Illegal  RefusalKind = iota + 1 // the rollout does not take this now: see Allowed
	Invalid                         // the wish contradicts itself or the service
	NeedsNew                        // weights by hand that need a new rollout, which supersedes this one
	NotBuilt                        // later work
)

// Refusal is the error of a wish that a person can mend. Nothing was changed.
type Refusal struct {
	Kind    RefusalKind
	Text    string   // what is wrong
	Hint    string   // what to do; may be empty
	Allowed []string // verbs that the rollout takes now
}

// Error returns the text with the hint and the allowed verbs.
func (r *Refusal) Error() string {
	var b strings.Builder
	b.WriteString(r.Text)
	if r.Hint != "" {
		b.WriteString("; " + r.Hint)
	}
	if len(r.Allowed) > 0 {
		b.WriteString("; allowed now: " + strings.Join(r.Allowed, ", "))
	}
	return b.String()
}

func invalid(hint, format string, args ...any) *Refusal {
	return &Refusal{Kind: Invalid, Text: fmt.Sprintf(format, args...), Hint: hint}
}

func (s *State) illegal(hint, format string, args ...any) *Refusal {
	return &Refusal{Kind: Illegal, Text: fmt.Sprintf(format, args...), Hint: hint, Allowed: s.Allowed()}
}

// hintWeights goes with weights that make no split.
const hintWeights = "give each version its share so that all add up to 100%; one left out has 0%"
