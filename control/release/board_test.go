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
	f("the next try waits", "T-1: staging live production live; T-2: staging live production rolled_back; T-3: staging merged production rolled_back",
		append(first, deployed("production", "v3", RolledBack, 21, 22), deployed("production", "v3", Waiting, 30, 0))...)
	f("the next try failed before a user met it", "T-1: staging live production live; T-2: staging live production rolled_back; T-3: staging merged production rolled_back",
		append(first, deployed("production", "v3", RolledBack, 21, 22), deployed("production", "v3", Failed, 30, 31))...)
	f("it waits", "T-1: staging live production live; T-2: staging live production merged; T-3: staging merged production merged",
		append(first, deployed("production", "v3", Waiting, 21, 0))...)

	in.Running = []Running{{Application: "shop", Environment: "production", Service: "shop", Version: "v2"}}
	b = f("somebody put back what was deployed", "T-1: staging live production live; T-2: staging live production live; T-3: staging merged production merged", first...)
	if e := b.Environments("shop"); len(e) != 2 || e[1].Name != "production" || e[1].Version != "v2" || !e[1].Since.IsZero() {
		t.Errorf("environments: %+v", e)
	}
}

func TestBoard_MetricsCountWhatUsersMet(t *testing.T) {
	in := Input{
		Releases: []configs.Release{cut("v1", "T-1", 0, 2), cut("v2", "T-2", 10, 4), cut("v3", "T-3", 20, 1)},
		Deployments: []Deployment{
			deployed("staging", "v3", Live, 21, 22),
			deployed("production", "v1", Live, 1, 2),         // made at -2: lead time 4 h
			deployed("production", "v2", Failed, 11, 12),     // nobody met it
			deployed("production", "v2", RolledBack, 12, 13), // restored in 1 h
			deployed("production", "v3", Live, 21, 24),       // brings v2, made at 6: 18 h, and v3, made at 19: 5 h
			deployed("production", "v3", Aborted, 200, 203),  // outside of the week
		},
	}
	b := NewBoard(in)
	m := b.Metrics("shop", "production", noon, noon.Add(7*24*time.Hour))
	if m.Deployments != 2 || m.PerWeek != 2 || m.Failures != 1 || m.FailureRate < .333 || m.FailureRate > .334 {
		t.Errorf("%+v", m)
	}
	if m.LeadTime != 5*3600 || m.Restore != 3600 {
		t.Errorf("lead time %v s, restored in %v s", m.LeadTime, m.Restore)
	}
	in.Deployments[3].MetAt = noon.Add(12*time.Hour + 45*time.Minute) // it waited for staging until then
	if m := NewBoard(in).Metrics("shop", "production", noon, noon.Add(7*24*time.Hour)); m.Restore != 15*60 {
		t.Errorf("users met it for 15 minutes, not for %v s", m.Restore)
	}
	if empty := b.Metrics("shop", "production", noon.Add(-time.Hour), noon); empty.Deployments != 0 || empty.FailureRate != 0 || empty.LeadTime != 0 {
		t.Errorf("of a time without deployments: %+v", empty)
	}
}

// branch is a release that was made from another one.
func branch(version, previous, task string, hours float64) configs.Release {
	r := cut(version, task, hours, 1)
	r.Previous = previous
	return r
}

func versions(releases []configs.Release) string {
	var out []string
	for _, r := range releases {
		out = append(out, r.Version)
	}
	return strings.Join(out, " ")
}

// A fix for what production runs is cut after the next release is in staging.
func TestBoard_AFixForAnOlderReleaseHasNothingOfTheNewerOne(t *testing.T) {
	in := Input{Releases: []configs.Release{
		cut("v1.4", "T-1", 0, 2), branch("v1.5", "v1.4", "T-2", 10), branch("v1.4.1", "v1.4", "FIX-1", 20),
	}}
	f := func(want, pending string, deployments ...Deployment) {
		t.Helper()
		in.Deployments = deployments
		b := NewBoard(in)
		if got := places(b); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		if got := versions(b.Pending("shop", "production")); got != pending {
			t.Errorf("pending is %q, want %q", got, pending)
		}
	}
	history := []Deployment{deployed("production", "v1.4", Live, 1, 2), deployed("production", "v1.4.1", Live, 21, 22)}
	f("T-1: production live; T-2: production merged; FIX-1: production live", "v1.5", history...)
	history = append(history, deployed("production", "v1.5", Live, 30, 31))
	f("T-1: production live; T-2: production live; FIX-1: production merged", "", history...)

	in.Releases[1].Tasks = append(in.Releases[1].Tasks, configs.Task{ID: "FIX-1"}) // the fix was merged there, too
	f("T-1: production live; T-2: production live; FIX-1: production live", "", history...)
	history = append(history, deployed("production", "v1.4", Live, 40, 41))
	f("T-1: production live; T-2: production merged; FIX-1: production merged", "v1.5", history...)

	in.Releases = []configs.Release{branch("a", "b", "T-1", 0), branch("b", "a", "T-2", 1)}
	f("T-1: production live; T-2: production live", "", deployed("production", "a", Live, 2, 3))
}

