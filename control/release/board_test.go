package release

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func at(hours float64) time.Time { return noon.Add(time.Duration(hours * float64(time.Hour))) }

// cut is a release with one task and one change that was made before it.
func cut(version, task string, hours, madeBefore float64) configs.Release {
	return configs.Release{
		Application: "shop", Version: version, At: at(hours).Format(time.RFC3339), Tasks: []configs.Task{{ID: task}},
		Changes: []configs.Change{{Text: "x", At: at(hours - madeBefore).Format(time.RFC3339)}},
	}
}

func deployed(environment, version string, state State, from, to float64) Deployment {
	d := Deployment{
		ID: fmt.Sprint(environment, version, from), Application: "shop", Environment: environment, Version: version, State: state, StartedAt: at(from),
	}
	if state.Final() {
		d.EndedAt = at(to)
	}
	return d
}

func places(b *Board) string {
	var out []string
	for _, t := range b.Tasks("shop") {
		line := t.ID + ":"
		for _, e := range b.Environments("shop") {
			p := t.Environments[e.Name]
			line += fmt.Sprintf(" %s %s", e.Name, p.State)
			if p.State == TaskDeploying {
				line += " " + p.Weight.String()
			}
		}
		out = append(out, line)
	}
	return strings.Join(out, "; ")
}

func TestBoard_TellsWhatIsWhere(t *testing.T) {
	in := Input{Releases: []configs.Release{cut("v1", "T-1", 0, 2), cut("v2", "T-2", 10, 4), cut("v3", "T-3", 20, 1)}}
	f := func(name string, want string, deployments ...Deployment) *Board {
		t.Helper()
		in.Deployments = deployments
		b := NewBoard(in)
		if got := places(b); got != want {
			t.Errorf("%s: %s\nwant %s", name, got, want)
		}
		return b
	}
	b := f("nothing is deployed", "T-1:; T-2:; T-3:")
	if n := len(b.Pending("shop", "production")); n != 3 {
		t.Errorf("%d releases are pending", n)
	}
	first := []Deployment{deployed("staging", "v2", Live, 11, 11.5), deployed("production", "v1", Live, 1, 2)}
	b = f("staging is ahead", "T-1: staging live production live; T-2: staging live production merged; T-3: staging merged production merged", first...)
	if p := b.Pending("shop", "production"); len(p) != 2 || p[0].Version != "v2" {
		t.Errorf("pending: %v", p)
	}
	canary := deployed("production", "v3", Deploying, 21, 0)
	canary.Weight = 500
	f("a canary skips a release", "T-1: staging live production live; T-2: staging live production deploying 5%; T-3: staging merged production deploying 5%", append(first, canary)...)
	f("it is put back", "T-1: staging live production live; T-2: staging live production rolled_back; T-3: staging merged production rolled_back",
		append(first, deployed("production", "v3", RolledBack, 21, 22))...)
	f("the next try succeeds", "T-1: staging live production live; T-2: staging live production live; T-3: staging merged production live",
		append(first, deployed("production", "v3", RolledBack, 21, 22), deployed("production", "v3", Live, 30, 31))...)
	f("it waits", "T-1: staging live production live; T-2: staging live production merged; T-3: staging merged production merged",
		append(first, deployed("production", "v3", Waiting, 21, 0))...)

	in.Running = []Running{{"shop", "production", "shop", "v2"}}
	b = f("somebody put back what was deployed", "T-1: staging live production live; T-2: staging live production live; T-3: staging merged production merged", first...)
	if e := b.Environments("shop"); len(e) != 2 || e[1].Name != "production" || e[1].Version != "v2" || !e[1].Since.IsZero() {
		t.Errorf("environments: %+v", e)
	}
}

func TestBoard_MetricsCountWhatUsersMet(t *testing.T) {
	b := NewBoard(Input{
		Releases: []configs.Release{cut("v1", "T-1", 0, 2), cut("v2", "T-2", 10, 4), cut("v3", "T-3", 20, 1)},
		Deployments: []Deployment{
			deployed("staging", "v3", Live, 21, 22),
			deployed("production", "v1", Live, 1, 2),         // made at -2: lead time 4 h
			deployed("production", "v2", Failed, 11, 12),     // nobody met it
			deployed("production", "v2", RolledBack, 12, 13), // restored in 1 h
			deployed("production", "v3", Live, 21, 24),       // brings v2, made at 6: 18 h, and v3, made at 19: 5 h
			deployed("production", "v3", Aborted, 200, 203),  // outside of the week
		},
	})
	m := b.Metrics("shop", "production", noon, noon.Add(7*24*time.Hour))
	if m.Deployments != 2 || m.PerWeek != 2 || m.Failures != 1 || m.FailureRate < .333 || m.FailureRate > .334 {
		t.Errorf("%+v", m)
	}
	if m.LeadTime != 5*3600 || m.Restore != 3600 {
		t.Errorf("lead time %v s, restored in %v s", m.LeadTime, m.Restore)
	}
	if empty := b.Metrics("shop", "production", noon.Add(-time.Hour), noon); empty.Deployments != 0 || empty.FailureRate != 0 || empty.LeadTime != 0 {
		t.Errorf("of a time without deployments: %+v", empty)
	}
}

func TestFromRollout_CountsWhatPeopleCount(t *testing.T) {
	doc := &configs.Service{Name: "shop-eu", Application: "shop", Environment: "staging"}
	r := &rollout.State{
		ID: "r1", Service: "shop-eu", Strategy: configs.StrategyCanary, From: "blue", To: "green", Phase: rollout.Progressing, Actor: "ci",
		Weights: map[string]configs.Weight{"green": 500}, StartedAt: noon, Plan: configs.Rollout{Release: "v2", Meta: map[string]string{"by": "ana", "via": "GitLab"}},
	}
	d, ok := FromRollout(r, doc)
	if !ok || d.Application != "shop" || d.Environment != "staging" || d.Version != "v2" || d.State != Deploying || d.Weight != 500 || d.By != "ana" || d.Via != "GitLab" {
		t.Errorf("%+v %v", d, ok)
	}
	for phase, want := range map[rollout.Phase]State{
		rollout.Queued: Waiting, rollout.Pending: Waiting, rollout.Baking: Deploying, rollout.Paused: Deploying, rollout.Succeeded: Live,
		rollout.RolledBack: RolledBack, rollout.Aborted: Aborted, rollout.Failed: Failed, rollout.Superseded: Superseded,
	} {
		r.Phase = phase
		if d, _ := FromRollout(r, doc); d.State != want {
			t.Errorf("%s is %s, want %s", phase, d.State, want)
		}
	}
	r.Strategy, r.Plan.Release = configs.StrategyManual, ""
	if _, ok := FromRollout(r, doc); ok {
		t.Error("weights by hand are a deployment")
	}
}
