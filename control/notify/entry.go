// Package notify is what people and other systems are told of rollouts: the
// outbox, whose entries are written in the transaction of their cause, and the
// channels that deliver them.
package notify

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
)

// ErrRefused in what a Deliver returns says that trying again is in vain: the
// recipient understood and refused, or its document can never work. The entry
// becomes a dead letter at once.
var ErrRefused = errors.New("refused for good")

// RetryAfter in the chain of what a Deliver returns says when to try again.
type RetryAfter struct {
	After time.Duration // at most an hour is waited
	Err   error
}

func (r *RetryAfter) Error() string { return r.Err.Error() }

// Unwrap returns the reason.
func (r *RetryAfter) Unwrap() error { return r.Err }

// Entry is the value of outbox/<rollout>/<seq>/<to>: one event for one
// recipient. It stays until it was delivered, so it is delivered at least once,
// duplicates carrying the same ID; of one rollout in the order of Seq.
type Entry struct {
	// ID names the event, `<rollout>/<seq>`: the key that recipients tell
	// duplicates by.
	ID      string `json:"id"`
	Rollout string `json:"rollout"`
	Seq     uint64 `json:"seq"` // of the rollout's events, from 1, without gaps

	// To is who gets it: `notifier:<name>` or `hook:<name>`.
	To    string        `json:"to"`
	Hook  *configs.Hook `json:"hook,omitempty"` // of a hook, as the plan had it
	Kind  string        `json:"kind"`           // one of rollout's Announce kinds
	At    time.Time     `json:"at"`
	Event Event         `json:"event"`

	// Stream names what the entry is delivered in order of where that is not a
	// rollout: `tasks:<application>`, or `hub:` and a deployment or release. Seq then is the revision that it was derived
	// from, and ID says more. Empty: a rollout's event.
	Stream string `json:"stream,omitempty"`

	// Moves are the tasks that a tracker is still to be told of. Nil: none.
	Moves *Moves `json:"moves,omitempty"`

	// Forward is what a hub is told. Nil: nothing.
	Forward *Forward `json:"forward,omitempty"`

	// Failures counts the deliveries that failed since At; LastError is why the
	// last did, without secrets; TriedAt when.
	Failures  int       `json:"failures,omitempty"`
	LastError string    `json:"last_error,omitempty"`
	TriedAt   time.Time `json:"tried_at,omitzero"`

	// ResentAt is when a person last had a dead letter sent again: it is tried for
	// a day from then. Zero: nobody did.
	ResentAt time.Time `json:"resent_at,omitzero"`

	// Dead says that no more is tried. A dead letter is kept for people to see.
	Dead bool `json:"dead,omitempty"`
}

// Event is what is told: the rollout as it stood just after its cause.
type Event struct {
	Text       string                    `json:"text"` // one sentence
	Service    string                    `json:"service"`
	Strategy   string                    `json:"strategy"`
	From       string                    `json:"from"`
	To         string                    `json:"to"`
	Revision   string                    `json:"revision,omitempty"` // of the candidate
	Phase      rollout.Phase             `json:"phase"`
	Stage      int                       `json:"stage"` // from 0; -1: before the first
	StageName  string                    `json:"stage_name,omitempty"`
	Stages     int                       `json:"stages"`
	Weights    map[string]configs.Weight `json:"weights"`
	WaitingFor rollout.Wait              `json:"waiting_for,omitempty"`
	Actor      string                    `json:"actor,omitempty"` // whose doing it was: a person, or weir
	Starter    string                    `json:"starter,omitempty"`
	Reason     string                    `json:"reason,omitempty"`
	Verdict    *analysis.Verdict         `json:"verdict,omitempty"`
	StartedAt  time.Time                 `json:"started_at"`
	EndedAt    time.Time                 `json:"ended_at,omitzero"`
	Meta       map[string]string         `json:"meta,omitempty"`
	Retries    string                    `json:"retries,omitempty"` // the rollout that was first tried

	// What people call it, as the Service and Rollout documents say; empty: they
	// do not.
	Application string `json:"application,omitempty"`
	Environment string `json:"environment,omitempty"`
	Release     string `json:"release,omitempty"`
}

