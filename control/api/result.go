package api

import (
	"context"
	"net/http"
	"time"

	"github.com/weirproxy/weir/control"
)

// do carries out a command and waits until this node's View has it, so that a
// client reads what it wrote.
func (a *API) do(ctx context.Context, cmd control.Command) (control.Reply, error) {
	reply, err := a.Control.Do(ctx, cmd)
	if err != nil || reply.Revision == 0 {
		return reply, err
	}
	ctx, cancel := context.WithTimeout(ctx, viewWait)
	defer cancel()
	tick := time.NewTicker(viewPoll)
	defer tick.Stop()
	for a.Control.View().Store.Revision < reply.Revision {
		select {
		case <-ctx.Done():
			// The change is made; that it is not in view yet is no failure of it.
			return reply, nil
		case <-tick.C:
		}
	}
	return reply, nil
}

const (
	viewWait = 2 * time.Second
	viewPoll = 5 * time.Millisecond
)

// Result is what became of a change.
type Result struct {
	Text     string   `json:"text" doc:"One sentence on what was done"`
	Service  string   `json:"service,omitempty" doc:"Name of the service"`
	ID       string   `json:"id,omitempty" doc:"Id of the rollout"`
	Revision int64    `json:"revision" doc:"Revision of the state after the change; 0: nothing changed"`
	Created  bool     `json:"created" doc:"The object is new"`
	Warnings []string `json:"warnings,omitempty" doc:"Worth reading, nothing refused"`
	Changes  []string `json:"changes,omitempty" doc:"With dry_run: what would change"`
}

func resultOf(r control.Reply) Result {
	return Result{
		Text: r.Text, Service: r.Name, ID: r.ID, Revision: r.Revision,
		Created: r.Created, Warnings: r.Warnings, Changes: r.Changes,
	}
}

// changed is the answer to a change.
type changed struct {
	Status   int
	ETag     string `header:"ETag" doc:"Revision after the change"`
	Location string `header:"Location" doc:"Where the new object is"`
	Body     Result
}

func changedOf(r control.Reply, location string) *changed {
	c := &changed{Status: http.StatusOK, Body: resultOf(r)}
	if r.Revision > 0 {
		c.ETag = etag(r.Revision)
	}
	if r.Created {
		c.Status, c.Location = http.StatusCreated, location
	}
	return c
}
