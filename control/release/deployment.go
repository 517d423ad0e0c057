// Package release knows what shipped where: it folds releases, rollouts and
// reported deployments into what each environment runs, which tasks are live, what
// is pending, and how well a team deploys. It is pure.
package release

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
)

// State is how a deployment went.
type State string

// States of a deployment. The last five are final.
const (
	Waiting    State = "waiting"     // accepted, no user has met it
	Deploying  State = "deploying"   // a part of the users is on it
	Live       State = "live"        // all users are on it, or were until the next one
	RolledBack State = "rolled_back" // put back by weir
	Aborted    State = "aborted"     // put back by a person
	Failed     State = "failed"      // ended before a user met it
	Superseded State = "superseded"  // another one took its place
)

// Final reports whether a deployment is over.
func (s State) Final() bool { return s != Waiting && s != Deploying }

// States are all of them.
func States() []State {
	return []State{Waiting, Deploying, Live, RolledBack, Aborted, Failed, Superseded}
}

// Deployment is one attempt to bring a version into an environment: a rollout, or
// what another system reported. It is the JSON of deployments/<id> and of the API.
type Deployment struct {
	ID          string         `json:"id"`
	Application string         `json:"application"`
	Environment string         `json:"environment"`
	Version     string         `json:"version" doc:"Of the application: the release that was deployed"`
	Service     string         `json:"service,omitempty" doc:"Of a rollout of weir's own"`
	Rollout     string         `json:"rollout,omitempty" doc:"Id of the rollout; empty: it was reported"`
	State       State          `json:"state" enum:"waiting,deploying,live,rolled_back,aborted,failed,superseded"`
	Weight      configs.Weight `json:"weight,omitempty" doc:"Share of the users that are on it while it is deploying"`
	By          string         `json:"by,omitempty" doc:"Who"`
	Via         string         `json:"via,omitempty" doc:"What with: a pipeline, say"`
	Link        string         `json:"link,omitempty" doc:"To the pipeline or its log"`
	Reason      string         `json:"reason,omitempty" doc:"Why it ended as it did"`
	StartedAt   time.Time      `json:"started_at"`
	MetAt       time.Time      `json:"met_at,omitzero" doc:"When its first users met it; absent: nobody has, or nobody said"`
	EndedAt     time.Time      `json:"ended_at,omitzero"`

	// Cluster forwarded it: what it says is that cluster's word. Seq tells which of
	// its words is the newer.
	Cluster string `json:"cluster,omitempty" doc:"That it happened in, of one that was forwarded; empty: this one"`
	Seq     int64  `json:"seq,omitempty" doc:"Of what that cluster said of it, rising"`
}

// String tells the deployment in one line.
func (d *Deployment) String() string {
	return fmt.Sprintf("%s %s in %s: %s", d.Application, d.Version, d.Environment, d.State)
}

// Took is how long the deployment took; 0: it is not over.
func (d *Deployment) Took() time.Duration {
	if d.EndedAt.IsZero() {
		return 0
	}
	return d.EndedAt.Sub(d.StartedAt)
}

// users is how long users could have been on it until at: since its start, if nobody
// said when they met it.
func (d *Deployment) users(at time.Time) time.Duration {
	if d.MetAt.IsZero() {
		return at.Sub(d.StartedAt)
	}
	return at.Sub(d.MetAt)
}

// FromRollout is a rollout of a service as a deployment. False: it is none that
// people count, such as weights by hand or a flag's.
func FromRollout(r *rollout.State, doc *configs.Service) (Deployment, bool) {
	if r.Strategy == configs.StrategyManual || r.Strategy == configs.StrategyFlag {
		return Deployment{}, false
	}
	at, met := metAt(r)
	d := Deployment{
		ID: r.ID, Application: cmp.Or(doc.Application, r.Service), Environment: cmp.Or(doc.Environment, DefaultEnvironment),
		Version: cmp.Or(r.Plan.Release, r.To), Service: r.Service, Rollout: r.ID,
		By: cmp.Or(r.Plan.Meta["by"], r.Actor), Via: r.Plan.Meta["via"], Link: r.Plan.Meta["pipeline"], Reason: r.Reason,
		StartedAt: r.StartedAt, MetAt: at, EndedAt: r.EndedAt,
	}
	switch r.Phase {
	case rollout.Queued, rollout.Pending:
		d.State = Waiting
	case rollout.Succeeded:
		d.State, d.Weight = Live, configs.Whole
	case rollout.RolledBack, rollout.Aborted:
		d.State = Failed
		if met {
			d.State = State(r.Phase)
		}
	case rollout.Failed:
		d.State = Failed
	case rollout.Superseded:
		d.State = Superseded
	default:
		if d.Weight = r.Weights[r.To]; d.Weight > 0 {
			d.State = Deploying
		} else {
			d.State = Waiting
		}
	}
	return d, true
}

// metAt is when users were first on the rollout's candidate. False: never.
func metAt(r *rollout.State) (time.Time, bool) {
	i := slices.IndexFunc(r.History, func(t rollout.Transition) bool { return t.Weights[r.To] > 0 })
	if i < 0 {
		return time.Time{}, false
	}
	return r.History[i].At, true
}

// DefaultEnvironment is that of services which name none.
const DefaultEnvironment = "production"
