package lab

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Shot is one request and what became of it.
type Shot struct {
	Began, Ended time.Time
	Fate         Fate
	Status       int
	Version      string // that answered; empty: none did
	Reason       string // X-Weir-Reason of weir's own answers, or why there was none
}

// Failed reports whether a user would have seen a failure.
func (s Shot) Failed() bool { return s.Fate != Answered || s.Status >= 500 }

// Shots are the requests of a run in the order of their end.
type Shots []Shot

// Count counts the shots that ok likes.
func (s Shots) Count(ok func(Shot) bool) int {
	n := 0
	for _, one := range s {
		if ok(one) {
			n++
		}
	}
	return n
}

// Of returns the shots that ok likes.
func (s Shots) Of(ok func(Shot) bool) Shots {
	var out Shots
	for _, one := range s {
		if ok(one) {
			out = append(out, one)
		}
	}
	return out
}

// After returns the shots that began at t or later.
func (s Shots) After(t time.Time) Shots {
	return s.Of(func(one Shot) bool { return !one.Began.Before(t) })
}

// To counts the shots that a version answered.
func (s Shots) To(version string) int {
	return s.Count(func(one Shot) bool { return one.Version == version })
}

// Failed counts what users would have seen fail.
func (s Shots) Failed() int { return s.Count(Shot.Failed) }

// Lost counts the requests that were sent and never answered.
func (s Shots) Lost() int { return s.Count(func(one Shot) bool { return one.Fate == Lost }) }

// String is a line of counts by what happened.
func (s Shots) String() string {
	counts := map[string]int{}
	for _, one := range s {
		what := one.Fate.String()
		if one.Fate == Answered {
			what = fmt.Sprint(one.Status)
		}
		for _, more := range []string{one.Version, one.Reason} {
			if more != "" {
				what += " " + more
			}
		}
		counts[what]++
	}
	parts := []string{fmt.Sprintf("%d requests", len(s))}
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s: %d", what, counts[what]))
	}
	return strings.Join(parts, "; ")
}

// Quantile returns the smallest of the values that at least share q of them do
// not exceed; q is above 0 and at most 1. No values: 0.
func Quantile(values []time.Duration, q float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(q * float64(len(sorted)))
	if float64(rank) < q*float64(len(sorted)) {
		rank++
	}
	return sorted[max(0, min(rank, len(sorted))-1)]
}
