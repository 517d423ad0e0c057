// Package expositiontest reads pages of metrics in tests, and is strict: what
// Prometheus would take in somehow is an error here.
package expositiontest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// T is what a test or a property reports to.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Family is what a page says of one name.
type Family struct {
	Type, Help string
	Samples    []Sample
}

// Sample is one line: the name has a suffix in histograms and summaries.
type Sample struct {
	Name   string
	Labels map[string]string
	Value  float64
}

// LabelNames are the names of the labels that any sample has, in order, but for
// those of buckets and quantiles.
func (f Family) LabelNames() []string {
	names := map[string]bool{}
	for _, s := range f.Samples {
		for name := range s.Labels {
			names[name] = name != "le" && name != "quantile" || names[name]
		}
	}
	maps.DeleteFunc(names, func(_ string, counts bool) bool { return !counts })
	return slices.Sorted(maps.Keys(names))
}

// Read reads a page: every family has one HELP with a text, one TYPE and its
// samples in one piece after them; no series is there twice; every value is a
// number; buckets rise; counters are called _total. What Prometheus' own parser
// reads must be the same.
func Read(t T, page string) map[string]Family {
	t.Helper()
	r := reader{t: t, families: map[string]Family{}, series: map[string]bool{}}
	if !strings.HasSuffix(page, "\n") {
		t.Errorf("the page does not end with a line's end")
	}
	for line := range strings.Lines(page) {
		r.line(strings.TrimSuffix(line, "\n"))
	}
	r.closeFamily()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	theirs, err := parser.TextToMetricFamilies(strings.NewReader(page))
	if err != nil {
		t.Fatalf("Prometheus' parser: %v", err)
	}
	for name, f := range r.families {
		r.compare(name, f, theirs[name])
	}
	for name := range theirs {
		if _, ok := r.families[name]; !ok {
			t.Errorf("Prometheus sees a family %s", name)
		}
	}
	return r.families
}

type reader struct {
	t        T
	name     string // of the family being read
	now      Family
	families map[string]Family
	series   map[string]bool
}

func (r *reader) line(line string) {
	r.t.Helper()
	if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
		r.closeFamily()
		r.name, r.now.Help, _ = strings.Cut(rest, " ")
		if _, twice := r.families[r.name]; twice {
			r.t.Errorf("%s is there in two pieces", r.name)
		}
		if strings.TrimSpace(r.now.Help) == "" {
			r.t.Errorf("%s has no help", r.name)
		}
		return
	}
	if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
		name, kind, _ := strings.Cut(rest, " ")
		if name != r.name || r.now.Type != "" || len(r.now.Samples) > 0 {
			r.t.Errorf("TYPE of %s does not follow its HELP", name)
		}
		if !slices.Contains([]string{"counter", "gauge", "histogram", "summary"}, kind) {
			r.t.Errorf("%s is a %q", name, kind)
		}
		if strings.HasSuffix(name, "_total") && kind != "counter" || strings.HasPrefix(name, "weir_") && kind == "counter" && !strings.HasSuffix(name, "_total") {
			r.t.Errorf("%s is a %s", name, kind)
		}
		r.now.Type = kind
		return
	}
	s, err := sample(line)
	if err != nil {
		r.t.Errorf("line %q: %v", line, err)
		return
	}
	if !belongs(s.Name, r.name, r.now.Type) {
		r.t.Errorf("%s stands below %s, a %s", s.Name, r.name, r.now.Type)
	}
	if math.IsNaN(s.Value) || r.now.Type == "counter" && s.Value < 0 {
		r.t.Errorf("%q is no good value", line)
	}
	if key := s.key(); r.series[key] {
		r.t.Errorf("%s is there twice", key)
	} else {
		r.series[key] = true
	}
	r.now.Samples = append(r.now.Samples, s)
}

func (r *reader) closeFamily() {
	if r.name == "" {
		return
	}
	if r.now.Type == "" {
		r.t.Errorf("%s has no TYPE", r.name)
	}
	if r.now.Type == "histogram" {
		r.checkBuckets()
	}
	r.families[r.name] = r.now
	r.name, r.now = "", Family{}
}

