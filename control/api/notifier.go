package api

import (
	"context"
	"net/http"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
)

// Notifier is a notifier with what is on its way to it.
type Notifier struct {
	Name     string           `json:"name"`
	Channel  string           `json:"channel" enum:"slack,email,pagerduty,webhook,tracker,hub,"`
	Document configs.Notifier `json:"document" doc:"As it was applied; secrets are named by file and never shown"`

	Waiting   int        `json:"waiting" doc:"Events that are still to be told"`
	Since     *time.Time `json:"since,omitempty" doc:"When the oldest of them happened"`
	Dead      int        `json:"dead" doc:"Events that were given up, kept for a week"`
	LastError string     `json:"last_error,omitempty" doc:"Of what waits or was given up: why the last delivery failed"`
	FailedAt  *time.Time `json:"failed_at,omitempty"`

	Revision int64 `json:"revision" doc:"Its ETag"`
}

func notifierOf(v *control.NotifierView) Notifier {
	n := Notifier{
		Name: v.Document.Name, Channel: v.Document.Channel(), Document: v.Document, Waiting: v.Waiting, Dead: v.Dead,
		LastError: v.LastError, Revision: v.ModRevision,
	}
	if !v.Since.IsZero() {
		n.Since = &v.Since
	}
	if !v.FailedAt.IsZero() {
		n.FailedAt = &v.FailedAt
	}
	return n
}

func (a *API) registerNotifiers() {
	register(a, route{
		method: http.MethodGet, path: "/v1/notifiers", role: Viewer, id: "list-notifiers", tag: "notifiers",
		summary: "List notifiers", description: "All notifiers by name, with what is still to be told.",
	}, a.listNotifiers)
	register(a, route{
		method: http.MethodGet, path: "/v1/notifiers/{name}", role: Viewer, id: "get-notifier", tag: "notifiers",
		summary: "Read a notifier", description: "The ETag is that of the document.",
	}, a.getNotifier)
	register(a, route{
		method: http.MethodPut, path: "/v1/notifiers/{name}", role: Admin, id: "put-notifier", tag: "notifiers",
		summary: "Create or replace a notifier",
		description: "Takes a Notifier document as JSON or YAML. A secret that this node cannot read is a warning: " +
			"every node that may lead needs it.",
		body: a.documentBody("Notifier", configs.Notifier{}),
	}, a.putNotifier)
	register(a, route{
		method: http.MethodDelete, path: "/v1/notifiers/{name}", role: Admin, id: "delete-notifier", tag: "notifiers",
		summary: "Delete a notifier", description: "What it was still to be told is given up.",
	}, a.deleteNotifier)
	register(a, route{
		method: http.MethodPost, path: "/v1/notifiers/{name}/test", role: Operator, id: "test-notifier", tag: "notifiers",
		summary: "Send a test message", description: "Sent from this node at once; answers when it was taken, or with why not (502).",
	}, a.testNotifier)
}

// NotifierName is the path of a notifier.
type NotifierName struct {
	Name string `path:"name" doc:"Name of the notifier" example:"deployments"`
}

type notifiers struct {
	Body []Notifier
}

func (a *API) listNotifiers(context.Context, *none) (*notifiers, error) {
	v := a.Control.View()
	out := &notifiers{Body: make([]Notifier, 0, len(v.Notifiers))}
	for i := range v.Notifiers {
		out.Body = append(out.Body, notifierOf(&v.Notifiers[i]))
	}
	return out, nil
}

type notifier struct {
	ETag string `header:"ETag"`
	Body Notifier
}

func (a *API) getNotifier(_ context.Context, in *NotifierName) (*notifier, error) {
	v, ok := a.Control.View().Notifier(in.Name)
	if !ok {
		return nil, problem(http.StatusNotFound, "GET /v1/notifiers lists what there is", "there is no notifier %q", in.Name)
	}
	return &notifier{ETag: etag(v.ModRevision), Body: notifierOf(v)}, nil
}

type putNotifier struct {
	NotifierName
	Conditions
	DryRun      bool   `query:"dry_run" doc:"Only say what would change"`
	ContentType string `header:"Content-Type" hidden:"true"`
	RawBody     []byte
}

func (a *API) putNotifier(ctx context.Context, in *putNotifier) (*changed, error) {
	doc, err := decodeOne(in.ContentType, configs.KindNotifier, in.RawBody)
	if err != nil {
		return nil, err
	}
	if doc.Notifier.Name != in.Name {
		return nil, problem(http.StatusUnprocessableEntity, "put it to /v1/notifiers/"+doc.Notifier.Name+", or change its name",
			"the document is of notifier %q, and the path of %q", doc.Notifier.Name, in.Name)
	}
	match, err := in.revision(a.notifierRevision(in.Name))
	if err != nil {
		return nil, err
	}
	reply, err := a.do(ctx, control.ApplyNotifier{Document: *doc.Notifier, IfMatch: match, DryRun: in.DryRun, Actor: actorOf(ctx)})
	if err != nil {
		return nil, err
	}
	reply.Warnings = append(reply.Warnings, a.Control.CheckNotifier(doc.Notifier)...)
	return changedOf(reply, "/v1/notifiers/"+in.Name), nil
}

func (a *API) notifierRevision(name string) int64 {
	if v, ok := a.Control.View().Notifier(name); ok {
		return v.ModRevision
	}
	return 0
}

type deleteNotifier struct {
	NotifierName
	Conditions
}

func (a *API) deleteNotifier(ctx context.Context, in *deleteNotifier) (*changed, error) {
	match, err := in.revision(a.notifierRevision(in.Name))
	if err != nil {
		return nil, err
	}
	reply, err := a.do(ctx, control.DeleteNotifier{Name: in.Name, IfMatch: match, Actor: actorOf(ctx)})
	if err != nil {
		return nil, err
	}
	return changedOf(reply, ""), nil
}

func (a *API) testNotifier(ctx context.Context, in *NotifierName) (*changed, error) {
	reply, err := a.Control.TestNotifier(ctx, in.Name, actorOf(ctx))
	if err != nil {
		return nil, err
	}
	return changedOf(reply, ""), nil
}
