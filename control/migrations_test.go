package control

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/migration"
	"github.com/weirproxy/weir/control/release"
	"github.com/weirproxy/weir/control/rollout"
)

// migrated is what `weir migrate` says of a migration with two steps.
func migrated(name, phase string, state migration.State, done int, breaks ...string) TellMigration {
	return TellMigration{Actor: "ci", Told: migration.Record{
		Application: "shop", Environment: "production", Name: name, Phase: phase, State: state, Steps: 2, StepsDone: done, Breaks: breaks,
	}}
}

// wants fails unless a command is refused, with all of that said.
func (l *lab) wants(kind ErrorKind, cmd Command, all ...string) {
	l.t.Helper()
	e := l.refused(cmd)
	said := e.Error() + "\n" + strings.Join(e.Problems, "\n")
	for _, want := range all {
		if e.Kind != kind || !strings.Contains(said, want) {
			l.t.Errorf("%T is refused with kind %d, want %d and %q:\n%s", cmd, e.Kind, kind, want, said)
		}
	}
}

// timedLab is a lab whose wall clock can be set.
func timedLab(t *testing.T) (*lab, *wall) {
	t.Helper()
	clock := &wall{}
	l := &lab{t: t, dir: t.TempDir(), base: time.Now(), clock: clock.now}
	l.start()
	t.Cleanup(func() { l.stop() })
	return l, clock
}

func TestMigrations_ComeBeforeTheCodeThatNeedsThem(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ann"})
	l.do(ApplyRelease{Document: configs.Release{Application: "shop", Version: "v1.5", Migrations: []string{"email-expand"}}, Actor: "ci"})
	plan := canary(stage(500, time.Hour))
	plan.Release, plan.Migrations = "v1.5", []string{"index"}
	start := StartRollout{Plan: plan, Actor: "nobody"}
	l.wants(Conflict, start, `version "green" of service "shop" cannot have requests yet`, `"email-expand" was never told of in production`, `"index" was never told of`)

	l.do(migrated("email-expand", configs.PhaseExpand, migration.Running, 1))
	l.do(migrated("index", configs.PhaseExpand, migration.Done, 2))
	l.wants(Conflict, start, `"email-expand" (expand) is running in production, 1 of 2 steps are done: run `)
	elsewhere := migrated("email-expand", configs.PhaseExpand, migration.Done, 2)
	elsewhere.Told.Environment = "staging"
	l.do(elsewhere)
	l.wants(Conflict, start, "is running in production")

	if reply := l.do(migrated("email-expand", configs.PhaseExpand, migration.Done, 2)); reply.Revision == 0 || reply.Created {
		t.Errorf("%+v", reply)
	}
	start.Actor = "ci"
	id := l.do(start).ID
	if reply := l.do(migrated("email-expand", configs.PhaseExpand, migration.Done, 2)); reply.Revision != 0 {
		t.Errorf("what is known is written again: %+v", reply)
	}
	l.do(migrated("email-drop", configs.PhaseContract, migration.Pending, 0, "blue"))
	l.do(Act{ID: id, Verb: "abort", Actor: "ann"})
	start.Plan.Migrations, start.Actor = []string{"email-drop"}, "nobody"
	l.wants(Conflict, start, `"email-drop" is a contract: never in the same release as code`)
	l.wants(Invalid, ApplyRelease{Document: configs.Release{Application: "shop", Version: "v1.6", Migrations: []string{"email-drop"}}, Actor: "nobody"}, "never in the same release as code")
	if m, ok := l.View().Migration("shop", "production", "email-drop"); !ok || m.State != migration.Pending || m.By != "ci" || m.ModRevision == 0 {
		t.Errorf("%+v", m)
	}
}

