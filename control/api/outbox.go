package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/weirproxy/weir/control/notify"
)

// Told is one event on its way to one recipient, or a dead letter.
type Told struct {
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
		ID: e.ID, Rollout: e.Rollout, Hook: e.Hook != nil, Kind: e.Kind, At: e.At, Text: e.Event.Text,
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
}

type outbox struct {
	Body Outbox
}

func (a *API) readOutbox(context.Context, *none) (*outbox, error) {
	v := a.Control.View()
	out := &outbox{Body: Outbox{Size: v.OutboxSize, Entries: make([]Told, 0, len(v.Outbox))}}
	for i := range v.Outbox {
		out.Body.Entries = append(out.Body.Entries, toldOf(&v.Outbox[i]))
	}
	return out, nil
}
