package dashboard

import (
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/release"
)

// How much of an application one page lists.
const (
	deploymentsShown = 30
	tasksShown       = 100
	releasesShown    = 50
)

// applicationPage shows one application: what is where, what is to come, how it
// is delivered.
type applicationPage struct {
	Name         string
	Now          time.Time
	Period       period
	Environments []environmentRow
	Known        []string // names of Environments
	Dora         []dora
	Bars         *bars
	Tasks        []release.Task // of the newest releases first
	TasksInAll   int
	Pending      []releaseRow // the oldest first
	PendingInAll int
	Releases     []releaseRow // the newest first
	InAll        int          // releases
	Databases    []string     // environments with Migrations
	Migrations   []migrationRow
	Deployments  []api.Deployment
}

// releaseRow is a release in a list.
type releaseRow struct {
	Document     configs.Release
	Breaking     int      // changes
	Environments []string // whose users are on it
}

func (d *Dashboard) application(r *request) (content, error) {
	name, board := r.PathValue("name"), r.view.Board()
	if !slices.Contains(board.Applications(), name) {
		return content{title: name}, notFound(fmt.Sprintf("There is no application %q.", name))
	}
	at := periodOf(r)
	app := api.ApplicationOf(board, name, at.Environment, at.Days, r.view.At)
	all := api.DeploymentsOf(board, name, "", len(board.Deployments))
	p := &applicationPage{
		Name: name, Now: r.view.At, Period: at, Environments: environmentsOf(board, &app),
		Dora:        doraOf(&app.Metrics, deployedEver(&app, at.Environment)),
		Deployments: all[:min(len(all), deploymentsShown)],
	}
	for i := range p.Environments {
		p.Known = append(p.Known, p.Environments[i].Name)
	}
	p.Databases, p.Migrations = migrationsOf(r.view, name)
	p.Bars = barsOf(slices.DeleteFunc(slices.Clone(all), func(d api.Deployment) bool { return d.Environment != at.Environment }), at.Days, r.view.At)
	p.Tasks = board.Tasks(name)
	p.TasksInAll = len(p.Tasks)
	slices.Reverse(p.Tasks)
	p.Tasks = p.Tasks[:min(len(p.Tasks), tasksShown)]
	pending := board.Pending(name, at.Environment)
	p.PendingInAll = len(pending)
	for i := range pending[:min(len(pending), releasesShown)] {
		p.Pending = append(p.Pending, releaseRowOf(&pending[i], &app))
	}
	releases := slices.Clone(board.ReleasesOf(name))
	slices.Reverse(releases)
	p.InAll = len(releases)
	for i := range releases[:min(len(releases), releasesShown)] {
		p.Releases = append(p.Releases, releaseRowOf(&releases[i], &app))
	}
	return content{title: name, data: p}, nil
}

func releaseRowOf(doc *configs.Release, app *api.Application) releaseRow {
	row := releaseRow{Document: *doc}
	for i := range doc.Changes {
		row.Breaking += one(doc.Changes[i].Breaking)
	}
	for _, e := range app.Environments {
		if e.Version == doc.Version {
			row.Environments = append(row.Environments, e.Name)
		}
	}
	return row
}

// releasePath is where the page of a release is.
func releasePath(application, version string) string {
	return "/applications/" + url.PathEscape(application) + "/releases/" + url.PathEscape(version)
}