// checkBuckets holds that buckets come in order and rise, up to the count.
func (r *reader) checkBuckets() {
	type state struct {
		le, n float64
		whole bool
	}
	last := map[string]state{}
	for _, s := range r.now.Samples {
		labels := maps.Clone(s.Labels)
		delete(labels, "le")
		key := Sample{Labels: labels}.key()
		if count := r.name + "_count"; s.Name == count && (!last[key].whole || last[key].n != s.Value) {
			r.t.Errorf("%s%s is %v beside buckets up to %v", count, key, s.Value, last[key].n)
		}
		if s.Name != r.name+"_bucket" {
			continue
		}
		le, err := strconv.ParseFloat(s.Labels["le"], 64)
		before, any := last[key]
		if err != nil || any && (le <= before.le || s.Value < before.n) {
			r.t.Errorf("buckets of %s%s do not rise at le=%q", r.name, key, s.Labels["le"])
		}
		last[key] = state{le, s.Value, math.IsInf(le, 1)}
	}
	for key, s := range last {
		if !s.whole {
			r.t.Errorf("%s%s has no bucket +Inf", r.name, key)
		}
	}
}

// compare holds what Prometheus' parser read beside what was read here.
func (r *reader) compare(name string, ours Family, theirs *dto.MetricFamily) {
	if len(ours.Samples) == 0 {
		return // it drops empty families
	}
	if theirs == nil || !strings.EqualFold(theirs.GetType().String(), ours.Type) {
		r.t.Errorf("%s: Prometheus' parser sees %v", name, theirs.GetType())
		return
	}
	if n := len(theirs.GetMetric()); n > len(ours.Samples) || ours.Type == "gauge" && n != len(ours.Samples) {
		r.t.Errorf("%s: Prometheus' parser sees %d series in %d samples", name, n, len(ours.Samples))
	}
}

func belongs(sample, family, kind string) bool {
	suffixes := map[string][]string{"histogram": {"_bucket", "_sum", "_count"}, "summary": {"", "_sum", "_count"}}[kind]
	if suffixes == nil {
		return sample == family
	}
	return slices.ContainsFunc(suffixes, func(s string) bool { return sample == family+s })
}

func (s Sample) key() string {
	var b strings.Builder
	b.WriteString(s.Name + "{")
	for i, name := range slices.Sorted(maps.Keys(s.Labels)) {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%s=%q", name, s.Labels[name])
	}
	return b.String() + "}"
}

// sample reads `name{label="value",...} number`.
func sample(line string) (s Sample, err error) {
	s.Labels = map[string]string{}
	rest := line
	if i := strings.IndexAny(line, "{ "); i < 0 {
		return s, fmt.Errorf("no value")
	} else if s.Name, rest = line[:i], line[i:]; rest[0] == '{' {
		rest = rest[1:]
		for !strings.HasPrefix(rest, "}") {
			if rest, err = s.label(strings.TrimLeft(rest, ", ")); err != nil {
				return s, err
			}
		}
		rest = rest[1:]
	}
	value, ok := strings.CutPrefix(rest, " ")
	if !ok {
		return s, fmt.Errorf("no space before the value")
	}
	s.Value, err = strconv.ParseFloat(value, 64)
	return s, err
}

func (s *Sample) label(text string) (rest string, err error) {
	name, rest, ok := strings.Cut(text, `="`)
	if !ok || name == "" || !model.LegacyValidation.IsValidLabelName(name) {
		return "", fmt.Errorf("bad label %q", name)
	}
	if _, twice := s.Labels[name]; twice {
		return "", fmt.Errorf("label %s twice", name)
	}
	end := 0
	for end < len(rest) && rest[end] != '"' {
		if rest[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(rest) {
		return "", fmt.Errorf("label %s has no end", name)
	}
	s.Labels[name], err = strconv.Unquote(`"` + rest[:end] + `"`)
	return rest[end+1:], err
}
