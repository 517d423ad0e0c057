package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/rollout"
)

// verb is one POST on a rollout.
type verb struct{ name, summary, description string }

func verbs() []verb {
	return []verb{
		{"promote", "Go to the next stage now", "From the last stage the candidate becomes stable; with `full` it does so from any."},
		{"pause", "Hold the weights", "Stage time stands still; the judge goes on and still puts a bad candidate's traffic back."},
		{"resume", "Go on after a pause", "Stage time goes on from where it stood."},
		{"approve", "Agree to what waits for approval", "Taken only while the rollout waits for it. With `approvers`, that many different people must."},
		{"override", "Go on without environments that the plan requires", "For when it cannot wait: with a `reason`, which the trail keeps with what was missing. Taken only while something is. What goes wrong there afterwards holds the rollout again."},
		{"abort", "Put all traffic back on stable", "Works in every phase that is not final, in one step."},
		{"undo", "Return to the version that was stable before", "One swap, as long as that version is kept. An unfinished rollout is aborted."},
		{"retry", "Start the same plan again", "Makes a new rollout, whose id is in the answer."},
	}
}

func (a *API) registerRollouts() {
	register(a, route{
		method: http.MethodGet, path: "/v1/rollouts", role: Viewer, id: "list-rollouts", tag: "rollouts",
		summary: "List rollouts", description: "Newest first, without plan, rules and history.",
	}, a.listRollouts)
	register(a, route{
		method: http.MethodPost, path: "/v1/rollouts", role: Operator, id: "start-rollout", tag: "rollouts", status: http.StatusCreated,
		summary: "Start a rollout",
		description: "Takes a Rollout document as JSON or YAML. Only one planned rollout of a service is in force: a second is refused (409), waits or takes its place, as its `concurrency` says. " +
			"`version` brings a new version along.",
		body: a.documentBody("Rollout", configs.Rollout{}),
	}, a.startRollout)
	register(a, route{
		method: http.MethodGet, path: "/v1/rollouts/{id}", role: Viewer, id: "get-rollout", tag: "rollouts",
		summary: "Read a rollout", description: "With its plan, rules, cuts and history.",
	}, a.getRollout)
	register(a, route{
		method: http.MethodGet, path: "/v1/rollouts/{id}/why", role: Viewer, id: "why-rollout", tag: "rollouts",
		summary: "Explain a rollout", description: "Each rule with counts, rates, limit, evidence, threshold and path; what was done, when and by whom.",
	}, a.whyRollout)
	for _, v := range verbs() {
		register(a, route{
			method: http.MethodPost, path: "/v1/rollouts/{id}/" + v.name, role: Operator, id: v.name + "-rollout", tag: "rollouts",
			summary: v.summary, description: v.description,
			body: &huma.RequestBody{Content: map[string]*huma.MediaType{"application/json": {Schema: a.schema(actBody{}, "Act")}}},
		}, a.act(v.name))
	}
}

type rolloutFilter struct {
	Service string        `query:"service" doc:"Only this service's"`
	Phase   rollout.Phase `query:"phase" enum:"queued,pending,progressing,paused,baking,succeeded,rolled_back,aborted,failed,superseded" doc:"Only in this phase"`
	Limit   int           `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most"`
}

type rollouts struct {
	Body []Rollout
}

func (a *API) listRollouts(_ context.Context, in *rolloutFilter) (*rollouts, error) {
	v := a.Control.View()
	out := &rollouts{Body: []Rollout{}}
	for _, r := range v.Rollouts {
		s := &r.State
		if in.Service != "" && s.Service != in.Service || in.Phase != "" && s.Phase != in.Phase {
			continue
		}
		if len(out.Body) == in.Limit {
			break
		}
		out.Body = append(out.Body, summaryOf(r))
	}
	return out, nil
}

type startRollout struct {
	DryRun      bool   `query:"dry_run" doc:"Start nothing; say what would be done, and what each stage needs"`
	ReadyOnly   bool   `query:"ready_only" doc:"Refuse (409) what would have to wait for an environment that it requires, or for the end of a freeze"`
	ContentType string `header:"Content-Type" hidden:"true"`
	RawBody     []byte
}

func (a *API) startRollout(ctx context.Context, in *startRollout) (*changed, error) {
	plan, err := decodeRollout(in.ContentType, in.RawBody)
	if err != nil {
		return nil, err
	}
	reply, err := a.do(ctx, control.StartRollout{Plan: *plan, DryRun: in.DryRun, ReadyOnly: in.ReadyOnly, Actor: actorOf(ctx)})
	if err != nil {
		return nil, err
	}
	reply.Created = !in.DryRun
	reply.Warnings = slices.Concat(reply.Warnings, a.unproven(plan), a.Control.CheckPlan(plan))
	return changedOf(reply, "/v1/rollouts/"+reply.ID), nil
}

