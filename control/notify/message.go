package notify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
)

// KindTest is the kind of a message that a person sends to try a notifier.
const KindTest = "test"

// Mood says how a message should look.
type Mood int

// Moods.
const (
	MoodInfo Mood = iota
	MoodGood
	MoodWarning
	MoodBad
)

// Message is what people read, before a channel gives it its form: who, what,
// where, by which road, and on a failure the reason with its numbers.
type Message struct {
	Mood  Mood
	Title string // one line: what, which service and version, where
	Lines []string
	Facts []Fact
	Links []Link
}

// Fact is one name with its value.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Link leads somewhere else; its name is what to see there.
type Link struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// maxText bounds one text of a message, in bytes. What people write into reasons and
// `meta:` is theirs to choose.
const maxText = 1000

// Compose writes the message of an entry. Place is where this is, `eu` say, for
// those who are told of several places. Empty: not said.
func Compose(e *Entry, place string) Message {
	m := Message{Title: titled(e, where(&e.Event, place))}
	if e.Kind == KindTest {
		m.Lines = []string{"This notifier works. " + sentence(&e.Event, e.Event.Text)}
		return m
	}
	ev := &e.Event
	var who bool
	m.Mood, who = moodOf(e.Kind)
	if who {
		m.say(byline(ev))
	}
	m.describe(e)
	if !who {
		m.say(byline(ev))
	}
	m.names(ev)
	m.Facts = append(m.Facts, metaFacts(ev.Meta)...)
	m.Links = links(ev.Meta)
	m.clip()
	return m
}

// where is the environment, with the place if that says more. The `environment` of a
// rollout's meta, which people write, comes before both.
func where(ev *Event, place string) string {
	switch {
	case ev.Meta["environment"] != "":
		return ev.Meta["environment"]
	case ev.Environment == "" || ev.Environment == place:
		return place
	case place == "":
		return ev.Environment
	}
	return fmt.Sprintf("%s (%s)", ev.Environment, place)
}

func titled(e *Entry, place string) string {
	if e.Kind == KindTest {
		return "Test of " + strings.TrimPrefix(e.To, "notifier:") + arrow(place)
	}
	ev := &e.Event
	name := cmp.Or(ev.Application, ev.Service)
	if flag, ok := configs.FlagOf(ev.Service); ok {
		name = "flag " + flag
	}
	return fmt.Sprintf("%s: %s %s%s", headline(e), name, cmp.Or(ev.Release, ev.To), arrow(place))
}

// names are those of weir's own where the title has those of people.
func (m *Message) names(ev *Event) {
	if ev.Application != "" && ev.Application != ev.Service {
		m.fact("Service", ev.Service)
	}
	if ev.Release != "" && ev.Release != ev.To {
		m.fact("Version", ev.To)
	}
}

func arrow(place string) string {
	if place == "" {
		return ""
	}
	return " → " + place
}

// headline says what happened in two or three words.
func headline(e *Entry) string {
	switch e.Kind {
	case rollout.AnnounceStarted:
		return "Rollout started"
	case rollout.AnnounceStage:
		if e.Event.Stages > 0 {
			return fmt.Sprintf("Stage %d of %d", e.Event.Stage+1, e.Event.Stages)
		}
		return "Next stage"
	case rollout.AnnounceWeights:
		return "Weights changed"
	case rollout.AnnounceBaking:
		return "Baking"
	case rollout.AnnouncePaused:
		return "Rollout paused"
	case rollout.AnnounceResumed:
		return "Rollout resumed"
	case rollout.AnnounceRestarted:
		return "Rollout restarted"
	case rollout.AnnounceSucceeded:
		return "Rollout complete"
	case rollout.AnnounceRolledBack:
		return "Rolled back"
	case rollout.AnnounceCut:
		return "One version taken out"
	case rollout.AnnounceAborted:
		return "Rollout aborted"
	case rollout.AnnounceFailed:
		return "Rollout failed"
	case rollout.AnnounceSuperseded:
		return "Rollout superseded"
	case rollout.AnnounceApproval:
		return "Approval wanted"
	case rollout.AnnounceApproved:
		return "Rollout approved"
	case rollout.AnnounceWaiting:
		return "Rollout waits"
	case rollout.AnnounceOverridden:
		return "Gone on without what is required"
	case rollout.AnnounceAborting:
		return "Abort under way"
	case rollout.AnnounceObserved:
		return "Limit broken, observed only"
	}
	return "Rollout " + strings.ReplaceAll(e.Kind, "_", " ")
}

