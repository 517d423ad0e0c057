package analysis

import (
	"math"
	"strconv"
	"strings"
)

// Bounds of what Figures spells out.
const (
	mostFigures  = 1e12
	leastFigures = 1e-6
)

// Figures writes a number for a person: three significant digits, thousands split by
// commas, never an exponent. What is beyond a million millions, as the evidence against
// a version that fails every request soon is, is only said to be.
func Figures(v float64) string {
	size := math.Abs(v)
	switch {
	case math.IsNaN(v):
		return "unknown"
	case size >= mostFigures:
		return beyond(v, "over", mostFigures)
	case size == 0:
		return "0"
	case size < leastFigures:
		return beyond(v, "under", leastFigures)
	}
	// The exponent of the rounded number: 999.6 has four digits.
	digits := strconv.FormatFloat(v, 'e', 2, 64)
	exponent, err := strconv.Atoi(digits[strings.IndexByte(digits, 'e')+1:])
	if err != nil {
		panic("BUG: a number has no exponent: " + digits)
	}
	if exponent >= 2 {
		unit := math.Pow(10, float64(exponent-2))
		return grouped(strconv.FormatFloat(math.Round(v/unit)*unit, 'f', 0, 64))
	}
	return strings.TrimRight(strings.TrimRight(strconv.FormatFloat(v, 'f', 2-exponent, 64), "0"), ".")
}

func beyond(v float64, word string, bound float64) string {
	text := grouped(strconv.FormatFloat(bound, 'f', -1, 64))
	if v < 0 {
		text = "-" + text
	}
	return word + " " + text
}

// grouped puts commas into the digits before the point.
func grouped(digits string) string {
	sign, rest := "", digits
	if strings.HasPrefix(digits, "-") {
		sign, rest = "-", digits[1:]
	}
	whole, part, point := strings.Cut(rest, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if point {
		whole += "." + part
	}
	return sign + whole
}
