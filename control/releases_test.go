package control

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/release"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

func TestRelease_FollowsItsRollout(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ann"})
	l.do(ApplyRelease{Document: configs.Release{Application: "shop", Version: "v1.5.0", Tasks: []configs.Task{{ID: "SHOP-12"}}}, Actor: "ci"})
	place := func() release.TaskPlace {
		tasks := l.View().Board().Tasks("shop")
		if len(tasks) != 1 {
			t.Fatalf("tasks are %+v", tasks)
		}
		return tasks[0].Environments["production"]
	}
	if p := place(); p.State != release.TaskMerged {
		t.Errorf("the task is %s before its release", p.State)
	}
	l.do(ReportDeployment{Deployment: release.Deployment{Application: "shop", Environment: "staging", Version: "v1.5.0", State: release.Live}, Actor: "ci"})

	stop := l.traffic(200, func(string) bool { return false })
	defer stop()
	plan := canary(stage(500, time.Hour), stage(10_000, 100*time.Millisecond))
	plan.Release, plan.Meta = "v1.5.0", map[string]string{"by": "sarah", "via": "GitHub Actions"}
	id := l.do(StartRollout{Plan: plan, Actor: "ci"}).ID
	l.until("some users have it", func() bool { p := place(); return p.State == release.TaskDeploying && p.Weight == 500 })
	l.do(Act{ID: id, Verb: "abort", Actor: "ann"})
	l.until("it was put back", func() bool { return place().State == release.TaskRolledBack })
	id = l.do(Act{ID: id, Verb: "retry", Actor: "ann"}).ID
	l.do(Act{ID: id, Verb: "promote", Full: true, Actor: "ann"})
	l.until("all users have it", func() bool { return l.phase(id) == rollout.Succeeded && place().State == release.TaskLive })

	board := l.View().Board()
	environments := board.Environments("shop")
	if len(environments) != 2 || environments[0].Name != "staging" || environments[1].Version != "v1.5.0" || environments[1].Last.By != "sarah" {
		t.Errorf("environments: %+v", environments)
	}
	m := board.Metrics("shop", "production", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	if m.Deployments != 1 || m.Failures != 1 || m.FailureRate != .5 {
		t.Errorf("figures: %+v", m)
	}
	if pending := board.Pending("shop", "production"); len(pending) != 0 {
		t.Errorf("pending: %v", pending)
	}
}

func TestDeployment_IsReportedAtItsBeginAndItsEnd(t *testing.T) {
	l := newLab(t)
	d := release.Deployment{Application: "shop", Environment: "staging", Version: "v2", State: release.Deploying, Link: "https://ci.example.com/7"}
	id := l.do(ReportDeployment{Deployment: d, Actor: "ci"}).ID
	only := func() release.Deployment {
		t.Helper()
		l.until("the report is seen", func() bool { return len(l.View().Deployments) == 1 })
		return l.View().Deployments[0]
	}
	if got := only(); got.By != "ci" || got.StartedAt.IsZero() || !got.EndedAt.IsZero() {
		t.Errorf("%+v", got)
	}
	began := only().StartedAt
	d.ID, d.State, d.Reason = id, release.Failed, "smoke test"
	l.do(ReportDeployment{Deployment: d, Actor: "ci"})
	l.until("it has ended", func() bool { return only().State == release.Failed })
	if got := only(); !got.StartedAt.Equal(began) || got.EndedAt.Before(began) || got.Reason != "smoke test" {
		t.Errorf("%+v", got)
	}
	ended := only().EndedAt
	d.Reason = ""
	l.do(ReportDeployment{Deployment: d, Actor: "another job"}) // tells it again
	if got := only(); !got.EndedAt.Equal(ended) || got.By != "ci" || got.Link != d.Link || got.Reason != "smoke test" {
		t.Errorf("told twice it is %+v", got)
	}
	d.Link = ""
	d.ID = "no-such"
	if e := l.refused(ReportDeployment{Deployment: d, Actor: "nobody"}); e.Kind != NotFound {
		t.Errorf("%+v", e)
	}
	d.ID, d.Version = id, "v3"
	if e := l.refused(ReportDeployment{Deployment: d, Actor: "nobody"}); e.Kind != Conflict || !strings.Contains(e.Text, "v2") {
		t.Errorf("%+v", e)
	}
	d.ID, d.StartedAt = "", time.Now().Add(time.Hour)
	if e := l.refused(ReportDeployment{Deployment: d, Actor: "nobody"}); e.Kind != Invalid {
		t.Errorf("%+v", e)
	}
	d.State = release.Deploying
	if e := l.refused(ReportDeployment{Deployment: d, Actor: "nobody"}); e.Kind != Invalid || !strings.Contains(e.Text, "future") {
		t.Errorf("%+v", e)
	}
	d.StartedAt, d.EndedAt = began, began.Add(time.Second)
	if e := l.refused(ReportDeployment{Deployment: d, Actor: "nobody"}); e.Kind != Invalid || !strings.Contains(e.Text, "deploying") {
		t.Errorf("%+v", e)
	}
}

// A release that is written again, to mend a link say, is not a newer one.
func TestRelease_KeepsItsPlaceWhenItIsWrittenAgain(t *testing.T) {
	l := newLab(t)
	first := configs.Release{Application: "shop", Version: "v1"}
	l.do(ApplyRelease{Document: first, Actor: "ci"})
	l.do(ApplyRelease{Document: configs.Release{Application: "shop", Version: "v2"}, Actor: "ci"})
	first.Link = "https://ci.example.com/1"
	l.do(ApplyRelease{Document: first, Actor: "ci"})
	l.until("it was written again", func() bool { r, ok := l.View().Release("shop", "v1"); return ok && r.Document.Link != "" })
	if all := l.View().Board().ReleasesOf("shop"); len(all) != 2 || all[0].Version != "v1" {
		t.Errorf("the releases are %+v", all)
	}
}

// What a rollout was as a deployment outlives it, and is told once while both are there.
func TestDeployment_OutlivesItsRollout(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ann"})
	plan := canary(stage(500, time.Hour))
	plan.Release = "v1.5.0"
	id := l.do(StartRollout{Plan: plan, Actor: "ci"}).ID
	l.until("users have it", func() bool { return l.rollout(id).State.Weights["green"] == 500 })
	l.do(Act{ID: id, Verb: "abort", Actor: "ann"})
	l.until("it was put back", func() bool { return l.phase(id) == rollout.Aborted })

	v := *l.View()
	s, _ := v.Service("shop")
	state := l.rollout(id).State
	d, _ := release.FromRollout(&state, &s.Document)
	v.Deployments = []release.Deployment{d}
	if all := v.Board().Deployments; len(all) != 1 || all[0].State != release.Aborted {
		t.Errorf("while both are there: %+v", all)
	}
	v.Rollouts = nil
	if all := v.Board().Deployments; len(all) != 1 || all[0].Version != "v1.5.0" || all[0].Rollout != id {
		t.Errorf("of the rollout is left: %+v", all)
	}
}

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func TestPrune_KeepsWhatEnvironmentsAreOn(t *testing.T) {
	m := newMirror()
	for i := range keepDeployments + 10 {
		d := release.Deployment{ID: fmt.Sprint(i), Application: "shop", Environment: "production", State: release.Live, StartedAt: noon.Add(time.Duration(i) * time.Second)}
		if i == 3 {
			d.Environment = "staging"
		}
		m.deploys[d.ID] = entry[release.Deployment]{value: d}
	}
	if ops := m.pruneDeployments(); len(ops) != 9 {
		t.Errorf("%d are deleted", len(ops))
	}
	if since := m.listShipped().since; !since.Equal(noon.Add(10 * time.Second)) {
		t.Errorf("all are known since %s", since)
	}
}

func TestPrune_KeepsReleasesThatEnvironmentsAreOn(t *testing.T) {
	m := newMirror()
	for i := range keepReleases + 3 {
		d := configs.Release{Application: "shop", Version: fmt.Sprint("v", i)}
		m.releases[d.Name()] = entry[configs.Release]{value: d, made: int64(i + 1)}
	}
	m.deploys["d"] = entry[release.Deployment]{value: release.Deployment{ID: "d", Application: "shop", Environment: "staging", Version: "v1", State: release.Live, StartedAt: noon, EndedAt: noon}}
	want := []store.Op{store.Delete(store.Releases + "shop/v0"), store.Delete(store.Releases + "shop/v2")}
	if ops := m.pruneReleases(); !reflect.DeepEqual(ops, want) {
		t.Errorf("%+v", ops)
	}
}

func TestPrune_LeavesTheDeploymentOfARollout(t *testing.T) {
	c := &Controller{mirror: newMirror()}
	for i := range keepRollouts + 2 {
		r := rollout.State{ID: fmt.Sprint(i), Service: "shop", Strategy: configs.StrategyCanary, To: "green", Phase: rollout.Succeeded, StartedAt: noon.Add(time.Duration(i) * time.Second)}
		if i == 0 {
			r.Strategy = configs.StrategyManual
		}
		c.mirror.rollouts[r.ID] = entry[rollout.State]{value: r}
	}
	if ops := c.pruneRollouts(); len(ops) != 3 {
		t.Errorf("%d writes for two rollouts, one of which was by hand", len(ops))
	}
}
