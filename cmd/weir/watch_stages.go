package main

import (
	"fmt"
	"time"

	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/rollout"
)

// remaining is how long the plan still takes. waits: it stops for a person or
// for evidence on the way. Unknown while it does not move.
func remaining(r *api.Rollout) (left time.Duration, waits, known bool) {
	if r.Plan == nil || r.Phase == rollout.Queued || r.Phase == rollout.Paused || r.Phase.Final() {
		return 0, false, false
	}
	waits = r.Plan.Approval != "" || r.WaitingFor != ""
	left = r.Plan.Bake.Std()
	elapsed := seconds(r.StageElapsed)
	if r.Phase == rollout.Baking {
		return max(left-elapsed, 0), waits, true
	}
	for i := max(r.Stage, 0); i < len(r.Plan.Stages); i++ {
		s := &r.Plan.Stages[i]
		waits = waits || len(s.Checks) > 0 || s.Approval != "" || s.Pause
		d := s.Duration.Std()
		if i == r.Stage {
			d = max(d-elapsed, 0)
		}
		left += d
	}
	return left, waits, true
}

// mostStages is how many stages are drawn: those around the present one.
const mostStages = 8

func stageLines(r *api.Rollout, width int) []line {
	stages := r.Plan.Stages
	first := min(max(r.Stage-mostStages/2, 0), max(len(stages)-mostStages, 0))
	t := &table{width: width}
	weight := ""
	for i := range stages {
		s := &stages[i]
		if s.Weight != nil {
			weight = s.Weight.String()
		}
		if i < first || i >= first+mostStages {
			continue
		}
		mark, look, progress := stageProgress(r, i)
		name := s.Name
		if name == "" {
			name = fmt.Sprintf("stage %d", i+1)
		}
		t.put(piece{"  " + mark, look}, piece{name, plain}, piece{orDash(weight), plain}, piece{progress, plain})
	}
	lines := t.lines()
	if more := len(stages) - len(lines); more > 0 {
		lines = append(lines, line{{fmt.Sprintf("    and %d more", more), faint}})
	}
	return lines
}

// stageProgress says where one stage of the plan stands.
func stageProgress(r *api.Rollout, i int) (mark string, look ink, text string) {
	length := r.Plan.Stages[i].Duration.Std()
	switch {
	case i < r.Stage || r.Phase == rollout.Baking || r.Phase == rollout.Succeeded:
		return "✓", good, "done"
	case i > r.Stage:
		return " ", plain, orDash(lengthText(length))
	case r.Phase.Final():
		return "✗", bad, string(r.Phase)
	case length <= 0:
		return "▶", bold, span(seconds(r.StageElapsed))
	}
	elapsed := seconds(r.StageElapsed)
	return "▶", bold, bar(elapsed.Seconds()/length.Seconds(), 20) + " " + span(elapsed) + " of " + span(length)
}

func lengthText(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return span(d)
}
