package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/notify"
)

// Told is one event on its way to one recipient, or a dead letter.
type Told struct {
	Key       string     `json:"key" doc:"Of this event for this recipient: what it is resent by"`
	ID        string     `json:"id" doc:"Of the event: the key that recipients tell duplicates by"`
	Rollout   string     `json:"rollout"`
	Recipient string     `json:"recipient" doc:"Name of the notifier or hook"`
	Hook      bool       `json:"hook" doc:"It is a hook of the rollout's plan, not a notifier"`
	Kind      string     `json:"kind"`
	At        time.Time  `json:"at"`
	Text      string     `json:"text"`
	Failures  int        `json:"failures" doc:"Deliveries that failed so far"`
	LastError string     `json:"last_error,omitempty"`
	TriedAt   *time.Time `json:"tried_at,omitempty"`
	Dead      bool       `json:"dead" doc:"No more is tried; kept for a week"`
}

func toldOf(e *notify.Entry) Told {
	t := Told{
		Key: e.Letter(), ID: e.ID, Rollout: e.Rollout, Hook: e.Hook != nil, Kind: e.Kind, At: e.At, Text: e.Event.Text,
		Failures: e.Failures, LastError: e.LastError, Dead: e.Dead,
	}
	_, t.Recipient, _ = strings.Cut(e.To, ":")
	if !e.TriedAt.IsZero() {
		t.TriedAt = &e.TriedAt
	}
	return t
}

// Outbox is what is still to be told, and what was given up.
type Outbox struct {
	Size    int    `json:"size" doc:"How many there are in all"`
	Entries []Told `json:"entries" doc:"The first 500, by rollout, each rollout's in their order"`
}

func (a *API) registerOutbox() {
	register(a, route{
		method: http.MethodGet, path: "/v1/outbox", role: Viewer, id: "read-outbox", tag: "notifiers",
		summary:     "Read the outbox",
		description: "Events that are still to be told to notifiers and hooks, and dead letters. What was told is gone from here.",
	}, a.readOutbox)
	register(a, route{
		method: http.MethodPost, path: "/v1/outbox/{id}/resend", role: Operator, id: "resend-letter", tag: "notifiers",
		summary:     "Send a dead letter again",
		description: "Tried for another day, under the same key for its recipient. The id is an entry's `key`.",
	}, a.resendOne)
	register(a, route{
		method: http.MethodPost, path: "/v1/outbox/resend", role: Operator, id: "resend-letters", tag: "notifiers",
		summary: "Send dead letters again", description: "All of them, or those of one recipient; 100 at a time.",
	}, a.resendAll)
}

type resendOne struct {
	ID string `path:"id" doc:"Key of the entry" example:"shop-20260312-1401-4c2aq:3:notifier:deployments"`
}

func (a *API) resendOne(ctx context.Context, in *resendOne) (*changed, error) {
	return a.resend(ctx, control.Resend{Letter: in.ID, Actor: actorOf(ctx)})
}

type resendAll struct {
	Recipient string `query:"recipient" doc:"Name of a notifier or hook; empty: everybody's"`
}

func (a *API) resendAll(ctx context.Context, in *resendAll) (*changed, error) {
	return a.resend(ctx, control.Resend{Recipient: in.Recipient, Actor: actorOf(ctx)})
}

func (a *API) resend(ctx context.Context, cmd control.Resend) (*changed, error) {
	reply, err := a.do(ctx, cmd)
	if err != nil {
		return nil, err
	}
	return changedOf(reply, ""), nil
}

type outbox struct {
	Body Outbox
}

type readOutbox struct {
	Dead bool `query:"dead" doc:"Only dead letters"`
}

func (a *API) readOutbox(_ context.Context, in *readOutbox) (*outbox, error) {
	v := a.Control.View()
	size, entries := v.OutboxSize, v.Outbox
	if in.Dead {
		size, entries = v.OutboxDead, v.DeadLetters
	}
	out := &outbox{Body: Outbox{Size: size, Entries: make([]Told, 0, len(entries))}}
	for i := range entries {
		out.Body.Entries = append(out.Body.Entries, toldOf(&entries[i]))
	}
	return out, nil
}