// moodOf also says whether people first want to know who did it.
func moodOf(kind string) (m Mood, who bool) {
	switch kind {
	case rollout.AnnounceSucceeded:
		return MoodGood, false
	case rollout.AnnounceRolledBack, rollout.AnnounceFailed, rollout.AnnounceCut:
		return MoodBad, false
	case rollout.AnnouncePaused, rollout.AnnounceAborted, rollout.AnnounceAborting, rollout.AnnounceObserved, rollout.AnnounceOverridden:
		return MoodWarning, false
	case rollout.AnnounceStarted, rollout.AnnounceApproval:
		return MoodInfo, true
	}
	return MoodInfo, false
}

// describe says what it means, and what to do about it.
func (m *Message) describe(e *Entry) {
	ev := &e.Event
	switch e.Kind {
	case rollout.AnnounceStarted:
		m.say(sentence(ev, plan(ev)), weights(ev)+".")
	case rollout.AnnounceSucceeded:
		m.say("Duration: " + took(ev, e.At))
		m.say(sentence(ev, ev.Reason))
		m.say(fmt.Sprintf("%s is stable now; `weir rollout undo %s` brings %s back.", ev.To, e.Rollout, ev.From))
	case rollout.AnnounceRolledBack, rollout.AnnounceFailed, rollout.AnnounceCut:
		m.say("Error: " + sentence(ev, cmp.Or(reason(ev), "not known")))
		m.say(outcome(e))
		m.numbers(ev, e.At)
		m.say(fmt.Sprintf("`weir rollout why %s` shows the whole decision.", e.Rollout))
	case rollout.AnnouncePaused:
		m.say(sentence(ev, reason(ev)), "It stays at "+weights(ev)+".")
		m.numbers(ev, e.At)
		m.say(fmt.Sprintf("`weir rollout resume %s` goes on, `weir rollout abort %s` puts all on %s.", e.Rollout, e.Rollout, ev.From))
	case rollout.AnnounceApproval:
		m.say(sentence(ev, ev.Reason), "It stays at "+weights(ev)+".")
		m.say(fmt.Sprintf("`weir rollout approve %s` lets it go on, `weir rollout abort %s` puts all on %s.", e.Rollout, e.Rollout, ev.From))
	case rollout.AnnounceWaiting:
		m.say(sentence(ev, about(ev)), "It stays at "+weights(ev)+".")
		m.say(fmt.Sprintf("It goes on by itself as soon as nothing is missing. `weir rollout override %s --reason …` goes on without it, `weir rollout abort %s` puts all on %s.", e.Rollout, e.Rollout, ev.From))
	case rollout.AnnounceOverridden:
		m.say(sentence(ev, about(ev)), "Now "+weights(ev)+".")
	case rollout.AnnounceAborted:
		m.say(sentence(ev, ev.Reason), allOn(ev, "is"))
		m.fact("After", took(ev, e.At))
	case rollout.AnnounceObserved:
		m.say(sentence(ev, reason(ev)), "Nothing was changed: the rule only observes.")
		m.numbers(ev, e.At)
	default:
		m.say(sentence(ev, ev.Reason), "Now "+weights(ev)+".")
	}
}

// plan is the strategy with its length.
func plan(ev *Event) string {
	switch {
	case ev.Strategy == configs.StrategyManual:
		return "weights by hand"
	case ev.Stages > 1:
		return fmt.Sprintf("%s in %d stages", ev.Strategy, ev.Stages)
	}
	return ev.Strategy
}

