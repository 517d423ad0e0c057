package measure

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// parseUsage reads the two metrics that it is asked for from a page in
// Prometheus' text format, and nothing else of it. The parser is our own because
// Prometheus' own panics on some pages (prometheus/common v0.67.5), and a
// candidate must not be able to end the proxy in front of it.
// Source: https://prometheus.io/docs/instrumenting/exposition_formats/
func parseUsage(page []byte, memory, cpu string) (Usage, error) {
	u := Usage{Memory: math.NaN(), CPU: math.NaN()}
	for rest := string(page); rest != ""; {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		name, tail := metricName(strings.TrimLeft(line, " \t"))
		var into *float64
		switch name {
		case memory:
			into = &u.Memory
		case cpu:
			into = &u.CPU
		default:
			continue // a comment, or what nobody asked for
		}
		v, err := sampleValue(tail)
		if err != nil {
			return Usage{}, fmt.Errorf("the line of %s cannot be read: %w", name, err)
		}
		if *into = *into + v; math.IsNaN(*into) {
			*into = v // the first series
		}
	}
	for _, v := range []*float64{&u.Memory, &u.CPU} {
		if math.IsInf(*v, 0) {
			*v = math.NaN()
		}
	}
	if math.IsNaN(u.Memory) && math.IsNaN(u.CPU) {
		return Usage{}, fmt.Errorf("it shows neither %s nor %s", memory, cpu)
	}
	return u, nil
}

// metricName cuts the name off the beginning of a line.
func metricName(line string) (name, tail string) {
	i := 0
	for i < len(line) && isNameByte(line[i]) {
		i++
	}
	return line[:i], line[i:]
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == ':'
}

var (
	errLabels = errors.New("its labels do not end")
	errNumber = errors.New("it has no number")
)

// sampleValue reads what follows a name: labels, if there are any, then a number.
// A timestamp behind it is of no interest.
func sampleValue(tail string) (float64, error) {
	tail = strings.TrimLeft(tail, " \t")
	if strings.HasPrefix(tail, "{") {
		end := labelsEnd(tail)
		if end < 0 {
			return 0, errLabels
		}
		tail = strings.TrimLeft(tail[end+1:], " \t")
	}
	number, _, _ := strings.Cut(strings.TrimRight(tail, "\r"), " ")
	number, _, _ = strings.Cut(number, "\t")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, errNumber
	}
	return v, nil
}

// labelsEnd is where the brace closes that tail begins with; -1: nowhere. Braces
// in quotes do not count.
func labelsEnd(tail string) int {
	quoted := false
	for i := 1; i < len(tail); i++ {
		switch c := tail[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '}' && !quoted:
			return i
		}
	}
	return -1
}
