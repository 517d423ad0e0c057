package analysis

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MaxLatencyLimit is the largest latency limit: what the recorder's histogram
// reaches.
const MaxLatencyLimit = 275 * time.Second

// ConditionError says what is wrong with a condition, where, and what to write
// instead.
type ConditionError struct {
	Input   string
	Offset  int    // byte offset into Input of what is wrong
	Problem string // what is wrong
	Remedy  string // what to write instead
}

func (e *ConditionError) Error() string {
	return fmt.Sprintf("cannot parse condition %q: byte %d: %s; %s", e.Input, e.Offset, e.Problem, e.Remedy)
}

const (
	remedyMetric = `write one of error_rate, client_error_rate, latency_p50 to latency_p99.9, health_check, smoke_test, memory, cpu, or a metric of the plan`
	remedyRate   = `write a percentage such as "0.1%" or a multiple such as "1.5x baseline"`
	remedyTime   = `write a duration such as "200ms" or "1.5s", or a multiple such as "1.2x baseline"`
)

// ParseCondition parses a condition: a metric, a comparison and a limit, such as
// "error_rate > 1%", "latency_p99 < 200ms" (also spelt "p99_latency"),
// "error_rate < 1.5x baseline", "health_check == failing". Errors are
// *ConditionError.
func ParseCondition(s string) (Condition, error) {
	p := conditionParser{input: s}
	c, err := p.condition()
	if err != nil {
		return Condition{}, err
	}
	return c, nil
}

type conditionParser struct {
	input string
	pos   int
}

func (p *conditionParser) fail(offset int, remedy, format string, args ...any) error {
	return &ConditionError{Input: p.input, Offset: offset, Problem: fmt.Sprintf(format, args...), Remedy: remedy}
}

func (p *conditionParser) skipSpace() {
	for p.pos < len(p.input) && (p.input[p.pos] == ' ' || p.input[p.pos] == '\t') {
		p.pos++
	}
}

// word takes bytes up to a space or a comparison sign.
func (p *conditionParser) word() (text string, offset int) {
	p.skipSpace()
	offset = p.pos
	for p.pos < len(p.input) && !strings.ContainsRune(" \t<>=!", rune(p.input[p.pos])) {
		p.pos++
	}
	return p.input[offset:p.pos], offset
}

func (p *conditionParser) operator() (text string, offset int) {
	p.skipSpace()
	offset = p.pos
	for p.pos < len(p.input) && strings.ContainsRune("<>=!", rune(p.input[p.pos])) {
		p.pos++
	}
	return p.input[offset:p.pos], offset
}

func (p *conditionParser) condition() (c Condition, err error) {
	name, offset := p.word()
	if err := p.metric(&c, name, offset); err != nil {
		return c, err
	}
	op, offset := p.operator()
	if c.probed() {
		if op != "==" {
			return c, p.fail(offset, fmt.Sprintf("write %q", name+" == failing"), "%s is compared with \"==\", not %q", name, op)
		}
		value, offset := p.word()
		if value != "failing" {
			return c, p.fail(offset, fmt.Sprintf("write %q", name+" == failing"), "%q is no state of %s", value, name)
		}
		return c, p.end()
	}
	switch op {
	case "<":
		c.Below = true
	case ">":
	case "":
		return c, p.fail(offset, `write ">" in a trigger and "<" in a check`, "there is no comparison after %s", name)
	default:
		return c, p.fail(offset, `write ">" in a trigger and "<" in a check`, "%q is no comparison of %s", op, name)
	}
	value, offset := p.word()
	if times, ok := strings.CutSuffix(value, "x"); ok {
		if err := p.times(&c, times, offset); err != nil {
			return c, err
		}
		return c, p.end()
	}
	switch {
	case c.Valued():
		err = p.value(&c, value, offset)
	case c.Metric == LatencyQuantile:
		err = p.latency(&c, value, offset)
	default:
		err = p.rate(&c, value, offset)
	}
	if err != nil {
		return c, err
	}
	return c, p.end()
}

func (p *conditionParser) end() error {
	p.skipSpace()
	if p.pos < len(p.input) {
		return p.fail(p.pos, "write one condition, and nothing behind it", "%q follows the limit", p.input[p.pos:])
	}
	return nil
}

