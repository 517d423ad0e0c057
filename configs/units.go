// Package configs holds the documents that an operator writes: Node, Service,
// Rollout, Notifier, Freeze, Flag and Migration. It decodes them strictly, fills defaults and
// validates them, reporting every problem with file, line and column.
//
// The decoded Rollout is the plan that the state machine steps through; no
// other form of it exists.
package configs

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Weight is a share of keys in basis points: 0 is none, 10000 is all of them.
// It is written as a percentage with at most two decimals: `10%`, `0.25%`.
type Weight int

// Whole is the weight of all keys.
const Whole Weight = 10_000

// ParseWeight parses a percentage from `0%` to `100%`. It is exact: what cannot
// be said in basis points is an error that names the nearest weights.
func ParseWeight(s string) (Weight, error) {
	digits, ok := strings.CutSuffix(s, "%")
	if !ok {
		if w, err := ParseWeight(strings.TrimSpace(s) + "%"); err == nil {
			return 0, unitError("weight", s, "the unit is missing", "write %s", w)
		}
		return 0, unitError("weight", s, "it is no percentage", "write a weight such as 10%% or 0.25%%")
	}
	whole, fraction, dotted := strings.Cut(digits, ".")
	if !isDigits(whole) || dotted && !isDigits(fraction) {
		return 0, unitError("weight", s, "it is no percentage", "write a weight such as 10%% or 0.25%%")
	}
	percent, err := strconv.Atoi(whole)
	if err != nil || percent > 100 {
		return 0, unitError("weight", s, "it is more than everything", "write at most 100%%")
	}
	points := percent * 100
	kept := strings.TrimRight(fraction, "0")
	for i, unit := 0, 10; i < min(len(kept), 2); i, unit = i+1, unit/10 {
		points += int(kept[i]-'0') * unit
	}
	switch {
	case len(kept) > 2 && points >= int(Whole), points > int(Whole):
		return 0, unitError("weight", s, "it is more than everything", "write at most 100%%")
	case len(kept) > 2:
		return 0, unitError("weight", s, "a weight has at most two decimals", "write %s or %s", Weight(points), Weight(points+1))
	}
	return Weight(points), nil
}

// unitError is a text that does not spell a value: what is wrong with it, and
// what to write instead.
func unitError(unit, text, wrong, remedy string, args ...any) error {
	return &valueError{text: fmt.Sprintf("cannot parse %s %q: %s", unit, text, wrong), remedy: fmt.Sprintf(remedy, args...)}
}

type valueError struct{ text, remedy string }

func (e *valueError) Error() string { return e.text + "; " + e.remedy }

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// String writes w as a percentage without needless zeros.
func (w Weight) String() string {
	sign := ""
	if w < 0 {
		sign, w = "-", -w
	}
	s := sign + strconv.Itoa(int(w/100))
	if w%100 != 0 {
		s += strings.TrimRight(fmt.Sprintf(".%02d", int(w%100)), "0")
	}
	return s + "%"
}

// MarshalText gives the spelling of String.
func (w Weight) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText parses as ParseWeight does.
func (w *Weight) UnmarshalText(text []byte) error {
	parsed, err := ParseWeight(string(text))
	if err != nil {
		return err
	}
	*w = parsed
	return nil
}

// Duration is a time span, written as Go writes it: `500ms`, `15s`, `1h30m`.
// It is never negative.
type Duration time.Duration

// ParseDuration parses a time span of at least 0.
func ParseDuration(s string) (Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err == nil && d >= 0 && !strings.HasPrefix(s, "-"):
		return Duration(d), nil
	case err == nil:
		return 0, unitError("duration", s, "it is negative", "write %s", Duration(-max(d, -1<<63+1)))
	case isDigits(s):
		return 0, unitError("duration", s, "the unit is missing", "write %ss, or use ms, m or h", s)
	}
	if days, ok := strings.CutSuffix(s, "d"); ok && isDigits(days) {
		if n, err := strconv.Atoi(days); err == nil && n <= 100_000 {
			return 0, unitError("duration", s, "there is no unit d", "write %dh", n*24)
		}
	}
	return 0, unitError("duration", s, "it is no time span", "write one such as 500ms, 15s or 1h30m")
}

// Std returns d as a time.Duration.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String writes d without the zero units at its end: `15m`, not `15m0s`.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText gives the spelling of String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText parses as ParseDuration does.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}
