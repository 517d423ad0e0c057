package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/rollout"
)

// screen shows the demo: a table that is redrawn in place on a terminal, a line
// every two seconds elsewhere. It is used by one goroutine.
type screen struct {
	out    io.Writer
	live   bool
	width  int
	height int // lines of the table on the terminal
	shown  time.Time
}

func newScreen(out io.Writer) *screen {
	s := &screen{out: out, width: 120}
	if t := newTerminal(out); t.live() {
		s.live = true
		if w, _ := t.size(); w > 40 {
			s.width = w
		}
	}
	return s
}

func (s *screen) title(text string) { s.line(text + "\n") }

// line prints below the table, which stays where it is.
func (s *screen) line(text string) {
	s.height = 0
	fmt.Fprintln(s.out, text)
}

// event prints a line in the record of a run that nobody watches live.
func (s *screen) event(text string) {
	if !s.live {
		s.line(text)
	}
}

func (s *screen) draw(service *control.ServiceView, r *control.RolloutView, last string) {
	if !s.live {
		if time.Since(s.shown) >= 2*time.Second {
			s.shown = time.Now()
			s.line(brief(service, r))
		}
		return
	}
	lines := picture(service, r)
	lines = append(lines, "", "last: "+last)
	var b strings.Builder
	if s.height > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.height)
	}
	for _, l := range lines {
		b.WriteString("\x1b[2K" + shorten(l, s.width-1) + "\n")
	}
	for range s.height - len(lines) {
		b.WriteString("\x1b[2K\n")
	}
	s.height = max(s.height, len(lines))
	_, _ = io.WriteString(s.out, b.String()) // a terminal that went away ends the demo by its signal
}

// picture is the whole picture.
func picture(service *control.ServiceView, r *control.RolloutView) []string {
	lines := []string{"", fmt.Sprintf("%-8s %-10s %8s %8s %8s %9s %9s %4s", "VERSION", "ROLE", "WEIGHT", "REQ/S", "ERRORS", "P50", "P99", "UP")}
	for _, v := range service.Versions {
		up := 0
		for _, e := range v.Endpoints {
			if e.Up {
				up++
			}
		}
		lines = append(lines, fmt.Sprintf("%-8s %-10s %8s %8.0f %7.2f%% %9s %9s %d/%d", v.Name, v.Role, v.Weight, v.RPS, v.ErrorRate*100,
			short3(v.P50), short3(v.P99), up, len(v.Endpoints)))
	}
	if r == nil {
		return append(lines, "", "no rollout yet")
	}
	lines = append(lines, "", "rollout  "+where(r))
	for _, rule := range r.Rules {
		lines = append(lines, "  "+ruleLine(rule))
	}
	return lines
}

// where is one line about a rollout.
func where(r *control.RolloutView) string {
	text := fmt.Sprintf("%s → %s  %s", r.State.From, r.State.To, r.State.Phase)
	if stages := r.State.Plan.Stages; r.State.Phase == rollout.Progressing && r.State.Stage >= 0 && r.State.Stage < len(stages) {
		text += fmt.Sprintf("  stage %d of %d, %.1fs of %s", r.State.Stage+1, len(stages), r.StageElapsed.Seconds(), stages[r.State.Stage].Duration)
	}
	return text
}

// ruleLine is one rule with its numbers and how near its proof is.
func ruleLine(r analysis.RuleReport) string {
	text := fmt.Sprintf("%-26s %-12s", r.Condition, r.State)
	if r.Threshold == 0 && r.Candidate.N == 0 {
		return text
	}
	text += fmt.Sprintf(" candidate %d of %d, stable %d of %d", r.Candidate.Raw, r.Candidate.N, r.Stable.Raw, r.Stable.N)
	if r.Threshold > 1 {
		share := proofShare(r.Evidence, r.Threshold)
		text += fmt.Sprintf("  %s %3.0f%% of a proof", bar(share, 20), share*100)
	}
	return text
}

// brief is the picture in one line, for a log.
func brief(service *control.ServiceView, r *control.RolloutView) string {
	var parts []string
	for _, v := range service.Versions {
		parts = append(parts, fmt.Sprintf("%s %s %.0f req/s %.1f%% errors p99 %s", v.Name, v.Weight, v.RPS, v.ErrorRate*100, short3(v.P99)))
	}
	if r != nil {
		parts = append(parts, where(r))
	}
	return time.Now().Format("15:04:05.000") + "             " + strings.Join(parts, " | ")
}

// short3 is a duration with three figures.
func short3(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
