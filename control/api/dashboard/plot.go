package dashboard

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/analysis/replay"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api"
)

// A plot is drawn into a box of so many units, which the page stretches.
const (
	plotWidth  = 1000
	plotHeight = 240
)

// plot is a chart over the time of a trial. Its labels stand beside the drawing,
// so that they stay readable at any width.
type plot struct {
	Title       string
	Top, Bottom string // labels of the upright axis
	Left, Right string // of time
	Lines       []plotLine
	Limit       int   // where the dashed line is; -1: there is none
	Marks       []int // where stages began
	LimitText   string
}

// plotLine is one line, in pieces where there was nothing to count.
type plotLine struct {
	Name, Last, Tone string
	Pieces           []string // points of polylines
}

// evidencePlot shows how near each rule came to acting, on a logarithmic scale
// whose top is the threshold. Nil: this node recorded nothing.
func evidencePlot(rec *control.Recording, candidates []string) *plot {
	if rec == nil {
		return nil
	}
	p := &plot{Title: "Evidence against the candidate", Top: "acts", Bottom: "none", Limit: 0, LimitText: "what it acts at"}
	from, to := evidenceSpan(rec)
	for _, e := range rec.Evidence {
		if e.Threshold <= 0 || len(e.Points) == 0 {
			continue
		}
		name := e.Condition.String()
		if len(candidates) > 1 {
			name = e.Version + ": " + name
		}
		last := e.Points[len(e.Points)-1].Evidence
		line := plotLine{Name: name, Tone: fmt.Sprintf("r%d", len(p.Lines)%6+1), Last: evidenceText(last) + " of " + evidenceText(e.Threshold)}
		var points []string
		for _, at := range e.Points {
			points = append(points, point(at.T-from, to-from, float64(near(at.Evidence, e.Threshold))/10_000))
		}
		line.Pieces = []string{strings.Join(points, " ")}
		p.Lines = append(p.Lines, line)
	}
	if len(p.Lines) == 0 {
		return nil
	}
	p.time(rec, from, to)
	return p
}

func evidenceSpan(rec *control.Recording) (from, to time.Duration) {
	from = math.MaxInt64
	for _, e := range rec.Evidence {
		if n := len(e.Points); n > 0 {
			from, to = min(from, e.Points[0].T), max(to, e.Points[n-1].T)
		}
	}
	return min(from, to), to
}

// evidenceText writes evidence with two digits, which is all that it means.
func evidenceText(e float64) string {
	switch {
	case e < .1:
		return "<0.1"
	case e < 10:
		return fmt.Sprintf("%.1f", e)
	case e < 1e6:
		return number(uint64(e))
	}
	return fmt.Sprintf("10^%.0f", math.Floor(math.Log10(e)))
}

// coursePlot shows the bad requests of both versions by the rule that moved the
// rollout, or is nearest to that. Nil: there is nothing to show.
func coursePlot(rec *control.Recording, r *api.Rollout) *plot {
	if rec == nil {
		return nil
	}
	condition, limit := closest(rec, r)
	points := rec.Course(condition, r.To)
	if len(points) < 2 {
		return nil
	}
	p := &plot{Title: courseTitle(condition), Bottom: "0%", Limit: -1}
	most := 0.
	for _, at := range points {
		most = max(most, at.Stable.Rate(), at.Candidate.Rate())
	}
	top := ceiling(max(most, 1.5*limit, .001))
	p.Top = percent(top)
	if limit > 0 {
		p.Limit, p.LimitText = int(plotHeight*(1-limit/top)), "limit "+percent(limit)
	}
	from, to := points[0].T, points[len(points)-1].T
	p.Lines = []plotLine{
		tallyLine(points, from, to, top, func(c control.CoursePoint) control.Tally { return c.Stable }),
		tallyLine(points, from, to, top, func(c control.CoursePoint) control.Tally { return c.Candidate }),
	}
	p.Lines[0].Name, p.Lines[0].Tone = r.From+" (stable)", "stable"
	p.Lines[1].Name, p.Lines[1].Tone = r.To, "v1"
	p.time(rec, from, to)
	return p
}

// closest is the condition that decided or is nearest to it, with its limit.
func closest(rec *control.Recording, r *api.Rollout) (analysis.Condition, float64) {
	best, most := analysis.Condition{Metric: analysis.ErrorRate}, -1.
	limit := 0.
	for _, e := range rec.Evidence {
		if e.Threshold <= 0 || e.Version != r.To || len(e.Points) == 0 {
			continue
		}
		weight := float64(near(e.Points[len(e.Points)-1].Evidence, e.Threshold))
		if r.Decision != nil && r.Decision.Verdict == analysis.Fail && r.Decision.Rule == e.Rule {
			weight = math.Inf(1)
		}
		if weight > most {
			best, most, limit = e.Condition, weight, e.Condition.Share()
		}
	}
	return best, limit
}

func courseTitle(c analysis.Condition) string {
	switch c.Metric {
	case analysis.LatencyQuantile:
		return "Requests slower than " + c.LimitText()
	case analysis.ClientErrorRate:
		return "Client errors"
	}
	return "Errors"
}

// tallyLine draws rates, and nothing where there were no requests.
func tallyLine(points []control.CoursePoint, from, to time.Duration, top float64, of func(control.CoursePoint) control.Tally) plotLine {
	var line plotLine
	var piece []string
	end := func() {
		if len(piece) == 1 {
			piece = append(piece, piece[0]) // a point is drawn as a line without length
		}
		if len(piece) > 0 {
			line.Pieces = append(line.Pieces, strings.Join(piece, " "))
		}
		piece = nil
	}
	for _, at := range points {
		t := of(at)
		if t.Requests == 0 {
			end()
			continue
		}
		piece = append(piece, point(at.T-from, to-from, t.Rate()/top))
		line.Last = percent(t.Rate())
	}
	end()
	return line
}

// time puts in what is known of time.
func (p *plot) time(rec *control.Recording, from, to time.Duration) {
	p.Left, p.Right = span(from), span(to)
	for _, m := range rec.Header.Marks {
		if m.Kind == replay.MarkStage && m.T > from && m.T <= to {
			p.Marks = append(p.Marks, int(plotWidth*(m.T-from)/max(to-from, 1)))
		}
	}
	p.Marks = slices.Compact(p.Marks)
}

// point is a place in a plot; height is from 0 to 1.
func point(at, of time.Duration, height float64) string {
	x := plotWidth * float64(at) / float64(max(of, 1))
	return fmt.Sprintf("%.0f,%.0f", x, plotHeight*(1-min(max(height, 0), 1)))
}

// ceiling is the next round share: 1, 2 or 5 with zeros.
func ceiling(share float64) float64 {
	for unit := 1e-4; unit < 1; unit *= 10 {
		for _, step := range []float64{1, 2, 5} {
			if share <= unit*step*1.0001 {
				return min(1, unit*step)
			}
		}
	}
	return 1
}
