package api

import (
	"context"
	"net/http"
	"time"

	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/release"
)

// Application is what is where of one application.
type Application struct {
	Name         string                `json:"name"`
	Environments []release.Environment `json:"environments" doc:"Production is the last"`
	Pending      []string              `json:"pending" doc:"Versions released and not yet in the environment asked for, the oldest first"`
	Metrics      release.Metrics       `json:"metrics" doc:"Of the environment asked for: deployment frequency, lead time, change failure rate, time to restore"`
}

func (a *API) registerDeployments() {
	register(a, route{
		method: http.MethodGet, path: "/v1/applications", role: Viewer, id: "list-applications", tag: "releases",
		summary: "What is where", description: "Of all applications: environments, pending releases and the four figures of DORA over the last days.",
	}, a.listApplications)
	register(a, route{
		method: http.MethodGet, path: "/v1/applications/{application}/tasks", role: Viewer, id: "list-tasks", tag: "releases",
		summary: "Where tasks are", description: "All tasks of an application's releases, with where they stand in each environment.",
	}, a.listTasks)
	register(a, route{
		method: http.MethodGet, path: "/v1/deployments", role: Viewer, id: "list-deployments", tag: "releases",
		summary: "List deployments", description: "Rollouts and what other systems reported, the newest first, at most 200.",
	}, a.listDeployments)
	register(a, route{
		method: http.MethodPost, path: "/v1/deployments", role: Operator, id: "report-deployment", tag: "releases",
		summary: "Report a deployment", description: "For what weir did not do itself: a staging system, a job. Report it when it begins and, with the id of the answer, when it ends; or once.",
	}, a.reportDeployment)
}

type applicationsQuery struct {
	Environment string `query:"environment" default:"production" doc:"Whose pending releases and figures are told"`
	Days        int    `query:"days" default:"30" minimum:"1" maximum:"366" doc:"Length of the period that ends now"`
}

type applications struct {
	Body []Application
}

func (a *API) listApplications(_ context.Context, in *applicationsQuery) (*applications, error) {
	v := a.Control.View()
	board, out := v.Board(), &applications{Body: []Application{}}
	for _, name := range board.Applications() {
		out.Body = append(out.Body, applicationOf(board, name, in.Environment, in.Days, v.At))
	}
	return out, nil
}

// applicationOf is one application; the figures are those of so many days up to now.
func applicationOf(board *release.Board, name, environment string, days int, now time.Time) Application {
	app := Application{
		Name: name, Environments: board.Environments(name), Pending: []string{},
		Metrics: board.Metrics(name, environment, now.Add(-time.Duration(days)*24*time.Hour), now),
	}
	for _, r := range board.Pending(name, environment) {
		app.Pending = append(app.Pending, r.Version)
	}
	return app
}

// ApplicationName is the path of an application.
type ApplicationName struct {
	Application string `path:"application" doc:"Name of the application" example:"shop"`
}

type tasks struct {
	Body []release.Task
}

func (a *API) listTasks(_ context.Context, in *ApplicationName) (*tasks, error) {
	all := a.Control.View().Board().Tasks(in.Application)
	if all == nil {
		all = []release.Task{}
	}
	return &tasks{Body: all}, nil
}

type deploymentsQuery struct {
	Application string `query:"application" doc:"Only those of this application"`
	Environment string `query:"environment" doc:"Only those into this environment"`
}

type deployments struct {
	Body []Deployment
}

// maxListed bounds lists of deployments and of releases.
const maxListed = 200

func (a *API) listDeployments(_ context.Context, in *deploymentsQuery) (*deployments, error) {
	out := &deployments{Body: []Deployment{}}
	out.Body = append(out.Body, deploymentsOf(a.Control.View().Board(), in.Application, in.Environment, maxListed)...)
	return out, nil
}

// deploymentsOf are the newest deployments, at most so many; an empty name is any.
func deploymentsOf(board *release.Board, application, environment string, most int) []Deployment {
	var own []Deployment
	for i := range board.Deployments {
		d := &board.Deployments[i]
		if (application == "" || d.Application == application) && (environment == "" || d.Environment == environment) {
			own = append(own, *d)
		}
	}
	own = newestFirst(own)
	return own[:min(len(own), most)]
}

// DeploymentReport is what another system says of a deployment of its own.
type DeploymentReport struct {
	ID          string        `json:"id,omitempty" maxLength:"200" doc:"Of a deployment that was reported before; absent: a new one"`
	Application string        `json:"application" pattern:"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"`
	Environment string        `json:"environment" pattern:"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"`
	Version     string        `json:"version" pattern:"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"`
	State       release.State `json:"state" enum:"waiting,deploying,live,rolled_back,aborted,failed,superseded"`
	By          string        `json:"by,omitempty" maxLength:"128" doc:"Who; absent: whoever reports it"`
	Via         string        `json:"via,omitempty" maxLength:"128" doc:"What with: a pipeline, say"`
	Link        string        `json:"link,omitempty" maxLength:"2048" pattern:"^https?://[^\\s\"'<>\\\\]+$" doc:"To the pipeline or its log"`
	Reason      string        `json:"reason,omitempty" maxLength:"500" doc:"Why it ended as it did"`
	StartedAt   *time.Time    `json:"started_at,omitempty" doc:"Absent: now"`
	EndedAt     *time.Time    `json:"ended_at,omitempty" doc:"Absent: now, if the state is final"`
}

type reportDeployment struct {
	Body DeploymentReport
}

func (a *API) reportDeployment(ctx context.Context, in *reportDeployment) (*changed, error) {
	b := &in.Body
	d := release.Deployment{
		ID: b.ID, Application: b.Application, Environment: b.Environment, Version: b.Version, State: b.State,
		By: b.By, Via: b.Via, Link: b.Link, Reason: b.Reason,
	}
	if b.StartedAt != nil {
		d.StartedAt = *b.StartedAt
	}
	if b.EndedAt != nil {
		d.EndedAt = *b.EndedAt
	}
	reply, err := a.do(ctx, control.ReportDeployment{Actor: actorOf(ctx), Deployment: d})
	if err != nil {
		return nil, err
	}
	return changedOf(reply, ""), nil
}
