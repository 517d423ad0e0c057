package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/configs/changelog"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/release"
)

// Release is a release with what has become of it.
type Release struct {
	Application  string          `json:"application"`
	Version      string          `json:"version"`
	Document     configs.Release `json:"document" doc:"As it was applied"`
	Environments []string        `json:"environments" doc:"Whose users are on it now"`
	Deployments  []Deployment    `json:"deployments" doc:"Of it, the oldest first"`
	Revision     int64           `json:"revision" doc:"Its ETag"`
}

// Deployment is one attempt to bring a version into an environment.
type Deployment = release.Deployment

func (a *API) registerReleases() {
	register(a, route{
		method: http.MethodGet, path: "/v1/releases", role: Viewer, id: "list-releases", tag: "releases",
		summary: "List releases", description: "All releases, or those of one application, the newest first, at most 200.",
	}, a.listReleases)
	register(a, route{
		method: http.MethodGet, path: "/v1/releases/{application}/{version}", role: Viewer, id: "get-release", tag: "releases",
		summary: "Read a release", description: "With its deployments. The ETag is that of the document.",
	}, a.getRelease)
	register(a, route{
		method: http.MethodGet, path: "/v1/releases/{application}/{version}/changelog", role: Viewer, id: "get-changelog", tag: "releases",
		summary: "Read a changelog", description: "As Markdown, a line a change.",
	}, a.getChangelog)
	register(a, route{
		method: http.MethodPut, path: "/v1/releases/{application}/{version}", role: Operator, id: "put-release", tag: "releases",
		summary: "Create or replace a release", description: "Takes a Release document as JSON or YAML.",
		body: a.documentBody("Release", configs.Release{}),
	}, a.putRelease)
	register(a, route{
		method: http.MethodDelete, path: "/v1/releases/{application}/{version}", role: Admin, id: "delete-release", tag: "releases",
		summary: "Delete a release", description: "What was deployed stays.",
	}, a.deleteRelease)
}

// ReleaseName is the path of a release.
type ReleaseName struct {
	Application string `path:"application" doc:"Name of the application" example:"shop"`
	Version     string `path:"version" doc:"The release's own name" example:"v1.5.0"`
}

type releasesOf struct {
	Application string `query:"application" doc:"Only those of this application"`
}

type releases struct {
	Body []Release
}

func releaseOf(v *control.ReleaseView, b *release.Board) Release {
	d := v.Document
	r := Release{Application: d.Application, Version: d.Version, Document: d, Environments: []string{}, Deployments: []Deployment{}, Revision: v.ModRevision}
	for _, e := range b.Environments(d.Application) {
		if e.Version == d.Version {
			r.Environments = append(r.Environments, e.Name)
		}
	}
	for _, one := range b.DeploymentsOf(d.Application) {
		if one.Version == d.Version {
			r.Deployments = append(r.Deployments, one)
		}
	}
	return r
}

func newestFirst(all []Deployment) []Deployment {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Deployment) int { return b.StartedAt.Compare(a.StartedAt) })
	return all
}

func (a *API) listReleases(_ context.Context, in *releasesOf) (*releases, error) {
	v := a.Control.View()
	board := v.Board()
	out := &releases{Body: []Release{}}
	for i := range slices.Backward(v.Releases) {
		if in.Application == "" || v.Releases[i].Document.Application == in.Application {
			out.Body = append(out.Body, releaseOf(&v.Releases[i], board))
		}
		if len(out.Body) == maxListed {
			break
		}
	}
	return out, nil
}

func (a *API) release(name ReleaseName) (*control.ReleaseView, *control.View, error) {
	v := a.Control.View()
	r, ok := v.Release(name.Application, name.Version)
	if !ok {
		return nil, nil, problem(http.StatusNotFound, "GET /v1/releases lists what there is", "there is no release %q of %q", name.Version, name.Application)
	}
	return r, v, nil
}

type releaseBody struct {
	ETag string `header:"ETag"`
	Body Release
}

func (a *API) getRelease(_ context.Context, in *ReleaseName) (*releaseBody, error) {
	r, v, err := a.release(*in)
	if err != nil {
		return nil, err
	}
	return &releaseBody{ETag: etag(r.ModRevision), Body: releaseOf(r, v.Board())}, nil
}

type markdown struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (a *API) getChangelog(_ context.Context, in *ReleaseName) (*markdown, error) {
	r, _, err := a.release(*in)
	if err != nil {
		return nil, err
	}
	return &markdown{ContentType: "text/markdown; charset=utf-8", Body: []byte(changelog.Markdown(&r.Document))}, nil
}

type putRelease struct {
	ReleaseName
	Conditions
	DryRun      bool   `query:"dry_run" doc:"Only say what would change"`
	ContentType string `header:"Content-Type" hidden:"true"`
	RawBody     []byte
}

func (a *API) putRelease(ctx context.Context, in *putRelease) (*changed, error) {
	doc, err := decodeOne(in.ContentType, configs.KindRelease, in.RawBody)
	if err != nil {
		return nil, err
	}
	path := "/v1/releases/" + doc.Release.Name()
	if doc.Release.Application != in.Application || doc.Release.Version != in.Version {
		return nil, problem(http.StatusUnprocessableEntity, "put it to "+path+", or change its names",
			"the document is of release %q, and the path of %q", doc.Release.Name(), in.Application+"/"+in.Version)
	}
	match, err := in.revision(a.releaseRevision(in.ReleaseName))
	if err != nil {
		return nil, err
	}
	reply, err := a.do(ctx, control.ApplyRelease{Document: *doc.Release, IfMatch: match, DryRun: in.DryRun, Actor: actorOf(ctx)})
	if err != nil {
		return nil, err
	}
	return changedOf(reply, path), nil
}

func (a *API) releaseRevision(name ReleaseName) int64 {
	if r, ok := a.Control.View().Release(name.Application, name.Version); ok {
		return r.ModRevision
	}
	return 0
}

type deleteRelease struct {
	ReleaseName
	Conditions
}

func (a *API) deleteRelease(ctx context.Context, in *deleteRelease) (*changed, error) {
	match, err := in.revision(a.releaseRevision(in.ReleaseName))
	if err != nil {
		return nil, err
	}
	reply, err := a.do(ctx, control.DeleteRelease{Application: in.Application, Version: in.Version, IfMatch: match, Actor: actorOf(ctx)})
	if err != nil {
		return nil, err
	}
	return changedOf(reply, ""), nil
}
