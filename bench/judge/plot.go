package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// plot is a chart of bars: one group a world, one bar a judge.
type plot struct {
	file, title, unit string
	groups            []group
	log               bool
	top               float64 // of the scale; 0: the largest value
}

type group struct {
	name   string
	values []float64 // by judge
}

var colours = []string{"#0b7a4b", "#9aa5b1", "#7b8794", "#c2a878", "#b5838d", "#6d6875"}

const (
	barWidth, barGap, groupGap = 26, 4, 40
	left, above, height, below = 60, 60, 300, 110
)

// svg draws the chart.
func (p plot) svg() string {
	groupWidth := len(judges)*(barWidth+barGap) + groupGap
	width := left + len(p.groups)*groupWidth + 20
	top := p.top
	for _, g := range p.groups {
		for _, v := range g.values {
			if !math.IsInf(v, 1) {
				top = max(top, v)
			}
		}
	}
	scale := func(v float64) float64 {
		switch {
		case math.IsInf(v, 1):
			return height
		case p.log:
			return height * math.Log10(max(v, 1)) / math.Log10(max(top, 10))
		}
		return height * v / max(top, 1)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`+"\n", width, above+height+below)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/><text x="%d" y="24" font-size="15">%s</text>`+"\n", left, p.title)
	fmt.Fprintf(&b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="#333"/>`+"\n", left, above+height, width-10, above+height)
	for i, g := range p.groups {
		x := left + i*groupWidth + groupGap/2
		for k, v := range g.values {
			h, text := scale(v), fmt.Sprintf("%.3g", v)
			if v >= 1000 {
				text = fmt.Sprintf("%.0f", v)
			}
			if math.IsInf(v, 1) {
				text = "never"
			}
			at := x + k*(barWidth+barGap)
			fmt.Fprintf(&b, `<rect x="%d" y="%.1f" width="%d" height="%.1f" fill="%s"><title>%s, %s: %s %s</title></rect>`+"\n",
				at, above+height-h, barWidth, max(h, 1), colours[k], g.name, judges[k], text, p.unit)
			fmt.Fprintf(&b, `<text x="%d" y="%.1f" text-anchor="middle" font-size="9">%s</text>`+"\n", at+barWidth/2, above+height-h-4, text)
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", x+(groupWidth-groupGap)/2, above+height+18, g.name)
	}
	for k, name := range judges {
		x, y := left+(k%3)*230, above+height+44+(k/3)*22
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="12" height="12" fill="%s"/><text x="%d" y="%d">%s</text>`+"\n", x, y, colours[k], x+18, y+10, name)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// draw writes the charts into a directory.
func draw(dir string, plots []plot) error {
	for _, p := range plots {
		if err := os.WriteFile(filepath.Join(dir, p.file), []byte(p.svg()), 0o644); err != nil {
			return fmt.Errorf("cannot write plot %q: %w", p.file, err)
		}
	}
	return nil
}