// reason is the verdict's sentence where there is one that moved the rollout.
func reason(ev *Event) string {
	if v := ev.Verdict; v != nil && v.Text != "" && strings.Contains(ev.Reason, strings.TrimSuffix(v.Text, ".")) {
		return v.Text
	}
	return ev.Reason
}

// about is what is told, where that is not why the rollout stands where it stands.
func about(ev *Event) string { return strings.TrimPrefix(ev.Text, ev.Service+": ") }

// outcome says where the traffic is.
func outcome(e *Entry) string {
	switch e.Kind {
	case rollout.AnnounceFailed:
		return fmt.Sprintf("No user was sent to %s; all traffic stayed on %s.", e.Event.To, e.Event.From)
	case rollout.AnnounceCut:
		return "Now " + weights(&e.Event) + "."
	}
	return allOn(&e.Event, "is back")
}

// allOn says that everybody has what was stable before.
func allOn(ev *Event, is string) string {
	if _, ok := configs.FlagOf(ev.Service); ok {
		return fmt.Sprintf("Everybody gets %s.", ev.From)
	}
	return fmt.Sprintf("All traffic %s on %s.", is, ev.From)
}

// numbers are what the decision was made from.
func (m *Message) numbers(ev *Event, at time.Time) {
	if ev.Stage >= 0 && ev.Stages > 1 {
		stage := fmt.Sprintf("%d of %d", ev.Stage+1, ev.Stages)
		if ev.StageName != "" {
			stage += " (" + ev.StageName + ")"
		}
		m.fact("Stage", stage)
	}
	m.fact("After", took(ev, at))
	v := ev.Verdict
	if v == nil || v.Candidate.N == 0 {
		return
	}
	m.fact(ev.To, counts(v.Candidate, v.CandidateRate))
	m.fact(ev.From, counts(v.Stable, v.StableRate))
	m.fact("Limit", percent(v.Limit))
	if v.Threshold > 0 {
		m.fact("Evidence", fmt.Sprintf("%s of %s needed", analysis.Figures(v.Evidence), analysis.Figures(v.Threshold)))
	}
}

func counts(c analysis.Counts, rate float64) string {
	return fmt.Sprintf("%d of %d bad (%s)", c.Raw, c.N, percent(rate))
}

func percent(rate float64) string { return analysis.Figures(100*rate) + "%" }

// byline is "by @sarah via GitHub Actions".
func byline(ev *Event) string {
	by := cmp.Or(ev.Meta["by"], ev.Starter)
	var parts []string
	if by != "" {
		parts = append(parts, "by "+by)
	}
	if via := ev.Meta["via"]; via != "" {
		parts = append(parts, "via "+via)
	}
	return strings.Join(parts, " ")
}

// weights lists the versions, the largest first.
func weights(ev *Event) string {
	names := slices.Collect(maps.Keys(ev.Weights))
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(ev.Weights[b], ev.Weights[a]), cmp.Compare(a, b))
	})
	parts := make([]string, 0, len(names))
	for _, name := range names {
		parts = append(parts, fmt.Sprintf("%s %s", name, ev.Weights[name]))
	}
	return cmp.Or(strings.Join(parts, ", "), "no weights")
}

// took is how long the rollout has lasted, or lasted.
func took(ev *Event, at time.Time) string {
	if !ev.EndedAt.IsZero() {
		at = ev.EndedAt
	}
	d := max(at.Sub(ev.StartedAt), 0)
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	d = d.Round(time.Second)
	var parts []string
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if n := d / unit.length; n > 0 {
			parts = append(parts, fmt.Sprintf("%d%s", n, unit.name))
			d -= n * unit.length
		}
	}
	return strings.Join(parts, " ")
}

func (m *Message) say(parts ...string) {
	line := strings.TrimSpace(strings.Join(parts, " "))
	if line != "" {
		m.Lines = append(m.Lines, line)
	}
}

func (m *Message) fact(name, value string) { m.Facts = append(m.Facts, Fact{name, value}) }
