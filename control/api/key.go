package api

import (
	"context"
	"net/http"
	"time"

	"github.com/weirproxy/weir/control"
)

// Key is one key of the sticky cookie, without its secret.
type Key struct {
	ID      string     `json:"id" doc:"As it stands in cookies"`
	State   string     `json:"state" enum:"waiting,signing,retired" doc:"A waiting one verifies, and signs once every node knows it; a retired one verifies what it signed"`
	Added   *time.Time `json:"added,omitempty" doc:"Absent: with the first node"`
	Retired *time.Time `json:"retired,omitempty" doc:"When it signed last"`
	Until   *time.Time `json:"until,omitempty" doc:"When a retired one is forgotten"`
	Lacking []string   `json:"lacking,omitempty" doc:"Nodes that have not said that they know a waiting one"`
}

func keyOf(v control.KeyView) Key {
	return Key{ID: v.ID, State: v.State, Added: orNil(v.Added), Retired: orNil(v.Retired), Until: orNil(v.Until), Lacking: v.Lacking}
}

func (a *API) registerKeys() {
	register(a, route{
		method: http.MethodGet, path: "/v1/keys", role: Viewer, id: "list-keys", tag: "state",
		summary: "List the keys of the sticky cookie", description: "Their ids and where a rotation stands, the oldest first. No secrets.",
	}, a.listKeys)
	register(a, route{
		method: http.MethodPost, path: "/v1/keys/rotate", role: Admin, id: "rotate-keys", tag: "state",
		summary: "Sign the sticky cookie with a new key",
		description: "The new key signs when every live node has said that it knows it, a minute later at the earliest. The one before " +
			"verifies for as long as its cookies count, so nobody changes versions. Refused while a rotation is under way (409).",
	}, a.rotateKeys)
}

type keys struct {
	Body []Key
}

func (a *API) listKeys(context.Context, *none) (*keys, error) {
	views := a.Control.View().Keys
	out := &keys{Body: make([]Key, 0, len(views))}
	for _, v := range views {
		out.Body = append(out.Body, keyOf(v))
	}
	return out, nil
}

func (a *API) rotateKeys(ctx context.Context, _ *none) (*changed, error) {
	reply, err := a.do(ctx, control.RotateKeys{Actor: actorOf(ctx)})
	if err != nil {
		return nil, err
	}
	return changedOf(reply, ""), nil
}

// orNil is a time that JSON leaves out when it is zero.
func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
