package control

import (
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/release"
	"github.com/weirproxy/weir/control/rollout"
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
	d := release.Deployment{Application: "shop", Environment: "staging", Version: "v2", State: release.Deploying}
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
}
