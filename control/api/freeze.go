package api

import (
	"context"
	"net/http"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
)

// Freeze is a freeze with what it does now.
type Freeze struct {
	Name     string         `json:"name"`
	Document configs.Freeze `json:"document" doc:"As it was applied"`
	Active   bool           `json:"active" doc:"No stage begins and nothing is promoted now"`
	Until    *time.Time     `json:"until,omitempty" doc:"When the one in force ends; absent: when it is deleted"`
	Next     *time.Time     `json:"next,omitempty" doc:"When one that is not in force begins; absent: never again"`
	Revision int64          `json:"revision" doc:"Its ETag"`
}

func freezeOf(v *control.FreezeView) Freeze {
	f := Freeze{Name: v.Document.Name, Document: v.Document, Active: v.Active, Revision: v.ModRevision}
	if !v.Until.IsZero() {
		f.Until = &v.Until
	}
	if !v.Next.IsZero() {
		f.Next = &v.Next
	}
	return f
}

func (a *API) registerFreezes() {
	register(a, route{
		method: http.MethodGet, path: "/v1/freezes", role: Viewer, id: "list-freezes", tag: "freezes",
		summary: "List freezes", description: "All freezes by name, with which are in force and until when.",
	}, a.listFreezes)
	register(a, route{
		method: http.MethodGet, path: "/v1/freezes/{name}", role: Viewer, id: "get-freeze", tag: "freezes",
		summary: "Read a freeze", description: "The ETag is that of the document.",
	}, a.getFreeze)
	register(a, route{
		method: http.MethodPut, path: "/v1/freezes/{name}", role: Admin, id: "put-freeze", tag: "freezes",
		summary:     "Create or replace a freeze",
		description: "Takes a Freeze document as JSON or YAML. Nothing that puts traffic back ever waits for one.",
		body:        a.documentBody("Freeze", configs.Freeze{}),
	}, a.putFreeze)
	register(a, route{
		method: http.MethodDelete, path: "/v1/freezes/{name}", role: Admin, id: "delete-freeze", tag: "freezes",
		summary: "Delete a freeze", description: "One that is in force ends at once.",
	}, a.deleteFreeze)
}

// FreezeName is the path of a freeze.
type FreezeName struct {
	Name string `path:"name" doc:"Name of the freeze" example:"no-friday-afternoons"`
}

type freezes struct {
	Body []Freeze
}

func (a *API) listFreezes(context.Context, *none) (*freezes, error) {
	v := a.Control.View()
	out := &freezes{Body: make([]Freeze, 0, len(v.Freezes))}
	for i := range v.Freezes {
		out.Body = append(out.Body, freezeOf(&v.Freezes[i]))
	}
	return out, nil
}

type freeze struct {
	ETag string `header:"ETag"`
	Body Freeze
}

func (a *API) getFreeze(_ context.Context, in *FreezeName) (*freeze, error) {
	v, ok := a.Control.View().Freeze(in.Name)
	if !ok {
		return nil, problem(http.StatusNotFound, "GET /v1/freezes lists what there is", "there is no freeze %q", in.Name)
	}
	return &freeze{ETag: etag(v.ModRevision), Body: freezeOf(v)}, nil
}

type putFreeze struct {
	FreezeName
	Conditions
	DryRun      bool   `query:"dry_run" doc:"Only say what would change"`
	ContentType string `header:"Content-Type" hidden:"true"`
	RawBody     []byte
}

func (a *API) putFreeze(ctx context.Context, in *putFreeze) (*changed, error) {
	doc, err := decodeOne(in.ContentType, configs.KindFreeze, in.RawBody)
	if err != nil {
		return nil, err
	}
	if doc.Freeze.Name != in.Name {
		return nil, problem(http.StatusUnprocessableEntity, "put it to /v1/freezes/"+doc.Freeze.Name+", or change its name",
			"the document is of freeze %q, and the path of %q", doc.Freeze.Name, in.Name)
	}
	match, err := in.revision(a.freezeRevision(in.Name))
	if err != nil {
		return nil, err
	}
	reply, err := a.do(ctx, control.ApplyFreeze{Document: *doc.Freeze, IfMatch: match, DryRun: in.DryRun, Actor: actorOf(ctx)})
	if err != nil {
		return nil, err
	}
	return changedOf(reply, "/v1/freezes/"+in.Name), nil
}

func (a *API) freezeRevision(name string) int64 {
	if v, ok := a.Control.View().Freeze(name); ok {
		return v.ModRevision
	}
	return 0
}

type deleteFreeze struct {
	FreezeName
	Conditions
}

func (a *API) deleteFreeze(ctx context.Context, in *deleteFreeze) (*changed, error) {
	match, err := in.revision(a.freezeRevision(in.Name))
	if err != nil {
		return nil, err
	}
	reply, err := a.do(ctx, control.DeleteFreeze{Name: in.Name, IfMatch: match, Actor: actorOf(ctx)})
	if err != nil {
		return nil, err
	}
	return changedOf(reply, ""), nil
}
