package analysis

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFigures_ArePlain(t *testing.T) {
	f := func(v float64, want string) {
		t.Helper()
		if got := Figures(v); got != want {
			t.Errorf("%g is written %q, want %q", v, got, want)
		}
	}
	f(0, "0")
	f(1, "1")
	f(48.7864, "48.8")
	f(0.0512, "0.0512")
	f(0.00051234, "0.000512")
	f(2.5, "2.5")
	f(99.96, "100")
	f(999.6, "1,000")
	f(133, "133")
	f(8123, "8,120")
	f(99950, "100,000")
	f(191834, "192,000")
	f(1e5, "100,000")
	f(1.23456e9, "1,230,000,000")
	f(9.999e11, "1,000,000,000,000")
	f(1e40, "over 1,000,000,000,000")
	f(math.Inf(1), "over 1,000,000,000,000")
	f(1e-9, "under 0.000001")
	f(-1234.5, "-1,230")
	f(math.NaN(), "unknown")
}

func TestFigures_AreNearWhatTheyStandFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Float64Range(leastFigures, mostFigures/10).Draw(t, "v")
		text := Figures(v)
		back, err := strconv.ParseFloat(strings.ReplaceAll(text, ",", ""), 64)
		if err != nil || strings.ContainsAny(text, "eE") || math.Abs(back-v) > 0.0051*v {
			t.Fatalf("%g is written %q", v, text)
		}
	})
}
