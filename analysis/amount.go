package analysis

import (
	"math"
	"strconv"
	"strings"
)

// maxValue bounds a limit on a measurement: it stays exact as a float64.
const maxValue = 1 << 52

const (
	remedyMemory = `write a size such as "512MiB" or "2GB", or a multiple such as "1.5x baseline"`
	remedyCPU    = `write a share of one core such as "80%" or "250%", or a multiple such as "1.5x baseline"`
	remedyNamed  = `write a plain number such as "100" or "0.95", or a multiple such as "1.5x baseline"`
)

// size is a unit of memory.
type size struct {
	name  string
	bytes int64
}

// sizes are the units of memory in which a limit may be written, the largest
// first: a limit is spelt in the largest that it is a whole number of.
func sizes() []size {
	return []size{{"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"KB", 1e3}, {"B", 1}}
}

// value parses the limit of a condition on measurements.
func (p *conditionParser) value(c *Condition, text string, offset int) error {
	remedy := map[Metric]string{Memory: remedyMemory, CPU: remedyCPU, Named: remedyNamed}[c.Metric]
	if text == "" {
		return p.fail(offset, remedy, "the limit is missing")
	}
	digits, unit, decimals, sign := text, int64(1), 6, int64(1)
	switch c.Metric {
	case Memory:
		decimals = 0
		for _, s := range sizes() {
			if rest, ok := strings.CutSuffix(text, s.name); ok {
				digits, unit = rest, s.bytes
				break
			}
		}
		if digits == text {
			return p.fail(offset, remedy, "the limit %q of memory has no unit", text)
		}
	case CPU:
		var ok bool
		decimals = 4
		if digits, ok = strings.CutSuffix(text, "%"); !ok {
			return p.fail(offset, remedy, "the limit %q of cpu has no unit", text)
		}
	case Named:
		if rest, ok := strings.CutPrefix(text, "-"); ok {
			digits, sign = rest, -1
		}
	}
	n, err := parseDecimal(digits, decimals)
	switch {
	case err != nil:
		return p.fail(offset, remedy, "%q is no limit: %s", text, err)
	case int64(n) > maxValue/unit:
		return p.fail(offset, remedy, "the limit %q is too large", text)
	case n == 0 && c.Metric != Named:
		return p.fail(offset, remedy, "a limit of %s would fail every version", text)
	}
	c.Value = sign * int64(n) * unit
	return nil
}

// plainNumber reports whether a comparison with a plain number follows, as only
// metrics of the plan have it.
func (p *conditionParser) plainNumber() bool {
	ahead := *p
	ahead.operator()
	limit, _ := ahead.word()
	limit = strings.TrimSuffix(strings.TrimPrefix(limit, "-"), "x")
	return limit != "" && strings.Trim(limit, "0123456789.") == ""
}

// isMetricName reports whether a plan may call a metric so: letters, digits and
// underscores, no digit first, at most 64.
func isMetricName(s string) bool {
	if s == "" || len(s) > 64 || s[0] >= '0' && s[0] <= '9' {
		return false
	}
	return strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// IsMetricName reports whether a plan may call a metric of its own so.
func IsMetricName(s string) bool {
	if !isMetricName(s) {
		return false
	}
	c, err := ParseCondition(s + " > 1")
	return err == nil && c.Metric == Named
}

// valueLimit is an absolute limit in the unit of its measurements.
func (c Condition) valueLimit() float64 {
	if c.Metric == Memory {
		return float64(c.Value)
	}
	return float64(c.Value) / 1e6
}

// limitText spells an absolute limit on a measurement exactly.
func (c Condition) limitText() string {
	switch c.Metric {
	case Memory:
		for _, s := range sizes() {
			if c.Value%s.bytes == 0 {
				return strconv.FormatInt(c.Value/s.bytes, 10) + s.name
			}
		}
	case CPU:
		return decimal(int(c.Value), 4) + "%"
	}
	if c.Value < 0 {
		return "-" + decimal(int(-c.Value), 6)
	}
	return decimal(int(c.Value), 6)
}

// Amount spells a measurement for a person.
func (c Condition) Amount(v float64) string {
	switch c.Metric {
	case CPU:
		return Figures(100*v) + "%"
	case Memory:
		for _, s := range sizes() {
			if strings.HasSuffix(s.name, "iB") && math.Abs(v) >= float64(s.bytes) {
				return Figures(v/float64(s.bytes)) + s.name
			}
		}
		return Figures(v) + "B"
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}
