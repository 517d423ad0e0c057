package main

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/control/api"
)

// sparkWidth is how many characters show the evidence of a trial.
const sparkWidth = 40

// writeEvidence shows how the evidence of each rule went, one line each.
func writeEvidence(w io.Writer, series []api.Evidence) error {
	end := 0.
	several := false
	for _, e := range series {
		for _, p := range e.Points {
			end = max(end, p.T)
		}
		several = several || e.Version != series[0].Version
	}
	if end == 0 {
		return nil
	}
	fmt.Fprintf(w, "\nEVIDENCE from 0s to %s, from 1 up to the threshold in powers\n", span(seconds(end)))
	t := newTable(w)
	for _, e := range series {
		name := e.Condition
		if several {
			name += " (" + e.Version + ")"
		}
		t.row("  "+name, spark(e, end), crossing(e))
	}
	return t.end()
}

// spark draws evidence as a line: the lowest mark is 1 or less, the highest the
// threshold or more, and each step between multiplies the evidence alike. Where
// nothing is known it is blank.
func spark(e api.Evidence, end float64) string {
	marks := []rune("▁▂▃▄▅▆▇█")
	height := make([]int, sparkWidth) // 0: nothing is known
	for _, p := range e.Points {
		at := min(int(p.T/end*sparkWidth), sparkWidth-1)
		share := math.Log(max(p.Evidence, 1)) / math.Log(max(e.Threshold, 2))
		height[at] = max(height[at], 1+min(int(share*float64(len(marks)-1)+1e-9), len(marks)-1))
	}
	var line strings.Builder
	last := 0
	for i, h := range height {
		// Points are taken seldom in a long trial: the last one holds until the next,
		// but not after the end.
		if h == 0 && anyAfter(height, i) {
			h = last
		}
		last = h
		if h == 0 {
			line.WriteByte(' ')
			continue
		}
		line.WriteRune(marks[h-1])
	}
	return line.String()
}

func anyAfter(height []int, i int) bool {
	for _, h := range height[i:] {
		if h > 0 {
			return true
		}
	}
	return false
}

// crossing says when the evidence acted, or how far it got.
func crossing(e api.Evidence) string {
	most := 0.
	for _, p := range e.Points {
		most = max(most, p.Evidence)
	}
	switch {
	case e.Crossed != nil && most >= e.Threshold:
		return fmt.Sprintf("crossed %s at %s", analysis.Figures(e.Threshold), span(seconds(*e.Crossed)))
	case e.Crossed != nil:
		return fmt.Sprintf("failed at %s", span(seconds(*e.Crossed)))
	}
	return fmt.Sprintf("at most %s of %s", analysis.Figures(most), analysis.Figures(e.Threshold))
}

// aroundText says what both versions did up to a decision.
func aroundText(r *api.Rollout, a *api.Around) string {
	return fmt.Sprintf("in the %s up to then %s had %s bad, and %s %s", span(seconds(a.To-a.From)),
		r.To, shareText(a.CandidateBad, a.CandidateRequests, a.CandidateRate),
		r.From, shareText(a.StableBad, a.StableRequests, a.StableRate))
}
