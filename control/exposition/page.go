// Package exposition writes metrics in Prometheus' text format, version 0.0.4.
package exposition

import (
	"io"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// ContentType is that of a page.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Page is one page of metrics. Its families are written in the order in which
// they were begun, each in one piece, as the format wants it, however their
// samples came. The zero Page is empty. Not safe for concurrent use.
type Page struct{ families []*Family }

// Family is all samples of one name.
type Family struct {
	name string
	text []byte
}

// Labels are the labels that samples have in common, as the page shows them.
type Labels string

// Counter begins a family of values that only rise. Its name ends in _total.
func (p *Page) Counter(name, help string) *Family { return p.begin(name, "counter", help) }

// Gauge begins a family of values that rise and fall.
func (p *Page) Gauge(name, help string) *Family { return p.begin(name, "gauge", help) }

// Histogram begins a family whose samples are made by Family.Buckets.
func (p *Page) Histogram(name, help string) *Family { return p.begin(name, "histogram", help) }

func (p *Page) begin(name, kind, help string) *Family {
	f := &Family{name: name}
	f.text = append(f.text, "# HELP "+name+" "+strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(help)+"\n# TYPE "+name+" "+kind+"\n"...)
	p.families = append(p.families, f)
	return f
}

// writtenAtOnce is how many bytes are written before other goroutines have their
// turn: compressing them takes about a third of a millisecond.
const writtenAtOnce = 64 << 10

// WriteTo writes the page and returns its length. The error is w's.
func (p *Page) WriteTo(w io.Writer) (int64, error) {
	var written int64
	for _, f := range p.families {
		for part := range slices.Chunk(f.text, writtenAtOnce) {
			n, err := w.Write(part)
			written += int64(n)
			if err != nil {
				return written, err
			}
			runtime.Gosched()
		}
	}
	return written, nil
}

// LabelsOf makes Labels of pairs of name and value.
func LabelsOf(pairs ...string) Labels { return Labels(appendLabels(nil, pairs)) }

// Flag is the value of what is so or not.
func Flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Add writes a sample. Pairs are names and values of labels. A value that is no
// number is not known, and leaves the sample out.
func (f *Family) Add(value float64, pairs ...string) { f.AddTo("", value, pairs...) }

// AddTo is Add for a sample whose first labels are base.
func (f *Family) AddTo(base Labels, value float64, pairs ...string) {
	if !math.IsNaN(value) {
		f.sample("", base, value, pairs)
	}
}

// Bound is the text of a histogram's bound.
func Bound(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// Buckets writes one histogram: how many of count were within each of the bounds
// that Bound made, and their sum. Bounds rise, and so does within.
func (f *Family) Buckets(base Labels, bounds []string, within []uint64, count uint64, sum float64) {
	for i, bound := range bounds {
		f.sample("_bucket", base, float64(within[i]), []string{"le", bound})
	}
	f.sample("_bucket", base, float64(count), []string{"le", "+Inf"})
	f.sample("_sum", base, sum, nil)
	f.sample("_count", base, float64(count), nil)
}

func (f *Family) sample(suffix string, base Labels, value float64, pairs []string) {
	t := append(f.text, f.name...)
	t = append(t, suffix...)
	if base != "" || len(pairs) > 0 {
		t = append(t, '{')
		t = append(t, base...)
		if base != "" && len(pairs) > 0 {
			t = append(t, ',')
		}
		t = append(appendLabels(t, pairs), '}')
	}
	t = append(t, ' ')
	f.text = append(appendValue(t, value), '\n')
}

func appendLabels(t []byte, pairs []string) []byte {
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			t = append(t, ',')
		}
		t = append(append(t, pairs[i]...), '=', '"')
		for _, c := range []byte(strings.ToValidUTF8(pairs[i+1], "�")) {
			switch c {
			case '\\', '"':
				t = append(t, '\\', c)
			case '\n':
				t = append(t, '\\', 'n')
			default:
				t = append(t, c)
			}
		}
		t = append(t, '"')
	}
	return t
}

// appendValue writes whole numbers as such: a counter above a million reads
// badly otherwise.
func appendValue(t []byte, v float64) []byte {
	switch {
	case math.IsInf(v, 1):
		return append(t, "+Inf"...)
	case v == math.Trunc(v) && math.Abs(v) < 1<<53:
		return strconv.AppendInt(t, int64(v), 10)
	}
	return strconv.AppendFloat(t, v, 'g', -1, 64)
}
