package main

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ink is how a piece of text looks on a terminal that has colours.
type ink string

// Inks, as the parameters of SGR (ECMA-48).
const (
	plain ink = ""
	bold  ink = "1"
	faint ink = "2"
	good  ink = "32"
	bad   ink = "31"
	warn  ink = "33"
)

// piece is text of one ink.
type piece struct {
	text string
	ink  ink
}

// line is a line of a picture, without its end.
type line []piece

func textLine(text string) line { return line{{text: text}} }

// render writes the line, cut to a width; 0: uncut.
func (l line) render(width int, colour bool) string {
	var b strings.Builder
	room := width
	for _, p := range l {
		text := p.text
		if width > 0 {
			text = shorten(text, room)
			room -= utf8.RuneCountInString(text)
		}
		if text == "" {
			continue
		}
		if colour && p.ink != plain {
			text = "\x1b[" + string(p.ink) + "m" + text + "\x1b[0m"
		}
		b.WriteString(text)
	}
	return strings.TrimRight(b.String(), " ")
}

// printable is a text without what would steer a terminal. Names, reasons and
// answers of hooks come from other people.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, s)
}

// shorten cuts a text for a cell.
func shorten(s string, most int) string {
	s = printable(s)
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	if most <= 0 {
		return ""
	}
	return string([]rune(s)[:most-1]) + "…"
}

// bar draws a share from 0 to 1. Something is never drawn as nothing, nor a part
// as the whole.
func bar(share float64, width int) string {
	full := int(math.Round(share * float64(width)))
	switch {
	case share <= 0 || math.IsNaN(share):
		full = 0
	case share >= 1:
		full = width
	default:
		full = min(max(full, 1), width-1)
	}
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}

// proofShare is how far evidence is on its way to a threshold. Evidence
// multiplies, so the way is even in its logarithm.
func proofShare(evidence, threshold float64) float64 {
	if threshold <= 1 {
		return 0
	}
	return min(max(math.Log(max(evidence, 1))/math.Log(threshold), 0), 1)
}
