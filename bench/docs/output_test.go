package docs

import (
	"regexp"
	"strings"
	"testing"
)

// What differs from run to run is not compared: names of rollouts, numbers with
// their units, and how much room columns take.
var (
	rolloutID = regexp.MustCompile(`\b([a-z0-9-]+)-\d{8}-\d{4}-[a-z0-9]{5}\b`)
	timestamp = regexp.MustCompile(`\b\d{4}-\d\d-\d\dT[\d:.]+Z`)
	number    = regexp.MustCompile(`[+<]?\b\d[\d.,:]*(e\+\d+)?(%|x| ?(µs|ms|KiB|MiB|GiB|s|m|h|d)\b)?`)
	moreUnits = regexp.MustCompile(`#( ?#)*`)
)

func plain(text string) string {
	var lines []string
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		line = strings.Join(strings.Fields(line), " ")
		line = rolloutID.ReplaceAllString(line, "$1-ID")
		line = timestamp.ReplaceAllString(line, "#")
		line = number.ReplaceAllString(line, "#")
		lines = append(lines, moreUnits.ReplaceAllString(line, "#"))
	}
	return strings.Join(lines, "\n")
}

// printed reports whether an output is the one that a page shows. There … stands
// for anything, and on a line of its own for any lines.
func printed(got, shown string) bool {
	var pattern strings.Builder
	pattern.WriteString(`^`)
	for _, line := range strings.Split(plain(shown), "\n") {
		if line == "…" {
			pattern.WriteString(`(?:.*\n)*?`)
			continue
		}
		var parts []string
		for _, part := range strings.Split(line, "…") {
			parts = append(parts, regexp.QuoteMeta(part))
		}
		pattern.WriteString(strings.Join(parts, ".*") + `\n`)
	}
	pattern.WriteString(`$`)
	return regexp.MustCompile(pattern.String()).MatchString(plain(got) + "\n")
}

func TestOutput_IsComparedWithoutWhatDiffers(t *testing.T) {
	f := func(want bool, got, shown string) {
		t.Helper()
		if printed(got, shown) != want {
			t.Errorf("%q shown as %q: want %v", plain(got), plain(shown), want)
		}
	}
	f(true, "", "")
	f(true, "hello\n", "hello")
	f(false, "hello\nyou\n", "hello")
	f(false, "", "hello")
	f(true, "a\nb\nc\n", "a\n…\nc")
	f(true, "a\nc\n", "a\n…\nc")
	f(false, "a\nb\n", "a\n…\nc")
	f(true, "a\nb\n", "a\n…\n")
	f(true, "shop-20261123-0304-ejbnm: started", "shop-20251201-2359-abcde: started")
	f(true, "12 of 1,236 failed (4.85%) at 03:04:05, +641 ms", "7 of 900 failed (13%) at 13:14:15, +1.2 s")
	f(true, "2026-11-23T08:45:20Z  succeeded", "2027-01-02T03:04:05.678Z  succeeded")
	f(true, "blue    95%", "blue  5%")
	f(false, "blue 95%", "green 95%")
	f(true, "from blue to green", "from … to green")
	f(false, "rolled_back", "succeeded")
}
