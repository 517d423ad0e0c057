package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirproxy/weir/control/api"
)

// lineEvery is how often a line comes though nothing changes: some runners of
// pipelines take silence for a hang.
const lineEvery = time.Minute

// lineViewer is a file or a pipeline: a line for each change, with its time.
type lineViewer struct {
	out, err page
	printed  int // transitions that were printed
	last     string
	at       time.Time // of the last line
	lost     bool
	lostAt   time.Time
}

func (v *lineViewer) show(w *watched) {
	v.connection(w)
	r := w.rollout
	if r == nil || w.lost != nil {
		return
	}
	for _, t := range r.History[min(v.printed, len(r.History)):] {
		v.line(w.now, t.At, string(t.To), stageOf(&t, r.Stages), weightsText(t.Weights), t.Reason)
	}
	first := v.printed == 0
	v.printed = max(v.printed, len(r.History))
	key := fmt.Sprint(r.WaitingFor, alarming(r.Verdict))
	changed := key != v.last
	v.last = key
	if ended(r) || changed && first && r.WaitingFor == "" && alarming(r.Verdict) == "" {
		return
	}
	if changed || w.now.Sub(v.at) >= lineEvery {
		v.line(w.now, w.now, phaseText(r), stageText(r), weightsText(r.Weights), standing(r))
	}
}

func (v *lineViewer) close() {}

// connection tells of a control API that went away or came back.
func (v *lineViewer) connection(w *watched) {
	switch {
	case w.lost != nil && !v.lost:
		v.lost, v.lostAt = true, w.lostAt
		fmt.Fprintf(v.err, "%s  trying again: %v\n", stamp(w.now), firstLine(w.lost.Error()))
	case w.lost == nil && v.lost:
		v.lost = false
		fmt.Fprintf(v.err, "%s  the control API answers again after %s\n", stamp(w.now), span(w.now.Sub(v.lostAt)))
	}
}

func (v *lineViewer) line(now, at time.Time, parts ...string) {
	v.at = now
	fmt.Fprintln(v.out, stamp(at)+"  "+strings.TrimRight(strings.Join(parts, "  "), " "))
}

// stamp is a time as logs have it.
func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

func stageOf(t *api.Transition, stages int) string {
	if t.Stage < 0 || stages == 0 || t.To.Final() {
		return "-"
	}
	return fmt.Sprintf("%d/%d", min(t.Stage+1, stages), stages)
}

// standing is how a rollout stands between two changes.
func standing(r *api.Rollout) string {
	var parts []string
	if r.Stages > 0 && r.Stage >= 0 {
		parts = append(parts, "stage for "+span(seconds(r.StageElapsed)))
	}
	for _, rule := range r.Rules {
		if rule.Threshold > 0 {
			parts = append(parts, fmt.Sprintf("%s: %s of %s bad", rule.Condition, count(rule.CandidateBad), count(rule.CandidateRequests)))
			break
		}
	}
	if k := alarming(r.Verdict); k != "" {
		parts = append(parts, "verdict "+string(k))
	}
	parts = append(parts, r.Missing...)
	return strings.Join(parts, ", ")
}
