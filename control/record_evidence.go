package control

import (
	"slices"
	"time"

	"github.com/weirproxy/weir/analysis"
)

const (
	// evidencePoints is how many points of a rule are kept. When they are full,
	// each two become one, so that they always span the whole trial.
	evidencePoints = 240
	evidenceStep   = 100 * time.Millisecond
)

// Evidence is how the evidence of one rule against one candidate went.
type Evidence struct {
	Version   string
	Rule      string // its id
	Condition analysis.Condition
	Threshold float64         // what it acts at; 0: the rule is not counted
	Crossed   time.Duration   // when the rule failed; 0: it has not
	Points    []EvidencePoint // rising in time
}

// EvidencePoint is the largest evidence of a stretch of time up to T.
type EvidencePoint struct {
	T        time.Duration // since the trial began
	Evidence float64
}

// evidenceLog follows the evidence of all rules of a trial.
type evidenceLog struct {
	step   time.Duration
	next   time.Duration
	failed bool
	rules  []Evidence
}

// look takes a point of each rule once a step, and when a candidate fails.
func (l *evidenceLog) look(t *trial, failed bool) {
	if l.step == 0 {
		l.step = evidenceStep
	}
	if t.judged < l.next && failed == l.failed {
		return
	}
	l.failed = failed
	l.next = t.judged + l.step
	i := 0
	for _, s := range t.sides {
		for _, report := range s.decides().Standings() {
			if i == len(l.rules) {
				l.rules = append(l.rules, Evidence{Version: s.version, Rule: report.Rule, Condition: report.Condition, Threshold: report.Threshold})
			}
			l.rules[i].take(t.judged, &report)
			i++
		}
	}
	if len(l.rules) > 0 && len(l.rules[0].Points) >= evidencePoints {
		l.step *= 2
		for i := range l.rules {
			l.rules[i].halve()
		}
	}
}

func (e *Evidence) take(now time.Duration, report *analysis.RuleReport) {
	if report.State == analysis.StateFail {
		if e.Crossed == 0 {
			e.Crossed = max(report.At, 1)
			e.Points = append(e.Points, EvidencePoint{report.At, report.Evidence})
		}
		return // what a failed rule reports stands still
	}
	e.Crossed = 0
	e.Threshold = max(e.Threshold, report.Threshold)
	e.Points = append(e.Points, EvidencePoint{now, report.Evidence})
}

// halve makes one point of each two.
func (e *Evidence) halve() {
	kept := e.Points[:0]
	for i := 0; i < len(e.Points); i += 2 {
		p := e.Points[i]
		if i+1 < len(e.Points) {
			p = EvidencePoint{e.Points[i+1].T, max(p.Evidence, e.Points[i+1].Evidence)}
		}
		kept = append(kept, p)
	}
	e.Points = kept
}

// copy is what readers get.
func (l *evidenceLog) copy() []Evidence {
	rules := slices.Clone(l.rules)
	for i := range rules {
		rules[i].Points = slices.Clone(rules[i].Points)
	}
	return rules
}
