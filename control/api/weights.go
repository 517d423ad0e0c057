package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
)

// appliedWait is how long ?wait=applied waits for the fleet.
const appliedWait = 10 * time.Second

func (a *API) registerWeights() {
	register(a, route{
		method: http.MethodGet, path: "/v1/services/{name}/weights", role: Viewer, id: "get-weights", tag: "weights",
		summary: "Read the weights", description: "Share of each version. The ETag is that of the service's state.",
	}, a.getWeights)
	register(a, route{
		method: http.MethodPut, path: "/v1/services/{name}/weights", role: Operator, id: "put-weights", tag: "weights",
		summary: "Move the weights by hand",
		description: "The weights add up to 100 %; a version left out gets none. The change is a rollout of strategy " +
			"`manual`, judged by the service's guard. While a planned rollout is in force it is refused (409) with the " +
			"verbs that are allowed. With wait=applied the answer comes when every live node has applied the change.",
		body: a.weightsBody("blue", "green"),
	}, a.putWeights)
}

// weightsBody describes a body that gives most to one and the rest to another.
func (a *API) weightsBody(most, rest string) *huma.RequestBody {
	return &huma.RequestBody{
		Required: true,
		Content: map[string]*huma.MediaType{"application/json": {
			Schema:  a.schema(map[string]configs.Weight{}, "Weights"),
			Example: map[string]string{most: "90%", rest: "10%"},
		}},
	}
}

type weights struct {
	ETag string `header:"ETag"`
	Body map[string]configs.Weight
}

func (a *API) getWeights(ctx context.Context, in *getOne) (*weights, error) {
	if err := a.fresh(ctx, in.Freshness); err != nil {
		return nil, err
	}
	v, err := a.service(in.Name)
	if err != nil {
		return nil, err
	}
	return &weights{ETag: etag(v.StateRevision), Body: inForce(v)}, nil
}

type putWeights struct {
	ServiceName
	WeightsMove
}

// WeightsMove is what moves weights, whatever they are of.
type WeightsMove struct {
	Conditions
	Wait    string `query:"wait" enum:"applied" doc:"Answer when every live node has applied the change"`
	RawBody []byte
}

func (a *API) putWeights(ctx context.Context, in *putWeights) (*changed, error) {
	v, err := surely(ctx, a, func() (*control.ServiceView, error) { return a.service(in.Name) })
	if err != nil {
		return nil, err
	}
	return a.moveWeights(ctx, in.Name, v.StateRevision, &in.WeightsMove)
}

// moveWeights moves the weights of a service, or of a flag by configs.FlagService.
func (a *API) moveWeights(ctx context.Context, service string, present int64, in *WeightsMove) (*changed, error) {
	wanted, err := decodeWeights(in.RawBody)
	if err != nil {
		return nil, problem(http.StatusUnprocessableEntity, `write {"blue": "90%", "green": "10%"}`, "cannot read the weights: %v", err)
	}
	match, err := in.revision(present)
	if err != nil {
		return nil, err
	}
	if match == absentRevision {
		return nil, problem(http.StatusPreconditionFailed, "use If-Match", "%q has weights already", service)
	}
	reply, err := a.do(ctx, control.SetWeights{Service: service, Weights: wanted, IfMatch: match, Actor: actorOf(ctx)})
	if err != nil {
		return nil, err
	}
	if in.Wait == "applied" && reply.Revision > 0 {
		if err := a.awaitApplied(ctx, reply.Revision); err != nil {
			return nil, err
		}
	}
	reply.Created = false // a weight is changed, even where that opened a rollout
	return changedOf(reply, ""), nil
}

func (a *API) awaitApplied(ctx context.Context, revision int64) error {
	ctx, cancel := context.WithTimeout(ctx, appliedWait)
	defer cancel()
	if err := a.Control.Applied(ctx, revision); err != nil {
		return problem(http.StatusGatewayTimeout, "the change stands; `weir get nodes` shows who lags",
			"revision %d was written, and not every node applied it within %s: %v", revision, appliedWait, err)
	}
	return nil
}

// decodeWeights reads {"<version>": "<percentage>"}. It is strict where
// encoding/json is not: a version named twice is refused.
func decodeWeights(data []byte) (map[string]configs.Weight, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	open, err := d.Token()
	if err != nil || open != json.Delim('{') {
		return nil, errors.New("the body is not a JSON object")
	}
	out := make(map[string]configs.Weight)
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := key.(string)
		value, err := d.Token()
		if err != nil {
			return nil, err
		}
		text, ok := value.(string)
		if !ok {
			return nil, fmt.Errorf("the weight of %q is %v, not a percentage in quotes", name, value)
		}
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("version %q is there twice", name)
		}
		var w configs.Weight
		if err := w.UnmarshalText([]byte(text)); err != nil {
			return nil, fmt.Errorf("the weight of %q: %w", name, err)
		}
		out[name] = w
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("the object does not end")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	return out, nil
}
