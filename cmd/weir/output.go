package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/api"
)

// print writes an answer as the person asked for it: the API's JSON as it came,
// or as YAML, or what table writes.
func (c *cli) print(a *answer, table func(io.Writer) error) error {
	switch c.output {
	case "json":
		var b bytes.Buffer
		if err := json.Indent(&b, bytes.TrimSpace(a.body), "", "  "); err != nil {
			return fmt.Errorf("cannot indent the answer: %w", err)
		}
		b.WriteByte('\n')
		_, err := c.out.Write(b.Bytes())
		return err
	case "yaml":
		text, err := yaml.JSONToYAML(a.body)
		if err != nil {
			return fmt.Errorf("cannot write the answer as YAML: %w", err)
		}
		_, err = c.out.Write(text)
		return err
	}
	return table(c.page())
}

// printValue writes a value of our own as JSON or YAML.
func (c *cli) printValue(v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("cannot encode the answer: %w", err)
	}
	return c.print(&answer{body: body}, nil)
}

// printResult writes what became of a change.
func (c *cli) printResult(a *answer) error {
	var r api.Result
	if err := a.into(&r); err != nil {
		return err
	}
	return c.print(a, func(w io.Writer) error {
		writeResult(w, &r)
		return nil
	})
}

func writeResult(w io.Writer, r *api.Result) {
	text := r.Text
	if r.ID != "" && !strings.Contains(text, r.ID) {
		text = r.ID + ": " + text
	}
	fmt.Fprintln(w, text)
	for _, s := range r.Changes {
		fmt.Fprintln(w, "  "+s)
	}
	for _, s := range r.Warnings {
		fmt.Fprintln(w, "  note: "+s)
	}
}

// page is an output as a person reads it: it has a width, 0 for any, and no
// text that came from elsewhere steers its terminal.
type page struct {
	out   io.Writer
	width int
}

func (p page) Write(text []byte) (int, error) {
	lines := strings.Split(string(text), "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	if _, err := io.WriteString(p.out, strings.Join(lines, "\n")); err != nil {
		return 0, err
	}
	return len(text), nil
}

// page is the standard output for people.
func (c *cli) page() page { return page{c.out, widthOf(c.out)} }

// weightsText lists the versions that have weight, the largest first.
func weightsText(weights map[string]configs.Weight) string {
	names := slices.SortedFunc(maps.Keys(weights), func(a, b string) int {
		if d := int(weights[b]) - int(weights[a]); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	var parts []string
	for _, name := range names {
		if weights[name] > 0 {
			parts = append(parts, name+" "+weights[name].String())
		}
	}
	return orDash(strings.Join(parts, ", "))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// percent writes a share with three digits.
func percent(share float64) string {
	if share > 0 && share < 1e-5 {
		return "<0.001%"
	}
	return analysis.Figures(share*100) + "%"
}

// millis writes a latency in milliseconds.
func millis(ms float64) string {
	switch {
	case ms == 0:
		return "-"
	case ms < 1:
		return fmt.Sprintf("%.2fms", ms)
	case ms < 10:
		return fmt.Sprintf("%.1fms", ms)
	case ms < 10_000:
		return fmt.Sprintf("%.0fms", ms)
	}
	return fmt.Sprintf("%.1fs", ms/1e3)
}

// span writes a duration as a person says it: at most two units, no fractions
// from ten seconds on.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < 10*time.Second:
		return strings.Replace(fmt.Sprintf("%.1fs", d.Seconds()), ".0s", "s", 1)
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return twoUnits(d, time.Minute, "m", time.Second, "s")
	case d < 48*time.Hour:
		return twoUnits(d, time.Hour, "h", time.Minute, "m")
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

func twoUnits(d, large time.Duration, largeName string, small time.Duration, smallName string) string {
	text := fmt.Sprintf("%d%s", d/large, largeName)
	if rest := d % large / small; rest > 0 {
		text += fmt.Sprintf("%d%s", rest, smallName)
	}
	return text
}

func seconds(s float64) time.Duration { return time.Duration(math.Round(s * 1e9)) }

// ago writes when something was, seen from now.
func ago(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return span(time.Since(at)) + " ago"
}

// clock writes a local time; with the date if that is not today.
func clock(at time.Time) string { return clockAt(at, time.Now()) }

func clockAt(at, now time.Time) string {
	if at.IsZero() {
		return "-"
	}
	at, now = at.Local(), now.Local()
	if at.YearDay() == now.YearDay() && at.Year() == now.Year() {
		return at.Format("15:04:05")
	}
	return at.Format("2006-01-02 15:04:05")
}

// count groups the digits of a number: 12,345.
func count(n uint64) string {
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, r := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// firstLine is a text without what follows its first line.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
