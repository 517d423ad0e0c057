package configs

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseWeight_TakesExactPercentages(t *testing.T) {
	f := func(s string, want Weight, spelling string) {
		t.Helper()
		got, err := ParseWeight(s)
		if err != nil || got != want || got.String() != spelling {
			t.Errorf("%q: got %d %s (%v), want %d %s", s, got, got, err, want, spelling)
		}
	}
	f("0%", 0, "0%")
	f("0.01%", 1, "0.01%")
	f("0.25%", 25, "0.25%")
	f("0.5%", 50, "0.5%")
	f("5%", 500, "5%")
	f("05.50%", 550, "5.5%")
	f("99.75%", 9975, "99.75%")
	f("10.100%", 1010, "10.1%")
	f("100%", Whole, "100%")
	f("100.00%", Whole, "100%")
}

func TestParseWeight_SaysWhatToWrite(t *testing.T) {
	f := func(s, remedy string) {
		t.Helper()
		w, err := ParseWeight(s)
		if err == nil || !strings.Contains(err.Error(), remedy) {
			t.Errorf("%q: got %s (%v), want an error with %q", s, w, err, remedy)
		}
	}
	f("25", "write 25%")
	f("0.25", "write 0.25%")
	f("10 ", "write 10%")
	f("0.125%", "write 0.12% or 0.13%")
	f("99.999%", "write 99.99% or 100%")
	f("100.01%", "at most 100%")
	f("100.001%", "at most 100%")
	f("99999999999999999999%", "at most 100%")
	for _, s := range []string{"", "%", "-5%", "+5%", "5%%", "5 %", ".5%", "5.%", "1e1%", "0x1%", "five", "NaN%", "5,5%", "٥%"} {
		f(s, "write a weight such as 10% or 0.25%")
	}
}

func TestParseDuration_TakesGoSpellings(t *testing.T) {
	f := func(s string, want time.Duration, spelling string) {
		t.Helper()
		got, err := ParseDuration(s)
		if err != nil || got.Std() != want || got.String() != spelling {
			t.Errorf("%q: got %s (%v), want %s", s, got, err, spelling)
		}
	}
	f("0", 0, "0s")
	f("0s", 0, "0s")
	f("500ms", 500*time.Millisecond, "500ms")
	f("90s", 90*time.Second, "1m30s")
	f("15m", 15*time.Minute, "15m")
	f("60m", time.Hour, "1h")
	f("1h30m", 90*time.Minute, "1h30m")
	f("1h0m5s", time.Hour+5*time.Second, "1h0m5s")
	f("1.5s", 1500*time.Millisecond, "1.5s")
}

func TestParseDuration_SaysWhatToWrite(t *testing.T) {
	f := func(s, remedy string) {
		t.Helper()
		d, err := ParseDuration(s)
		if err == nil || !strings.Contains(err.Error(), remedy) {
			t.Errorf("%q: got %s (%v), want an error with %q", s, d, err, remedy)
		}
	}
	f("15", "write 15s, or use ms, m or h")
	f("2d", "write 48h")
	f("-5s", "write 5s")
	f("-0s", "negative")
	f("-9223372036854775808ns", "negative")
	for _, s := range []string{"", "soon", "5 s", "5S", "s", "1h-5m", "99999999999999999999s", "99999999999999999999d"} {
		f(s, "write one such as 500ms, 15s or 1h30m")
	}
}

func TestUnits_RoundTripThroughText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := Weight(rapid.IntRange(0, int(Whole)).Draw(t, "weight"))
		if got, err := ParseWeight(w.String()); err != nil || got != w {
			t.Fatalf("%d is written %s and read as %d (%v)", w, w, got, err)
		}
		d := Duration(rapid.Int64Range(0, 1<<62).Draw(t, "duration"))
		if got, err := ParseDuration(d.String()); err != nil || got != d {
			t.Fatalf("%d is written %s and read as %d (%v)", d, d, got, err)
		}
	})
}

func TestUnits_AreTextInJSON(t *testing.T) {
	type pair struct {
		Weight   map[string]Weight
		Duration Duration
	}
	got, err := json.Marshal(pair{map[string]Weight{"blue": 9975}, Duration(15 * time.Minute)})
	if want := `{"Weight":{"blue":"99.75%"},"Duration":"15m"}`; err != nil || string(got) != want {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
	var back pair
	if err := json.Unmarshal([]byte(`{"Weight":{"blue":"0.125%"}}`), &back); err == nil {
		t.Errorf("0.125%% was read as %s", back.Weight["blue"])
	}
}

func FuzzWeight(f *testing.F) {
	for _, s := range []string{"10%", "0.25%", "100.00%", "0.125%", "-1%", "25", "%", "99999999999999999999%", "1e2%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w, err := ParseWeight(s)
		if err != nil {
			if !strings.Contains(err.Error(), "; write ") {
				t.Errorf("%q: the error has no remedy: %v", s, err)
			}
			return
		}
		if w < 0 || w > Whole {
			t.Errorf("%q: %d is out of range", s, w)
		}
		if again, err := ParseWeight(w.String()); err != nil || again != w {
			t.Errorf("%q: %s is read as %s (%v)", s, w, again, err)
		}
	})
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{"500ms", "15s", "1h30m", "15", "2d", "-5s", "0", "1.5h", "9223372036854775807ns", "-9223372036854775808ns"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			if !strings.Contains(err.Error(), "; write ") {
				t.Errorf("%q: the error has no remedy: %v", s, err)
			}
			return
		}
		if d < 0 {
			t.Errorf("%q: %s is negative", s, d)
		}
		if again, err := ParseDuration(d.String()); err != nil || again != d {
			t.Errorf("%q: %s is read as %s (%v)", s, d, again, err)
		}
	})
}
