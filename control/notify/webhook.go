package notify

import (
	"context"
	"net/http"

	"github.com/weirproxy/weir/configs"
)

// webhookBody is what a webhook gets: the event with its numbers, and the message
// as people would read it. Names are stable; more may be added.
type webhookBody struct {
	Version int      `json:"version"` // of this form: 1
	ID      string   `json:"id"`      // the same whenever this event is sent again
	Kind    string   `json:"kind"`    // started, stage, succeeded, …
	At      string   `json:"at"`      // RFC 3339
	Place   string   `json:"place,omitempty"`
	Node    string   `json:"node,omitempty"` // that sent it
	Rollout string   `json:"rollout,omitempty"`
	Seq     uint64   `json:"seq,omitempty"` // of the rollout's events, rising
	Event   Event    `json:"event"`
	Title   string   `json:"title"`
	Lines   []string `json:"lines"`
	Links   []Link   `json:"links,omitempty"`
}

// webhook sends a POST of JSON with the headers `Weir-Event` (the kind),
// `Weir-Key` (the id), and, if there is a secret, a signature: see call.Sign.
func (s *Sender) webhook(ctx context.Context, t *configs.WebhookTarget, e *Entry, m Message) error {
	secret := ""
	if t.SecretFile != "" {
		var err error
		if secret, err = s.secrets.Read(t.SecretFile); err != nil {
			return err
		}
	}
	header := http.Header{"Weir-Event": {e.Kind}, "Weir-Key": {e.ID}}
	return s.post(ctx, t.URL, s.webhookOf(e, m), header, secret)
}

func (s *Sender) webhookOf(e *Entry, m Message) webhookBody {
	return webhookBody{
		Version: 1, ID: e.ID, Kind: e.Kind, At: e.At.UTC().Format("2006-01-02T15:04:05.000Z07:00"),
		Place: s.Place, Node: s.Node, Rollout: e.Rollout, Seq: e.Seq, Event: e.Event,
		Title: m.Title, Lines: m.Lines, Links: m.Links,
	}
}