// unproven warns that nobody proves who approves: with no tokens an approver is
// whoever X-Weir-Actor says.
func (a *API) unproven(plan *configs.Rollout) []string {
	if a.Tokens != nil || plan.Approvers < 2 {
		return nil
	}
	return []string{fmt.Sprintf("no tokens are in use, so %d different people are whoever they say they are (X-Weir-Actor); set control.tokens", plan.Approvers)}
}

// RolloutID is the path of a rollout.
type RolloutID struct {
	ID string `path:"id" doc:"Id of the rollout, or the name of its service (flag:NAME of a flag): then it is the one in force, else the newest"`
}

type oneRollout struct {
	ETag string `header:"ETag"`
	Body Rollout
}

type getRollout struct {
	RolloutID
	Freshness
}

func (a *API) getRollout(ctx context.Context, in *getRollout) (*oneRollout, error) {
	if err := a.fresh(ctx, in.Freshness); err != nil {
		return nil, err
	}
	v, err := a.rollout(in.ID)
	if err != nil {
		return nil, err
	}
	return &oneRollout{ETag: etag(v.ModRevision), Body: rolloutOf(v)}, nil
}

// rollout finds a rollout by its id, or by the name of its service.
func (a *API) rollout(id string) (*control.RolloutView, error) {
	view := a.Control.View()
	if v, ok := view.Rollout(id); ok {
		return v, nil
	}
	var newest *control.RolloutView
	for _, v := range view.Rollouts { // the newest first
		if v.State.Service != id {
			continue
		}
		if v.InForce {
			return v, nil
		}
		if newest == nil {
			newest = v
		}
	}
	if newest == nil {
		return nil, problem(http.StatusNotFound, "GET /v1/rollouts lists what there is", "there is no rollout %q, nor one of a service of that name", id)
	}
	return newest, nil
}

// actedOn is the rollout that a verb is for. By the name of a service a node that
// lags would take the one before: it looks once more unless one is in force, so that
// an abort of that one waits for nothing.
func (a *API) actedOn(ctx context.Context, id string) (*control.RolloutView, error) {
	v, err := a.rollout(id)
	if err == nil && (v.State.ID == id || v.InForce) {
		return v, nil
	}
	if err := a.Control.CatchUp(ctx); err != nil {
		return nil, err
	}
	return a.rollout(id)
}

type why struct {
	ETag string `header:"ETag"`
	Body Why
}

func (a *API) whyRollout(ctx context.Context, in *RolloutID) (*why, error) {
	v, err := a.rollout(in.ID)
	if err != nil {
		return nil, err
	}
	recording, err := a.Control.Recording(ctx, v.State.ID)
	if err != nil {
		return nil, err
	}
	return &why{ETag: etag(v.ModRevision), Body: whyOf(v, recording)}, nil
}

type act struct {
	RolloutID
	Conditions
	RawBody []byte
}

type actBody struct {
	Reason string `json:"reason,omitempty" maxLength:"500" doc:"Shown in the history"`
	Full   bool   `json:"full,omitempty" doc:"promote: to 100 % at once"`
}

// act answers a verb. Abort ignores preconditions: a stale page must not keep
// anybody from putting the traffic back.
func (a *API) act(name string) func(context.Context, *act) (*changed, error) {
	return func(ctx context.Context, in *act) (*changed, error) {
		v, err := a.actedOn(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		body, err := decodeAct(in.RawBody, name)
		if err != nil {
			return nil, err
		}
		cmd := control.Act{ID: v.State.ID, Verb: name, Reason: body.Reason, Full: body.Full, Actor: actorOf(ctx)}
		if name != "abort" {
			if cmd.IfMatch, err = in.revision(v.ModRevision); err != nil {
				return nil, err
			}
			if cmd.IfMatch == absentRevision {
				return nil, problem(http.StatusPreconditionFailed, "use If-Match", "rollout %q exists", v.State.ID)
			}
		}
		reply, err := a.do(ctx, cmd)
		if err != nil {
			return nil, withAllowed(err, v.State.Allowed())
		}
		return changedOf(reply, "/v1/rollouts/"+reply.ID), nil
	}
}

// decodeAct reads the body of a verb, which may be left out.
func decodeAct(data []byte, name string) (actBody, error) {
	var body actBody
	if len(bytes.TrimSpace(data)) == 0 {
		return body, nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil {
		return body, problem(http.StatusUnprocessableEntity, `write {"reason": "…"}, or send no body`, "cannot read the body: %v", err)
	}
	if len(body.Reason) > maxReason {
		return body, problem(http.StatusUnprocessableEntity, "say it shorter", "the reason has %d bytes; at most %d are kept", len(body.Reason), maxReason)
	}
	if body.Full && name != "promote" {
		return body, problem(http.StatusUnprocessableEntity, "leave it out", "`full` belongs to promote, not to %s", name)
	}
	return body, nil
}

// maxReason bounds what a person may write into the history.
const maxReason = 500

// withAllowed adds the verbs to a conflict that names none.
func withAllowed(err error, allowed []string) error {
	p := problemOf(err)
	if p.Status != http.StatusConflict || len(p.Allowed) > 0 {
		return err
	}
	p.Allowed = slices.Clone(allowed)
	return p
}
