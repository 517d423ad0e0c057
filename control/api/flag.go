package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
)

// Flag is a feature flag as this node sees it.
type Flag struct {
	Name     string                    `json:"name"`
	Type     string                    `json:"type" enum:"boolean,string,number,object"`
	Stable   string                    `json:"stable" doc:"The variant users are on"`
	Weights  map[string]configs.Weight `json:"weights" doc:"Share of each variant, in force"`
	Rollout  string                    `json:"rollout" doc:"Id of the rollout in force; empty: none"`
	Refused  string                    `json:"refused,omitempty" doc:"Why the present document is not in use on this node; its last good form is"`
	Killed   *Kill                     `json:"killed,omitempty" doc:"Everybody gets the default"`
	Variants []Variant                 `json:"variants"`
	Document configs.Flag              `json:"document" doc:"As it was applied"`

	Revision      int64 `json:"revision" doc:"Of the document: its ETag"`
	StateRevision int64 `json:"state_revision" doc:"Of the shares: their ETag"`
}

// Kill says who switched a flag off.
type Kill struct {
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Reason string    `json:"reason,omitempty"`
}

// Variant is one variant of a flag with what this node measured of the requests
// that had it.
type Variant struct {
	Name   string          `json:"name"`
	Value  json.RawMessage `json:"value" doc:"Of the flag's type"`
	Role   string          `json:"role" enum:"stable,candidate,kept,idle"`
	Weight configs.Weight  `json:"weight" doc:"In force on this node, cuts included"`

	Requests  uint64  `json:"requests" doc:"Since the process began; counted while a rollout is in force, or with record: true"`
	Errors    uint64  `json:"errors" doc:"Since the process began"`
	RPS       float64 `json:"rps" doc:"Requests a second, over the last 5 s"`
	ErrorRate float64 `json:"error_rate" doc:"0 to 1, over the last 5 s"`
	P99       float64 `json:"p99_ms" doc:"Milliseconds, over the last 5 s; 0: no requests"`
}

func flagOf(v *control.FlagView) Flag {
	doc := v.Document
	doc.SetDefaults()
	f := Flag{
		Name: doc.Name, Type: doc.Type, Stable: v.State.Stable, Rollout: v.State.Rollout, Refused: v.Refused,
		Weights:  inForce(&control.ServiceView{State: v.State}),
		Variants: make([]Variant, 0, len(v.Variants)), Document: v.Document, Revision: v.ModRevision, StateRevision: v.StateRevision,
	}
	if k := v.Killed; k != nil {
		f.Killed = &Kill{At: k.At, Actor: k.Actor, Reason: k.Reason}
	}
	for _, one := range v.Variants {
		f.Variants = append(f.Variants, Variant{
			Name: one.Name, Value: json.RawMessage(doc.Variants[one.Name]), Role: one.Role, Weight: one.Weight,
			Requests: one.Requests, Errors: one.Errors, RPS: one.RPS, ErrorRate: one.ErrorRate, P99: milliseconds(one.P99),
		})
	}
	return f
}

func (a *API) registerFlags() {
	register(a, route{
		method: http.MethodGet, path: "/v1/flags", role: Viewer, id: "list-flags", tag: "flags",
		summary: "List flags", description: "All feature flags by name, with who gets what.",
	}, a.listFlags)
	register(a, route{
		method: http.MethodGet, path: "/v1/flags/{name}", role: Viewer, id: "get-flag", tag: "flags",
		summary: "Read a flag", description: "The ETag is that of the document.",
	}, a.getFlag)
	register(a, route{
		method: http.MethodPut, path: "/v1/flags/{name}", role: Admin, id: "put-flag", tag: "flags",
		summary: "Create or replace a flag",
		description: "Takes a Flag document as JSON or YAML. Which variant is stable, and the shares, of an existing flag stay " +
			"as they are: rollouts with `flag` move them.",
		body: a.documentBody("Flag", configs.Flag{}),
	}, a.putFlag)
	register(a, route{
		method: http.MethodDelete, path: "/v1/flags/{name}", role: Admin, id: "delete-flag", tag: "flags",
		summary: "Delete a flag", description: "Refused while a rollout of it is in force (409).",
	}, a.deleteFlag)
	register(a, route{
		method: http.MethodGet, path: "/v1/flags/{name}/weights", role: Viewer, id: "get-flag-weights", tag: "flags",
		summary: "Read the shares of a flag", description: "Share of each variant. The ETag is that of the flag's state.",
	}, a.getFlagWeights)
	register(a, route{
		method: http.MethodPut, path: "/v1/flags/{name}/weights", role: Operator, id: "put-flag-weights", tag: "flags",
		summary: "Move the shares of a flag by hand",
		description: "The shares add up to 100 %; a variant left out gets none. The change is a rollout of strategy `manual`, judged by " +
			"the flag's guard. Refused (409) while a planned rollout of the flag is in force, and while the flag is killed.",
		body: a.weightsBody("off", "on"),
	}, a.putFlagWeights)
	register(a, route{
		method: http.MethodPost, path: "/v1/flags/{name}/kill", role: Operator, id: "kill-flag", tag: "flags",
		summary: "Switch a flag off",
		description: "Everybody gets the flag's default, whatever rules and shares say, until it is restored: on this node before " +
			"anything is written. A rollout of the flag is aborted. Works without etcd.",
	}, a.killFlag)
	register(a, route{
		method: http.MethodPost, path: "/v1/flags/{name}/restore", role: Operator, id: "restore-flag", tag: "flags",
		summary: "End the kill of a flag", description: "Rules and shares count again.",
	}, a.restoreFlag)
}

