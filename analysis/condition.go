package analysis

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Metric is what a Condition limits.
type Metric uint8

// The zero Metric is that of no condition.
const (
	ErrorRate Metric = iota + 1
	ClientErrorRate
	LatencyQuantile
	HealthCheck
	SmokeTest
	Memory
	CPU
	Named
)

// Condition is one limit as an operator writes it, such as "error_rate > 1%",
// "latency_p99 < 200ms" or "health_check == failing". It holds whole numbers
// only, so that equal conditions are equal values. The zero Condition is none.
type Condition struct {
	Metric Metric
	Below  bool // written with "<": a check, which a stage must pass; else a trigger

	Percentile int           // of LatencyQuantile, in tenths of a percent: p99 is 990
	Rate       int           // limit of a rate, in millionths: 1% is 10000; 0 if the limit is relative
	Latency    time.Duration // limit of LatencyQuantile; 0 if the limit is relative
	Times      int           // limit relative to stable, in thousandths: 1.5x is 1500; 0 if the limit is absolute

	// Name is that of a Named metric, which the plan says how to measure.
	Name string
	// Value is the limit of what is measured: of Memory in bytes, of CPU in
	// millionths of a core, of Named in millionths.
	Value int64
}

// IsZero reports whether there is no condition.
func (c Condition) IsZero() bool { return c == Condition{} }

// Relative reports whether the limit is a multiple of what stable does.
func (c Condition) Relative() bool { return c.Times > 0 }

// counted reports whether the condition is judged on the counts of requests.
func (c Condition) counted() bool {
	return c.Metric == ErrorRate || c.Metric == ClientErrorRate || c.Metric == LatencyQuantile
}

// Valued reports whether the condition is judged on measurements: see Judge.Measure.
func (c Condition) Valued() bool { return c.Metric == Memory || c.Metric == CPU || c.Metric == Named }

// probed reports whether the condition is judged on rounds of probes.
func (c Condition) probed() bool { return c.Metric == HealthCheck || c.Metric == SmokeTest }

// Subject names what a valued condition measures.
func (c Condition) Subject() string { return c.name() }

// Share is the largest allowed share of bad requests of an absolute condition:
// .01 for "error_rate > 1%", and .01 for "latency_p99 > 200ms", of which at most
// one request in a hundred may be slower than the limit. It is 0 for others.
func (c Condition) Share() float64 {
	switch {
	case c.Metric == LatencyQuantile && c.Latency > 0:
		return float64(1000-c.Percentile) / 1000
	case c.counted():
		return float64(c.Rate) / 1e6
	}
	return 0
}

// String is the canonical spelling; parsing it gives an equal Condition. It is
// empty for the zero Condition.
func (c Condition) String() string {
	if c.IsZero() {
		return ""
	}
	var b strings.Builder
	b.WriteString(c.name())
	switch {
	case c.probed():
		b.WriteString(" == failing")
		return b.String()
	case c.Below:
		b.WriteString(" < ")
	default:
		b.WriteString(" > ")
	}
	switch {
	case c.Relative():
		b.WriteString(decimal(c.Times, 3) + "x baseline")
	case c.Metric == LatencyQuantile:
		b.WriteString(formatDuration(c.Latency))
	case c.Valued():
		b.WriteString(c.limitText())
	default:
		b.WriteString(decimal(c.Rate, 4) + "%")
	}
	return b.String()
}

// LimitText is the limit alone, as a person writes it: "1%", "200ms", "1.5x
// baseline", "failing".
func (c Condition) LimitText() string {
	s := c.String()
	for _, op := range []string{" == ", " < ", " > "} {
		if _, limit, ok := strings.Cut(s, op); ok {
			return limit
		}
	}
	return s
}

func (c Condition) name() string {
	switch c.Metric {
	case ErrorRate:
		return "error_rate"
	case ClientErrorRate:
		return "client_error_rate"
	case LatencyQuantile:
		return "latency_p" + decimal(c.Percentile, 1)
	case HealthCheck:
		return "health_check"
	case SmokeTest:
		return "smoke_test"
	case Memory:
		return "memory"
	case CPU:
		return "cpu"
	case Named:
		return c.Name
	}
	return "metric_" + strconv.Itoa(int(c.Metric))
}

// MarshalText gives the canonical spelling.
func (c Condition) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText parses as ParseCondition does, so that YAML and JSON decode a
// Condition from a string.
func (c *Condition) UnmarshalText(text []byte) error {
	parsed, err := ParseCondition(string(text))
	if err != nil {
		return err
	}
	*c = parsed
	return nil
}

// decimal writes v / 10^digits without trailing zeros.
func decimal(v, digits int) string {
	s := fmt.Sprintf("%0*d", digits+1, v)
	whole, fraction := s[:len(s)-digits], strings.TrimRight(s[len(s)-digits:], "0")
	if fraction == "" {
		return whole
	}
	return whole + "." + fraction
}

// formatDuration is Duration.String without the zero units at its end.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
