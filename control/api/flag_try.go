package api

import (
	"context"
	"net/http"

	"github.com/weirproxy/weir/control"
)

func (a *API) registerTryouts() {
	register(a, route{
		method: http.MethodPost, path: "/v1/flags/{name}/evaluate", role: Viewer, id: "evaluate-flag", tag: "flags",
		summary: "Try a flag out",
		description: "What a user that is made up would get on this node, and why. Nothing is counted. Applications ask over OFREP, " +
			"on a listener of its own.",
	}, a.tryFlag)
}

// Tryout is a user that is made up.
type Tryout struct {
	Key         string            `json:"key,omitempty" maxLength:"1000" doc:"By which users are drawn: the targetingKey of applications"`
	Environment string            `json:"environment,omitempty" maxLength:"63" default:"production" doc:"Whose rules count"`
	Attributes  map[string]string `json:"attributes,omitempty" doc:"That applications tell of their users"`
	Headers     map[string]string `json:"headers,omitempty"`
	Cookies     map[string]string `json:"cookies,omitempty"`
	Query       map[string]string `json:"query,omitempty"`
}

type tryFlag struct {
	FlagName
	Body Tryout
}

type triedFlag struct {
	Body control.Tried
}

func (a *API) tryFlag(_ context.Context, in *tryFlag) (*triedFlag, error) {
	b := &in.Body
	tried, ok := a.Control.TryFlag(in.Name, control.Tryout{
		Key: b.Key, Environment: b.Environment, Attributes: b.Attributes, Headers: b.Headers, Cookies: b.Cookies, Query: b.Query,
	})
	if !ok {
		return nil, problem(http.StatusNotFound, "GET /v1/flags lists what there is", "there is no flag %q that this node evaluates", in.Name)
	}
	return &triedFlag{tried}, nil
}
