package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/rollout"
)

// watched is all that the picture of a rollout is made of.
type watched struct {
	rollout *api.Rollout
	service *api.Service // nil: not known
	now     time.Time
	lost    error     // why the control API does not answer; nil: it does
	lostAt  time.Time // since when
}

// picture draws a rollout on a page of that size. The events get what room is left.
func (w *watched) picture(width, height int) []line {
	r := w.rollout
	lines := w.title(width)
	if r.Stages > 0 && r.Plan != nil {
		lines = append(append(lines, nil, line{{"STAGES", faint}}), stageLines(r, width)...)
	}
	lines = append(append(lines, nil), w.versionLines(width)...)
	if len(r.Rules) > 0 {
		lines = append(append(lines, nil), ruleLines(r, width)...)
	}
	footer := line{{"Ctrl-C ends this view, not the rollout", faint}}
	if w.lost != nil {
		footer = line{{fmt.Sprintf("no answer for %s, trying again: %v", span(w.now.Sub(w.lostAt)), w.lost), bad}}
	}
	room := height - len(lines) - 4 // the title of the events, and the footer, with a line before each
	if events := eventLines(r.History, max(room, 1), w.now); len(events) > 0 {
		lines = append(append(lines, nil, line{{"EVENTS", faint}}), events...)
	}
	if ended(r) {
		return lines
	}
	if height < 3 {
		return []line{footer}
	}
	return append(lines[:min(len(lines), height-2)], nil, footer)
}

func (w *watched) title(width int) []line {
	r := w.rollout
	state := line{{phaseText(r), phaseInk(r.Phase)}}
	if r.Verdict != "" {
		state = append(state, piece{" · verdict ", faint}, piece{string(r.Verdict), verdictInk(r.Verdict)})
	}
	state = append(state, piece{" · " + w.timing(), faint})
	lines := []line{{{r.ID, bold}, {"  " + r.Strategy + " of " + r.Service + ", " + r.From + " → " + r.To, plain}}, state}
	for _, reason := range r.Standing() {
		lines = append(lines, line{{shorten(reason, max(width, 20)), plain}})
	}
	return lines
}

// timing says how long it took, and how long it will take if all goes well.
func (w *watched) timing() string {
	r := w.rollout
	if r.EndedAt != nil {
		return "took " + span(r.EndedAt.Sub(r.StartedAt).Round(time.Millisecond))
	}
	text := span(seconds(r.Elapsed)) + " so far"
	left, waits, known := remaining(r)
	switch {
	case !known:
	case waits:
		text += ", at least " + span(left) + " to go"
	default:
		text += ", about " + span(left) + " to go"
	}
	return text
}

// versionLines is the table of versions: what the node that answers measured in
// the last seconds, and what the judge counted since the trial began.
func (w *watched) versionLines(width int) []line {
	r := w.rollout
	t := &table{width: width}
	var head []piece
	for _, name := range []string{"VERSION", "ROLE", "WEIGHT", "", "REQ/S", "ERRORS", "P50", "P99", "UP", "IN THE TRIAL"} {
		head = append(head, piece{name, faint})
	}
	t.put(head...)
	t.yield("P50", "ROLE", "UP")
	wide := min(max((width-80)/2, 8), 24)
	for _, name := range versionsOf(r) {
		weight := r.Weights[name]
		row := []piece{{name, bold}, {roleIn(r, name), plain}, {weight.String(), plain}, {bar(float64(weight)/float64(configs.Whole), wide), plain}}
		v := versionIn(w.service, name)
		if v == nil {
			v = &api.Version{}
			row = append(row, piece{"-", faint}, piece{"-", faint}, piece{"-", faint}, piece{"-", faint}, piece{"-", faint})
		} else {
			up, all := upOf(v.Endpoints)
			row = append(row, piece{fmt.Sprintf("%.0f", v.RPS), plain}, piece{percent(v.ErrorRate), errorInk(v.ErrorRate)},
				piece{millis(v.P50), plain}, piece{millis(v.P99), plain}, piece{fmt.Sprintf("%d/%d", up, all), upInk(up, all)})
		}
		t.put(append(row, piece{trialText(r, name), plain})...)
	}
	return t.lines()
}

// versionsOf lists stable first, then what is under trial.
func versionsOf(r *api.Rollout) []string {
	names := []string{r.From}
	for _, name := range append([]string{r.To}, r.Candidates...) {
		known := false
		for _, n := range names {
			known = known || n == name
		}
		if !known {
			names = append(names, name)
		}
	}
	return names
}

func roleIn(r *api.Rollout, name string) string {
	if (name == r.From) != (r.Phase == rollout.Succeeded) {
		return "stable"
	}
	if r.Phase.Final() {
		return "idle"
	}
	return "candidate"
}

func versionIn(s *api.Service, name string) *api.Version {
	if s == nil {
		return nil
	}
	for i := range s.Versions {
		if s.Versions[i].Name == name {
			return &s.Versions[i]
		}
	}
	return nil
}

func upOf(endpoints []api.Endpoint) (up, all int) {
	for _, e := range endpoints {
		if e.Up {
			up++
		}
	}
	return up, len(endpoints)
}

// trialText is what the judge counted of a version: by the rule that saw most.
func trialText(r *api.Rollout, name string) string {
	var most *api.Rule
	for i := range r.Rules {
		rule := &r.Rules[i]
		if most == nil || rule.CandidateRequests+rule.StableRequests > most.CandidateRequests+most.StableRequests {
			most = rule
		}
	}
	switch {
	case most == nil:
		return "-"
	case name == r.To:
		return shareText(most.CandidateBad, most.CandidateRequests, most.CandidateRate)
	case name == r.From:
		return shareText(most.StableBad, most.StableRequests, most.StableRate)
	}
	return "-"
}

func ruleLines(r *api.Rollout, width int) []line {
	t := &table{width: width}
	t.put(piece{"RULE", faint}, piece{"STATE", faint}, piece{strings.ToUpper(r.To), faint}, piece{strings.ToUpper(r.From), faint}, piece{"EVIDENCE", faint})
	for i := range r.Rules {
		rule := &r.Rules[i]
		candidate, stable := shareText(rule.CandidateBad, rule.CandidateRequests, rule.CandidateRate), shareText(rule.StableBad, rule.StableRequests, rule.StableRate)
		if rule.Measured != nil {
			candidate, stable, _ = measuredText(rule.Condition, rule.Measured)
		}
		t.put(piece{rule.Condition, plain}, piece{string(rule.State), stateInk(rule.State)}, piece{candidate, plain}, piece{stable, plain}, piece{proofText(rule), proofInk(rule)})
	}
	t.yields = []int{3, 2}
	return t.lines()
}

// proofText is how near a rule is to acting.
func proofText(rule *api.Rule) string {
	switch {
	case rule.Verdict == analysis.Inconclusive && rule.Needed > rule.Seen:
		return fmt.Sprintf("%s of %s requests needed", count(rule.Seen), count(rule.Needed))
	case rule.Threshold <= 1:
		return "-"
	}
	share := proofShare(rule.Evidence, rule.Threshold)
	return fmt.Sprintf("%s %.0f%% of a proof", bar(share, 12), share*100)
}

// eventLines are the last changes, oldest first.
func eventLines(history []api.Transition, most int, now time.Time) []line {
	t := &table{}
	for _, h := range history[max(len(history)-most, 0):] {
		t.put(piece{"  " + clockAt(h.At, now), faint}, piece{string(h.To), phaseInk(h.To)}, piece{weightsText(h.Weights), plain}, piece{h.Actor, faint}, piece{h.Reason, plain})
	}
	return t.lines()
}
