package control

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/release"
	"github.com/weirproxy/weir/control/rollout"
)

// shopStaging is where the shop's releases prove themselves.
func shopStaging() configs.Service {
	doc := shop()
	doc.Name, doc.Application, doc.Environment = "shop-staging", "shop", "staging"
	doc.Routes = []configs.Route{{Host: "staging.example.com", Path: "/"}}
	return doc
}

// required is a plan of production that wants staging first.
func required(need time.Duration, stages ...configs.Stage) configs.Rollout {
	plan := canary(stages...)
	plan.Release = "v1.5"
	plan.Requires = []configs.Require{{Environment: "staging", For: configs.Duration(need)}}
	return plan
}

// missing waits until a rollout says that this alone is missing.
func (l *lab) missing(id, want string) {
	l.t.Helper()
	l.until("it says "+want, func() bool {
		all := l.rollout(id).Missing
		return len(all) == 1 && strings.HasPrefix(all[0], want) || len(all) == 0 && want == ""
	})
}

func TestRequires_ProductionWaitsForStaging(t *testing.T) {
	var clock wall
	l := &lab{t: t, dir: t.TempDir(), base: time.Now(), clock: clock.now}
	l.start()
	t.Cleanup(func() { l.stop() })
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	l.do(ApplyService{Document: shopStaging(), Actor: "ana"})
	plan := required(time.Hour, stage(1000, time.Hour))
	plan.Stages[0].Approval = "manual"

	if e := l.refused(StartRollout{Plan: plan, ReadyOnly: true, Actor: "ana"}); e.Kind != Conflict || !strings.Contains(e.Text, "v1.5 is not in staging: blue is") {
		t.Errorf("it is not ready, and yet: %+v", e)
	}
	r := l.do(StartRollout{Plan: plan, DryRun: true, Actor: "ana"})
	if !slices.Contains(r.Changes, "before the first user: v1.5 live in staging for 1h") || !slices.Contains(r.Warnings, "no stage begins meanwhile: v1.5 is not in staging: blue is") {
		t.Errorf("the dry run says %+v", r)
	}
	id := l.do(StartRollout{Plan: plan, Actor: "ana"}).ID
	l.until("all that is missing is said", func() bool {
		all := l.rollout(id).Missing
		return len(all) == 2 && strings.HasPrefix(all[0], "a person's approval is needed") && all[1] == "v1.5 is not in staging: blue is"
	})
	l.waits(id, rollout.WaitApproval)
	l.do(Act{ID: id, Verb: "approve", Actor: "bob"})
	l.waits(id, rollout.WaitEnvironment)
	l.measures(`weir_rollout_waiting{service="shop",rollout="` + id + `",for="environment"} 1`)

	staged := canary(stage(10_000, time.Hour))
	staged.Service, staged.Release = "shop-staging", "v1.5"
	before := l.do(StartRollout{Plan: staged, Actor: "ci"}).ID
	l.missing(id, "v1.5 is being deployed to staging")
	l.do(Act{ID: before, Verb: "promote", Full: true, Actor: "ci"})
	l.missing(id, "v1.5 has been live in staging for ")
	if e := l.refused(Act{ID: id, Verb: "promote", Actor: "ana"}); e.Kind != Conflict || !strings.Contains(e.Text, "v1.5 has been live in staging for ") {
		t.Errorf("a promote goes past staging: %+v", e)
	}

	clock.step(30 * time.Minute)
	l.missing(id, "v1.5 has been live in staging for 30m of 1h")
	l.stop() // another leader goes on from what is written
	l.start()
	l.missing(id, "v1.5 has been live in staging for 30m of 1h")
	clock.step(-2 * time.Hour)
	l.missing(id, "v1.5 has been live in staging for 0s of 1h")
	if l.phase(id) != rollout.Pending || l.picked("green") != 0 {
		t.Fatalf("it is %s", l.phase(id))
	}
	clock.step(2*time.Hour + 31*time.Minute)
	l.until("the first stage begins", func() bool { return l.picked("green") == 1000 })
}

func TestRequires_WhatIsPutBackInStagingHoldsProduction(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	id := l.do(ReportDeployment{Deployment: release.Deployment{Application: "shop", Environment: "staging", Version: "v1.5", State: release.Live}, Actor: "ci"}).ID
	plan := required(0, stage(1000, time.Hour), stage(2000, time.Hour))
	plan.Stages[0].Pause = true
	prod := l.do(StartRollout{Plan: plan, ReadyOnly: true, Actor: "ana"}).ID
	l.until("the first stage begins", func() bool { return l.picked("green") == 1000 })

	l.do(ReportDeployment{Deployment: release.Deployment{ID: id, Application: "shop", Environment: "staging", Version: "v1.5", State: release.RolledBack, Reason: "error rate 4%"}, Actor: "ci"})
	const back = "staging was put back from v1.5 at "
	e := l.refused(Act{ID: prod, Verb: "promote", Actor: "ana"})
	if e.Kind != Conflict || !strings.Contains(e.Text, back) || !strings.Contains(e.Text, "error rate 4%") {
		t.Errorf("it is promoted: %+v", e)
	}
	if e := l.refused(Act{ID: prod, Verb: "override", Actor: "ana"}); e.Kind != Invalid || !strings.Contains(e.Hint, "--reason") {
		t.Errorf("an override without a reason: %+v", e)
	}
	l.do(Act{ID: prod, Verb: "override", Reason: "staging has no disk", Actor: "ana"})
	l.do(Act{ID: prod, Verb: "promote", Actor: "ana"})
	l.until("the next stage begins", func() bool { return l.picked("green") == 2000 })

	entries, err := l.Audit(t.Context(), AuditQuery{Object: "rollouts/" + prod, Actor: "ana", Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	told := slices.ContainsFunc(entries, func(a AuditView) bool {
		return slices.ContainsFunc(a.Changes, func(c string) bool {
			return strings.HasPrefix(c, "overridden: nothing → "+back) && strings.HasSuffix(c, "by ana: staging has no disk")
		})
	})
	if !told {
		t.Errorf("the trail does not say what was overridden: %+v", entries)
	}
	l.do(Act{ID: prod, Verb: "abort", Actor: "ana"})
	l.until("all are back", func() bool { return l.picked("green") == 0 && l.phase(prod) == rollout.Aborted })
}

func TestRequires_AnEnvironmentWithoutAHealthyEndpointProvesNothing(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	ill := shopStaging()
	ill.Stable, ill.Health = "green", &configs.Health{Path: "/healthz"}
	ill.Versions = map[string]configs.Version{"green": {Endpoints: []string{"127.0.0.1:1"}}}
	l.do(ApplyService{Document: ill, Actor: "ana"})
	plan := required(0, stage(1000, time.Hour))
	plan.Release = ""
	id := l.do(StartRollout{Plan: plan, Actor: "ana"}).ID
	l.missing(id, "green has no healthy endpoint in staging")
	l.do(Act{ID: id, Verb: "abort", Actor: "ana"})
	l.until("the abort waits for nobody", func() bool { return l.phase(id) == rollout.Aborted })

	plan.Requires[0].Environment = "production"
	if e := l.refused(StartRollout{Plan: plan, Actor: "ana"}); e.Kind != Invalid || !strings.Contains(strings.Join(e.Problems, "\n"), "wait for its own end") {
		t.Errorf("it requires itself: %+v", e)
	}
}