// Key is the entry's key below outbox/. Keys sort by rollout or stream, then by
// sequence.
func (e *Entry) Key() string {
	if e.Stream != "" {
		return e.ID + "/" + e.To
	}
	return fmt.Sprintf("%s/%08d/%s", e.Rollout, e.Seq, e.To)
}

// InStream names an entry of a stream: the revision that its cause was derived from,
// and the cause itself, for two causes may go by one revision.
func InStream(stream string, revision int64, cause string) string {
	return fmt.Sprintf("%s/%016d-%s", stream, revision, cause)
}

// Letter names the entry among all, in one word that fits into a path.
func (e *Entry) Letter() string {
	if e.Stream != "" {
		return strings.ReplaceAll(e.Key(), "/", ":")
	}
	return fmt.Sprintf("%s:%d:%s", e.Rollout, e.Seq, e.To)
}

// Revived is a dead letter that is to be delivered after all. Its last error stays
// to be seen until the next one.
func (e Entry) Revived(now time.Time) Entry {
	e.Dead, e.Failures, e.TriedAt, e.ResentAt = false, 0, time.Time{}, now
	if e.Moves != nil {
		e.Moves = e.Moves.again()
	}
	return e
}

// Begun is when the entry was first to be delivered, or was again.
func (e *Entry) Begun() time.Time {
	if e.ResentAt.After(e.At) {
		return e.ResentAt
	}
	return e.At
}

// Queue names what is delivered in order: the entries of one rollout or stream for
// one recipient.
func (e *Entry) Queue() string { return cmp.Or(e.Stream, e.Rollout) + " " + e.To }

// ToNotifier and ToHook make the To of an Entry.
func ToNotifier(name string) string { return "notifier:" + name }

// ToHook is ToNotifier for a hook.
func ToHook(name string) string { return "hook:" + name }

// Of is the event that an announcement of s makes, of a service that belongs where
// doc says. Actor is whose doing it was.
func Of(s rollout.State, doc configs.Service, a rollout.Announce, actor string) Event {
	e := Event{
		Text: a.Text, Service: s.Service, Strategy: s.Strategy, From: s.From, To: s.To, Revision: s.Revision,
		Phase: s.Phase, Stage: s.Stage, Stages: len(s.Plan.Stages), Weights: s.Weights, WaitingFor: s.WaitingFor,
		Actor: actor, Starter: s.Actor, Reason: s.Reason, Verdict: s.Verdict,
		StartedAt: s.StartedAt, EndedAt: s.EndedAt, Meta: s.Plan.Meta, Retries: s.Retries,
		Application: doc.Application, Environment: doc.Environment, Release: s.Plan.Release,
	}
	if a.Verdict != nil {
		e.Verdict, e.Reason = a.Verdict, a.Verdict.Text
	}
	if s.Stage >= 0 && s.Stage < len(s.Plan.Stages) {
		e.StageName = s.Plan.Stages[s.Stage].Name
	}
	return e
}

// HookWants reports whether a hook of a plan is told of an event of that kind;
// raised says that the candidate got more weight with it. Gates and checks are
// asked instead.
func HookWants(h *configs.Hook, kind string, raised bool) bool {
	if h.Mode != configs.HookNotify {
		return false
	}
	switch h.At {
	case configs.HookAny:
		return true
	case configs.HookStart:
		return kind == rollout.AnnounceStarted
	case configs.HookStage:
		return kind == rollout.AnnounceStage || kind == rollout.AnnounceStarted
	case configs.HookIncrease:
		return raised && kind != rollout.AnnounceSucceeded
	case configs.HookPromotion:
		return kind == rollout.AnnounceSucceeded
	case configs.HookRollback:
		return kind == rollout.AnnounceRolledBack || kind == rollout.AnnounceAborted
	case configs.HookEnd:
		switch kind {
		case rollout.AnnounceSucceeded, rollout.AnnounceRolledBack, rollout.AnnounceAborted, rollout.AnnounceFailed, rollout.AnnounceSuperseded:
			return true
		}
	}
	return false
}