// Releases that nobody dated stand where they were applied.
func TestBoard_UndatedReleasesKeepTheirPlace(t *testing.T) {
	undated := func(version string) configs.Release { return configs.Release{Application: "shop", Version: version} }
	b := NewBoard(Input{Releases: []configs.Release{undated("v0"), cut("v2", "T", 20, 1), undated("v3"), cut("v1", "T", 10, 1)}})
	if got := versions(b.ReleasesOf("shop")); got != "v0 v1 v2 v3" {
		t.Errorf("the releases are %s", got)
	}
}

func TestBoard_ServicesOfOneEnvironmentAreOnWhatAllOfThemHave(t *testing.T) {
	in := Input{Releases: []configs.Release{cut("v1", "T-1", 0, 2), cut("v2", "T-2", 10, 4)}}
	for _, order := range [][]string{{"v1", "v2", "blue"}, {"blue", "v2", "v1"}, {"v2", "v1", "v2"}} {
		in.Running = nil
		for i, version := range order {
			in.Running = append(in.Running, Running{Application: "shop", Environment: "production", Service: fmt.Sprint(i), Version: version})
		}
		if e := NewBoard(in).Environments("shop"); len(e) != 1 || e[0].Version != "v1" {
			t.Errorf("with services on %v production is on %+v", order, e)
		}
	}
}

func TestBoard_GoingBackIsAFailureAndNoDeployment(t *testing.T) {
	in := Input{
		Releases: []configs.Release{cut("v1", "T-1", 0, 2), cut("v2", "T-2", 10, 4)},
		Deployments: []Deployment{
			deployed("production", "v1", Live, 1, 2),
			deployed("production", "v2", Live, 11, 12), // lead time 6 h
			deployed("production", "v1", Live, 15, 16), // v2 was bad for 5 h
		},
	}
	week := noon.Add(7 * 24 * time.Hour)
	m := NewBoard(in).Metrics("shop", "production", noon, week)
	if m.Deployments != 2 || m.Failures != 1 || m.FailureRate != .5 || m.Restore != 5*3600 || m.LeadTime != 5*3600 {
		t.Errorf("%+v", m)
	}
	if m = NewBoard(in).Metrics("shop", "production", at(14), week); m.Deployments != 0 || m.Failures != 1 || m.FailureRate != 1 {
		t.Errorf("of the time after it was live: %+v", m)
	}

	// Of deployments that are not kept nobody knows what they brought.
	in.Deployments, in.Complete = in.Deployments[1:2], at(11)
	if m = NewBoard(in).Metrics("shop", "production", noon, week); m.LeadTime != 6*3600 || m.Deployments != 1 || !m.From.Equal(at(11)) || m.PerWeek <= 1 {
		t.Errorf("with the older ones forgotten: %+v", m)
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
	r.Phase = rollout.Aborted
	if d, _ := FromRollout(r, doc); d.State != Failed {
		t.Errorf("aborted before a user met it is %s", d.State)
	}
	r.History = []rollout.Transition{
		{At: noon, Weights: map[string]configs.Weight{"blue": configs.Whole}},
		{At: noon.Add(time.Hour), Weights: map[string]configs.Weight{"blue": 9900, "green": 100}}, {Weights: map[string]configs.Weight{"blue": configs.Whole}},
	}
	if d, _ := FromRollout(r, doc); !d.MetAt.Equal(noon.Add(time.Hour)) {
		t.Errorf("its first users met it at %s", d.MetAt)
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

// BenchmarkNewBoard is what an answer about releases costs where as much is known as is kept.
func BenchmarkNewBoard(b *testing.B) {
	var in Input
	for i := range 2000 {
		r := cut(fmt.Sprint("v", i), fmt.Sprint("TT-", i), float64(i), 1)
		r.Application = fmt.Sprint("app", i%20)
		in.Releases = append(in.Releases, r)
	}
	for i := range 6000 {
		d := deployed("production", fmt.Sprint("v", i/3), Live, float64(i/3), float64(i/3)+1)
		d.Application = fmt.Sprint("app", i/3%20)
		in.Deployments = append(in.Deployments, d)
	}
	b.ReportAllocs()
	for b.Loop() {
		board := NewBoard(in)
		board.Tasks("app1")
		board.Pending("app1", "production")
		board.Metrics("app1", "production", noon, noon.Add(24*90*time.Hour))
	}
}