func (p *conditionParser) metric(c *Condition, name string, offset int) error {
	switch name {
	case "":
		return p.fail(offset, remedyMetric, "the metric is missing")
	case "error_rate":
		c.Metric = ErrorRate
		return nil
	case "client_error_rate":
		c.Metric = ClientErrorRate
		return nil
	case "health_check":
		c.Metric = HealthCheck
		return nil
	case "smoke_test":
		c.Metric = SmokeTest
		return nil
	case "memory":
		c.Metric = Memory
		return nil
	case "cpu":
		c.Metric = CPU
		return nil
	}
	digits, ok := strings.CutPrefix(name, "latency_p")
	digitsAt := offset + len("latency_p")
	if !ok {
		if digits, ok = strings.CutPrefix(name, "p"); ok {
			digits, ok = strings.CutSuffix(digits, "_latency")
			digitsAt = offset + 1
		}
	}
	if !ok {
		// A plan may name metrics of its own. Whoever has the plan knows which.
		if isMetricName(name) && p.plainNumber() {
			c.Metric, c.Name = Named, name
			return nil
		}
		return p.fail(offset, remedyMetric, "there is no metric %q", name)
	}
	tenths, err := parseDecimal(digits, 1)
	if err != nil {
		return p.fail(digitsAt, `write a percentile such as "latency_p99"`, "%q is no percentile: %s", digits, err)
	}
	if tenths < 500 || tenths > 999 {
		return p.fail(digitsAt, "write one from p50 to p99.9", "p%s is out of range", digits)
	}
	c.Metric, c.Percentile = LatencyQuantile, tenths
	return nil
}

func (p *conditionParser) times(c *Condition, digits string, offset int) error {
	times, err := parseDecimal(digits, 3)
	switch {
	case err != nil:
		return p.fail(offset, `write a multiple such as "1.5x baseline"`, "%q is no multiple: %s", digits+"x", err)
	case times == 0:
		return p.fail(offset, `write a multiple such as "1.5x baseline"`, "a limit of 0x is none")
	case times < 1000 && !c.Valued():
		return p.fail(offset, `write at least "1x baseline"`, "a limit of %sx would fail a version that equals stable", digits)
	case times > 1000_000:
		return p.fail(offset, `write at most "1000x baseline"`, "a limit of %sx never breaks", digits)
	}
	of, offset := p.word()
	if of != "baseline" {
		return p.fail(offset, fmt.Sprintf("write %q", digits+"x baseline"), "a multiple is of the baseline, not of %q", of)
	}
	c.Times = times
	return nil
}

func (p *conditionParser) rate(c *Condition, value string, offset int) error {
	digits, ok := strings.CutSuffix(value, "%")
	if !ok {
		if value == "" {
			return p.fail(offset, remedyRate, "the limit is missing")
		}
		return p.fail(offset, remedyRate, "the limit %q of %s has no unit", value, c.name())
	}
	rate, err := parseDecimal(digits, 4)
	switch {
	case err != nil:
		return p.fail(offset, remedyRate, "%q is no limit: %s", value, err)
	case rate == 0:
		return p.fail(offset, `write a small limit such as "0.1%"`, "a limit of 0%% would fail every version at its first error")
	case rate >= 1e6:
		return p.fail(offset, `write a limit under 100%`, "a limit of %s never breaks", value)
	}
	c.Rate = rate
	return nil
}

func (p *conditionParser) latency(c *Condition, value string, offset int) error {
	if value == "" {
		return p.fail(offset, remedyTime, "the limit is missing")
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		if strings.Trim(value, "0123456789.") == "" {
			return p.fail(offset, remedyTime, "the limit %q of %s has no unit", value, c.name())
		}
		return p.fail(offset, remedyTime, "%q is no duration", value)
	}
	switch {
	case d < 0:
		return p.fail(offset, remedyTime, "the limit %s is negative", value)
	case d == 0:
		return p.fail(offset, remedyTime, "a limit of %s would fail every version", value)
	case d < time.Microsecond:
		return p.fail(offset, `write at least "1us"`, "the limit %s is too short to measure", value)
	case d > MaxLatencyLimit:
		return p.fail(offset, fmt.Sprintf("write at most %q", formatDuration(MaxLatencyLimit)), "the limit %s is longer than a latency is measured", value)
	}
	c.Latency = d
	return nil
}

// parseDecimal parses an unsigned decimal number as a whole number of
// 10^-digits. It takes no sign, exponent or further digits.
func parseDecimal(s string, digits int) (int, error) {
	if strings.HasPrefix(s, "-") {
		return 0, errors.New("it is negative")
	}
	whole, fraction, dotted := strings.Cut(s, ".")
	if whole == "" || dotted && fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return 0, errors.New("it is not a plain decimal number")
	}
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > digits {
		return 0, fmt.Errorf("it has more than %d decimals", digits)
	}
	whole = strings.TrimLeft(whole, "0")
	if len(whole) > 9 {
		return 0, errors.New("it is too large")
	}
	return strconv.Atoi("0" + whole + fraction + strings.Repeat("0", digits-len(fraction)))
}