// FlagName is the path of a flag.
type FlagName struct {
	Name string `path:"name" doc:"Name of the flag" example:"new-checkout"`
}

type flags struct {
	Body []Flag
}

func (a *API) listFlags(context.Context, *none) (*flags, error) {
	v := a.Control.View()
	out := &flags{Body: make([]Flag, 0, len(v.Flags))}
	for i := range v.Flags {
		out.Body = append(out.Body, flagOf(&v.Flags[i]))
	}
	return out, nil
}

type flag struct {
	ETag string `header:"ETag"`
	Body Flag
}

func (a *API) getFlag(_ context.Context, in *FlagName) (*flag, error) {
	v, err := a.flag(in.Name)
	if err != nil {
		return nil, err
	}
	return &flag{ETag: etag(v.ModRevision), Body: flagOf(v)}, nil
}

func (a *API) flag(name string) (*control.FlagView, error) {
	v, ok := a.Control.View().Flag(name)
	if !ok {
		return nil, problem(http.StatusNotFound, "GET /v1/flags lists what there is", "there is no flag %q", name)
	}
	return v, nil
}

func (a *API) getFlagWeights(_ context.Context, in *FlagName) (*weights, error) {
	v, err := a.flag(in.Name)
	if err != nil {
		return nil, err
	}
	return &weights{ETag: etag(v.StateRevision), Body: inForce(&control.ServiceView{State: v.State})}, nil
}

type putFlagWeights struct {
	FlagName
	WeightsMove
}

func (a *API) putFlagWeights(ctx context.Context, in *putFlagWeights) (*changed, error) {
	v, err := surely(ctx, a, func() (*control.FlagView, error) { return a.flag(in.Name) })
	if err != nil {
		return nil, err
	}
	return a.moveWeights(ctx, configs.FlagService(in.Name), v.StateRevision, &in.WeightsMove)
}

type putFlag struct {
	FlagName
	Conditions
	DryRun      bool   `query:"dry_run" doc:"Only say what would change"`
	ContentType string `header:"Content-Type" hidden:"true"`
	RawBody     []byte
}

func (a *API) putFlag(ctx context.Context, in *putFlag) (*changed, error) {
	doc, err := decodeOne(in.ContentType, configs.KindFlag, in.RawBody)
	if err != nil {
		return nil, err
	}
	if doc.Flag.Name != in.Name {
		return nil, problem(http.StatusUnprocessableEntity, "put it to /v1/flags/"+doc.Flag.Name+", or change its name",
			"the document is of flag %q, and the path of %q", doc.Flag.Name, in.Name)
	}
	match, err := in.revision(a.flagRevision(in.Name))
	if err != nil {
		return nil, err
	}
	reply, err := a.do(ctx, control.ApplyFlag{Document: *doc.Flag, IfMatch: match, DryRun: in.DryRun, Actor: actorOf(ctx)})
	if err != nil {
		return nil, err
	}
	return changedOf(reply, "/v1/flags/"+in.Name), nil
}

func (a *API) flagRevision(name string) int64 {
	if v, ok := a.Control.View().Flag(name); ok {
		return v.ModRevision
	}
	return 0
}

type deleteFlag struct {
	FlagName
	Conditions
}

func (a *API) deleteFlag(ctx context.Context, in *deleteFlag) (*changed, error) {
	match, err := in.revision(a.flagRevision(in.Name))
	if err != nil {
		return nil, err
	}
	reply, err := a.do(ctx, control.DeleteFlag{Name: in.Name, IfMatch: match, Actor: actorOf(ctx)})
	if err != nil {
		return nil, err
	}
	return changedOf(reply, ""), nil
}

type killFlag struct {
	FlagName
	Body *struct {
		Reason string `json:"reason,omitempty" maxLength:"500" doc:"Shown wherever the flag is"`
	} `required:"false"`
}

func (a *API) killFlag(ctx context.Context, in *killFlag) (*changed, error) {
	cmd := control.KillFlag{Name: in.Name, Actor: actorOf(ctx)}
	if in.Body != nil {
		cmd.Reason = in.Body.Reason
	}
	reply, err := a.do(ctx, cmd)
	if err != nil {
		return nil, err
	}
	return changedOf(reply, "/v1/flags/"+in.Name), nil
}

func (a *API) restoreFlag(ctx context.Context, in *FlagName) (*changed, error) {
	reply, err := a.do(ctx, control.RestoreFlag{Name: in.Name, Actor: actorOf(ctx)})
	if err != nil {
		return nil, err
	}
	return changedOf(reply, "/v1/flags/"+in.Name), nil
}