func TestMigrations_AContractTakesTheWayBack(t *testing.T) {
	l, clock := timedLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ann"})
	drop := migrated("email-drop", configs.PhaseContract, migration.Contracting, 0, "v1.4", "blue")
	asked := drop
	asked.Actor = "nobody"
	l.wants(Conflict, asked, `contract "email-drop" has no leave in production: it breaks v1.4, blue`, "version blue is stable")

	plan := canary(stage(10_000, 0))
	plan.KeepPrevious = configs.Duration(time.Second)
	plan.Release = "v1.5"
	id := l.do(StartRollout{Plan: plan, Actor: "ci"}).ID
	l.wants(Conflict, asked, "version blue is stable")
	l.do(Act{ID: id, Verb: "promote", Full: true, Actor: "ann"})
	l.until("it succeeded", func() bool { return l.phase(id) == rollout.Succeeded })
	l.wants(Conflict, asked, "version blue is ")
	red := canary(stage(500, time.Hour))
	red.To, red.Release, red.Concurrency = "red", "v1.4", "queue"
	second := l.do(StartRollout{Plan: red, Actor: "ci"}).ID
	l.wants(Conflict, asked, "version red, which is v1.4, is a candidate of rollout "+second)
	l.do(Act{ID: second, Verb: "abort", Actor: "ann"})

	// A minute later nothing is kept, and nothing is young.
	clock.step(time.Minute)
	l.do(ReportDeployment{Deployment: release.Deployment{Application: "shop", Environment: "production", Version: "v1.4", State: release.Live}, Actor: "ci"})
	l.wants(Conflict, asked, "service elsewhere: version v1.4 is live by deployment")
	clock.step(time.Second)
	l.do(ReportDeployment{Deployment: release.Deployment{Application: "shop", Environment: "production", Version: "v1.5", State: release.Live}, Actor: "ci"})
	forwarded := release.Deployment{ID: "one", Application: "shop", Environment: "production", Service: "shop", Version: "v1.4", State: release.Live, StartedAt: clock.now()}
	l.do(TakeForwarded{Cluster: "eu", Seq: 1, Deployment: forwarded})
	l.wants(Conflict, asked, "service shop: version v1.4 is live by deployment eu.one")
	clock.step(time.Second)
	forwarded.ID, forwarded.Version, forwarded.StartedAt = "two", "v1.5", clock.now()
	l.do(TakeForwarded{Cluster: "eu", Seq: 2, Deployment: forwarded})
	drop.DryRun = true
	if reply := l.do(drop); !strings.Contains(reply.Text, "would be: ") || reply.Revision != 0 {
		t.Errorf("%+v", reply)
	}
	drop.DryRun = false
	if reply := l.do(drop); !strings.Contains(reply.Text, "no way back to v1.4, blue from now on") {
		t.Errorf("%+v", reply)
	}
	l.do(drop) // interrupted, it goes on

	const dropping = "no way back to blue: migration email-drop is dropping what it needs"
	toBlue := canary(stage(500, time.Hour))
	toBlue.To = "blue"
	l.wants(Conflict, SetWeights{Service: "shop", Weights: map[string]configs.Weight{"green": 9_000, "blue": 1_000}, Actor: "nobody"}, dropping)
	l.wants(Conflict, StartRollout{Plan: toBlue, Actor: "nobody"}, dropping)
	l.wants(Conflict, StartRollout{Plan: red, Actor: "nobody"}, "no way back to red (v1.4): migration email-drop is dropping")
	l.do(migrated("email-drop", configs.PhaseContract, migration.Done, 2, "v1.4", "blue"))
	l.wants(Conflict, StartRollout{Plan: toBlue, Actor: "nobody"}, "no way back to blue: migration email-drop has dropped what it needs")
	reset := shop()
	l.wants(Conflict, ApplyService{Document: reset, ResetWeights: true, Actor: "nobody"}, "no way back to blue")
	other := shop()
	other.Name, other.Application, other.Routes = "search", "shop", []configs.Route{{Path: "/search"}}
	l.wants(Conflict, ApplyService{Document: other, Actor: "nobody"}, "no way back to blue")
	other.Environment = "staging"
	l.do(ApplyService{Document: other, Actor: "ann"})
	other.Environment = "production"
	l.wants(Conflict, ApplyService{Document: other, Actor: "nobody"}, "no way back to blue")

	// What does not need it goes on, and goes back.
	red.Release = "v1.6"
	third := l.do(StartRollout{Plan: red, Actor: "ci"}).ID
	l.do(Act{ID: third, Verb: "abort", Actor: "ann"})
	l.until("it is back on green", func() bool { return l.phase(third) == rollout.Aborted && l.picked("green") == 10_000 })

	if reply := l.do(DeleteMigration{Application: "shop", Environment: "production", Name: "email-drop", Actor: "ann"}); !strings.Contains(reply.Text, "nothing keeps requests from") {
		t.Errorf("%+v", reply)
	}
	l.do(StartRollout{Plan: toBlue, Actor: "ci"})
}

func TestMigrations_UndoIsRefusedAfterAContract(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ann"})
	plan := canary(stage(10_000, 0))
	id := l.do(StartRollout{Plan: plan, Actor: "ci"}).ID
	l.do(Act{ID: id, Verb: "promote", Full: true, Actor: "ann"})
	l.until("it succeeded", func() bool { return l.phase(id) == rollout.Succeeded })
	// Somebody ran it without asking: that is a fact, and is warned of.
	reply := l.do(migrated("email-drop", configs.PhaseContract, migration.Done, 2, "blue"))
	if len(reply.Warnings) != 1 || !strings.Contains(reply.Warnings[0], "version blue is kept for undo") || !strings.Contains(reply.Warnings[0], "run without leave") {
		t.Errorf("warnings: %q", reply.Warnings)
	}
	l.wants(Conflict, Act{ID: id, Verb: "undo", Actor: "nobody"}, "no way back to blue: migration email-drop has dropped what it needs")
	if l.picked("green") != 10_000 {
		t.Error("a refused undo has moved traffic")
	}
}

// TestMigrations_LeaveAndARolloutAtTheSameMoment holds that of the two one is
// always refused, whoever comes first.
func TestMigrations_LeaveAndARolloutAtTheSameMoment(t *testing.T) {
	l, clock := timedLab(t)
	doc := shop()
	doc.Stable = "green"
	l.do(ApplyService{Document: doc, Actor: "ann"})
	plan := canary(stage(500, time.Hour))
	plan.To = "blue"
	leave := migrated("email-drop", configs.PhaseContract, migration.Contracting, 0, "blue")
	for range 10 {
		var both sync.WaitGroup
		var granted, begun error
		var id string
		both.Go(func() { _, granted = l.Do(t.Context(), leave) })
		both.Go(func() {
			var reply Reply
			reply, begun = l.Do(t.Context(), StartRollout{Plan: plan, Actor: "ci"})
			id = reply.ID
		})
		both.Wait()
		if (granted == nil) == (begun == nil) {
			t.Fatalf("leave: %v; rollout: %v", granted, begun)
		}
		if begun == nil {
			l.do(Act{ID: id, Verb: "abort", Actor: "ann"})
			clock.step(time.Minute)
		} else {
			l.do(DeleteMigration{Application: "shop", Environment: "production", Name: "email-drop", Actor: "ann"})
		}
	}
}
