package dashboard

import (
	"fmt"
	"html/template"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
)

// functions are what templates write figures with.
func functions() template.FuncMap {
	return template.FuncMap{
		"rate": rate, "percent": percent, "millis": millis, "span": span, "seconds": seconds, "stamp": stamp, "clock": clock,
		"iso": iso, "ago": ago, "number": figure, "words": words, "evidence": evidenceText, "hot": func(share float64) bool { return share >= hotShare }, "escape": url.PathEscape, "sentence": sentence,
		"lower": strings.ToLower, "list": func(items ...any) []any { return items },
		"basis": func(w configs.Weight) int { return int(w) }, "add": func(a, b int) int { return a + b },
		"about": aboutPath, "release": releasePath, "web": webAddress, "short": func(commit string) string { return commit[:min(len(commit), 8)] },
	}
}

// hotShare is the share of errors from which a figure stands out.
const hotShare = .01

// rate writes requests a second with about three digits.
func rate(rps float64) string {
	switch {
	case rps == 0:
		return "0"
	case rps < .01:
		return "<0.01"
	case rps < 9.95:
		return strconv.FormatFloat(rps, 'f', 1, 64)
	}
	return number(uint64(math.Round(rps)))
}

// number writes n with thin gaps.
func number[N uint64 | int | int64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// figure is number for templates, which know no type parameters.
func figure(n any) string {
	switch n := n.(type) {
	case uint64:
		return number(n)
	case int64:
		return number(n)
	case int:
		return number(n)
	}
	return fmt.Sprint(n)
}

// percent writes a share.
func percent(share float64) string {
	switch p := share * 100; {
	case p == 0:
		return "0%"
	case p < .01:
		return "<0.01%"
	case p < 9.995:
		return strings.TrimSuffix(strings.TrimSuffix(strconv.FormatFloat(p, 'f', 2, 64), "0"), ".0") + "%"
	case p < 99.95:
		return strings.TrimSuffix(strconv.FormatFloat(p, 'f', 1, 64), ".0") + "%"
	default:
		return strconv.FormatFloat(p, 'f', 0, 64) + "%"
	}
}

// millis writes a latency; nothing for none.
func millis(ms float64) string {
	switch {
	case ms == 0:
		return "–"
	case ms < .9995:
		return fmt.Sprintf("%.0f\u202fµs", ms*1e3)
	case ms < 9.95:
		return fmt.Sprintf("%.1f\u202fms", ms)
	case ms < 9_995:
		return fmt.Sprintf("%.0f\u202fms", ms)
	}
	return fmt.Sprintf("%.1f\u202fs", ms/1e3)
}

// span writes a duration in at most two units.
func span(d time.Duration) string {
	two := func(large, small time.Duration, l, s string) string {
		text := strconv.Itoa(int(d/large)) + "\u202f" + l
		if rest := d % large / small; rest > 0 {
			text += " " + strconv.Itoa(int(rest)) + "\u202f" + s
		}
		return text
	}
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(max(d, 0)/time.Second)) + "\u202fs"
	case d < time.Hour:
		return two(time.Minute, time.Second, "min", "s")
	case d < 48*time.Hour:
		return two(time.Hour, time.Minute, "h", "min")
	}
	return two(24*time.Hour, time.Hour, "d", "h")
}

// seconds is a duration in seconds as the API has it.
func seconds(s float64) time.Duration { return time.Duration(math.Round(s * 1e9)) }

// stamp is a moment to the second. The zero time is never.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05") }

func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// ago is how long before now something was.
func ago(now, t time.Time) string {
	if d := now.Sub(t); d >= time.Second {
		return span(d) + " ago"
	}
	return "now"
}

// count writes a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

// words makes a name of the API readable: rolled_back.
func words(name any) string { return strings.ReplaceAll(fmt.Sprint(name), "_", " ") }

// sentence begins with a capital and ends with a full stop. Empty stays empty.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	if !strings.ContainsAny(text[len(text)-1:], ".!?") {
		text += "."
	}
	if first := text[0]; first >= 'a' && first <= 'z' {
		text = string(first-'a'+'A') + text[1:]
	}
	return text
}
