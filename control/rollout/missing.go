package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
)

// Missing is one thing that a gate waits for: people, an environment, the end of a
// freeze.
type Missing struct {
	Wait Wait `json:"wait"`

	// Text is one sentence. What goes with time is left to At, so that waiting
	// writes nothing.
	Text string `json:"text"`

	// Environment that the plan requires, with its application if that is another's.
	Environment string `json:"environment,omitempty"`

	// Since is when the release came to be live there, and For how long it must
	// have been. Zero: more than time is missing.
	Since time.Time        `json:"since,omitzero"`
	For   configs.Duration `json:"for,omitempty"`

	// PutBack says that the environment had the release and gave it up.
	PutBack bool `json:"put_back,omitempty"`
}

// String is the sentence without what goes with time.
func (w Missing) String() string {
	if w.Since.IsZero() {
		return w.Text
	}
	return fmt.Sprintf("%s since %s, and must be for %s", w.Text, w.Since.UTC().Format("2006-01-02 15:04 MST"), w.For)
}

// At is the sentence as of a moment: `v1.5 has been live in staging for 12m of 1h`.
func (w Missing) At(now time.Time) string {
	if w.Since.IsZero() {
		return w.Text
	}
	spent := max(0, now.Sub(w.Since))
	if spent >= 10*time.Minute {
		spent = spent.Truncate(time.Minute)
	}
	return fmt.Sprintf("%s for %s of %s", w.Text, configs.Duration(spent.Truncate(time.Second)), w.For)
}

// Override is a person's word to go on without environments that the plan requires.
type Override struct {
	Actor  string    `json:"actor"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`

	// Missing is what it is about. What goes wrong in an environment afterwards is not.
	Missing []Missing `json:"missing"`
}

// covers reports whether o is about w.
func (o *Override) covers(w Missing) bool {
	return o != nil && slices.ContainsFunc(o.Missing, func(known Missing) bool {
		return known.Environment == w.Environment && (known.PutBack || !w.PutBack)
	})
}

// gates is what people, environments and freezes keep the next move from. It is
// noted in the rollout, and people are told.
func (m *machine) gates(next move, t Tick) []Missing {
	var all []Missing
	people := m.missing(next.enters)
	if people > 0 {
		all = append(all, Missing{Wait: WaitApproval, Text: m.approvalText(next.enters, people)})
	}
	required := m.required(next, t.Requires)
	all = append(all, required...)
	if t.Freeze != nil && next.enters >= 0 {
		all = append(all, Missing{Wait: WaitFreeze, Text: t.Freeze.String()})
	}
	r := &m.Rollout
	was := r.Missing
	if !slices.Equal(was, all) {
		r.Missing, r.UpdatedAt = all, m.at
	}
	if back := slices.ContainsFunc(required, putBack) && !slices.ContainsFunc(was, putBack); len(required) > 0 && (r.Told != next.enters+1 || back) {
		r.Told = next.enters + 1
		m.announce(AnnounceWaiting, "%s", m.sentences(required))
	}
	return all
}

// required is what environments keep a move from. Before the first user all that
// the plan requires counts. Later only what was put back does: a release may be
// followed by the next one there, and its users here are the better witnesses.
func (m *machine) required(next move, missing []Missing) []Missing {
	pending := m.phase() == Pending
	if next.enters < 0 || !pending && !next.raises && next.enters < len(m.Rollout.Plan.Stages) {
		return nil
	}
	var all []Missing
	for _, w := range missing {
		if (pending || w.PutBack) && !m.Rollout.Overridden.covers(w) {
			all = append(all, w)
		}
	}
	return all
}

func putBack(w Missing) bool { return w.PutBack }

// ofEnvironment reports whether an override would help.
func ofEnvironment(w Missing) bool { return w.Wait == WaitEnvironment }

// Sentences are all of them without what goes with time.
func Sentences(all []Missing) string {
	var texts []string
	for _, w := range all {
		texts = append(texts, w.String())
	}
	return strings.Join(texts, "; ")
}

// sentences are those as of now.
func (m *machine) sentences(all []Missing) string {
	var texts []string
	for _, w := range all {
		texts = append(texts, w.At(m.at))
	}
	return strings.Join(texts, "; ")
}

// settle writes another text for what is missing of a kind; empty: it is not any more.
func (m *machine) settle(w Wait, text string) {
	var left []Missing
	for _, one := range m.Rollout.Missing {
		if one.Wait == w {
			one.Text = text
		}
		if one.Text != "" {
			left = append(left, one)
		}
	}
	m.Rollout.Missing = left
}

// override goes on without the environments that the plan requires.
func (m *machine) override(c Command) error {
	r := &m.Rollout
	missing := m.required(m.ahead(), c.Requires)
	switch {
	case len(missing) == 0:
		return r.illegal("", "cannot override rollout %q: it waits for no environment", r.ID)
	case c.Reason == "":
		return invalid("say why, with --reason", "cannot override rollout %q without a reason", r.ID)
	}
	o := Override{Actor: person(c.Actor), At: m.at, Reason: c.Reason, Missing: missing}
	if r.Overridden != nil {
		o.Missing = append(slices.Clone(r.Overridden.Missing), missing...)
	}
	r.Overridden = &o
	m.settle(WaitEnvironment, "")
	reason := fmt.Sprintf("%s, although %s", byWhom("overridden", c.Actor, c.Reason), m.sentences(missing))
	if r.WaitingFor == WaitEnvironment {
		m.waits(WaitNothing, reason)
	}
	r.UpdatedAt = m.at
	m.record(Transition{At: m.at, From: r.Phase, To: r.Phase, Stage: r.Stage, Weights: r.Weights, Actor: person(c.Actor), Reason: reason})
	m.announce(AnnounceOverridden, "%s", reason)
	return nil
}
