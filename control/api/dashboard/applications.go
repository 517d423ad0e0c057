package dashboard

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/release"
)

// applicationsShown is how many applications one page has.
const applicationsShown = 20

// applicationsPage shows what is where of all applications.
type applicationsPage struct {
	Now    time.Time
	Query  string
	Period period
	Total  int
	Rows   []applicationRow
	Pager  pager
	Means  []dora
}

// applicationRow is one application.
type applicationRow struct {
	Name         string
	Environments []environmentRow
	Pending      int
	Dora         []dora
}

// environmentRow is one environment of an application.
type environmentRow struct {
	release.Environment
	Services []string // of weir's own that serve it
	Bar      *bar     // nil: nothing is under way, or no user has it
}

// period is what the figures of a page are about.
type period struct {
	Environment string
	Days        int
	Choices     []int // of days
}

// periodOf is the period that a page was asked for: production's last 30 days if
// it does not say.
func periodOf(r *request) period {
	p := period{Environment: release.DefaultEnvironment, Days: 30, Choices: []int{7, 30, 90}}
	q := r.URL.Query()
	if days, err := strconv.Atoi(q.Get("days")); err == nil && slices.Contains(p.Choices, days) {
		p.Days = days
	}
	p.Environment = cmp.Or(q.Get("environment"), p.Environment)
	return p
}

func (d *Dashboard) applications(r *request) (content, error) {
	board := r.view.Board()
	p := &applicationsPage{Now: r.view.At, Query: strings.TrimSpace(r.URL.Query().Get("q")), Period: periodOf(r)}
	names := board.Applications()
	p.Total = len(names)
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.Contains(name, strings.ToLower(p.Query)) })
	var from int
	p.Pager, from = pageOf(r, len(names), applicationsShown)
	for _, name := range names[from:min(from+applicationsShown, len(names))] {
		p.Rows = append(p.Rows, applicationRowOf(board, name, &p.Period, r))
	}
	p.Means = doraOf(&release.Metrics{}, false)
	return content{title: "Applications", data: p}, nil
}

func applicationRowOf(board *release.Board, name string, p *period, r *request) applicationRow {
	app := api.ApplicationOf(board, name, p.Environment, p.Days, r.view.At)
	return applicationRow{
		Name: name, Environments: environmentsOf(board, &app), Pending: len(app.Pending),
		Dora: doraOf(&app.Metrics, deployedEver(&app, p.Environment)),
	}
}

// deployedEver reports whether any deployment to an environment is known.
func deployedEver(app *api.Application, environment string) bool {
	return slices.ContainsFunc(app.Environments, func(e release.Environment) bool { return e.Name == environment && e.Last != nil })
}

func environmentsOf(board *release.Board, app *api.Application) []environmentRow {
	var rows []environmentRow
	for _, e := range app.Environments {
		row := environmentRow{Environment: e}
		for _, running := range board.Running {
			if running.Application == app.Name && running.Environment == e.Name {
				row.Services = append(row.Services, running.Service)
			}
		}
		if e.Weight > 0 && e.Weight < configs.Whole && e.Candidate != "" {
			shares := barOf(weights{e.Candidate: e.Weight, cmp.Or(e.Version, "before"): configs.Whole - e.Weight}, cmp.Or(e.Version, "before"))
			row.Bar = &shares
		}
		rows = append(rows, row)
	}
	return rows
}
