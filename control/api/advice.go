package api

import (
	"context"
	"net/http"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/configs/advice"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/migration"
	"github.com/weirproxy/weir/control/release"
)

// Advice is a mistake that releases are often made with.
type Advice = advice.Advice

func (a *API) registerAdvice() {
	register(a, route{
		method: http.MethodGet, path: "/v1/advice", role: Viewer, id: "list-advice", tag: "services",
		summary: "What often goes wrong", description: "Of the services and the rollouts in force: what is missing, why that hurts, and the remedy. " +
			"`advise: {ignore: [...]}` of a Service or Rollout quiets it.",
	}, a.listAdvice)
}

type adviceBody struct {
	Body []Advice
}

func (a *API) listAdvice(context.Context, *none) (*adviceBody, error) {
	return &adviceBody{Body: advise(a.Control.View())}, nil
}

// advise looks at what is in force.
func advise(v *control.View) []Advice {
	var in advice.Input
	for _, s := range v.Services {
		in.Services = append(in.Services, s.Document)
	}
	for i := range v.Deployments {
		if d := &v.Deployments[i]; d.Environment != release.DefaultEnvironment {
			in.Staged = append(in.Staged, d.Application)
		}
	}
	for _, r := range v.Rollouts {
		switch {
		case !r.InForce:
		case r.State.Strategy == configs.StrategyManual:
			in.Manual = append(in.Manual, r.State.Service)
		default:
			in.Rollouts = append(in.Rollouts, r.State.Plan)
		}
	}
	for _, n := range v.Notifiers {
		in.Notifiers = append(in.Notifiers, n.Document)
	}
	for _, f := range v.Freezes {
		in.Freezes = append(in.Freezes, f.Document)
	}
	for _, r := range v.Releases {
		in.Releases = append(in.Releases, r.Document)
	}
	for _, m := range v.Migrations {
		if m.State != migration.Done { // what was done before came along with nothing
			in.Migrations = append(in.Migrations, configs.Migration{Name: m.Name, Application: m.Application, Phase: m.Phase})
		}
	}
	return advice.Find(in)
}
