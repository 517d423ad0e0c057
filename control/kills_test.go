package control

import (
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

func TestKill_WithoutEtcdTakesEffectAndSurvivesARestart(t *testing.T) {
	endpoint, stopEtcd := stoppableEtcd(t)
	l := newFleetLab(t, endpoint, "one")
	doc := checkout()
	// The abort of the rollout, which has a journal of its own, does nothing about a rule.
	doc.Rules = []configs.FlagRule{{Variant: "on", When: []configs.FlagCondition{{Attribute: "targetingKey", Values: []string{"user-1"}}}}}
	l.do(ApplyFlag{Document: doc, Actor: "ann"})
	l.do(StartRollout{Plan: rampOf("checkout", stage(5000, time.Hour), stage(10_000, 0)), Actor: "ann"})
	l.until("half of the users have it", func() bool { return l.on("checkout") > 400 })

	stopEtcd()
	reply := l.do(KillFlag{Name: "checkout", Reason: "it hurts", Actor: "bob"})
	if n := l.on("checkout"); n != 0 {
		t.Errorf("%d of 1 000 users have it still", n)
	}
	if len(reply.Warnings) != 1 || !strings.Contains(reply.Warnings[0], "on disk") {
		t.Errorf("warnings: %q", reply.Warnings)
	}

	l.stop()
	l.tables.Store(nil) // of the process before
	l.open()
	l.until("the last state is served", l.Loaded)
	if n := l.on("checkout"); n != 0 {
		t.Errorf("%d of 1 000 users have it after the restart", n)
	}
	if f, ok := l.View().Flag("checkout"); !ok || f.Killed == nil || f.Killed.Actor != "bob" || l.View().Store.Source != "disk" {
		t.Errorf("the flag is not shown as killed, from %s: %v", l.View().Store.Source, ok)
	}
}

// A kill that only the disk knows is written when etcd is there again.
func TestKill_OfTheProcessBeforeIsWrittenAndForgotten(t *testing.T) {
	l := newLab(t)
	l.do(ApplyFlag{Document: checkout(), Actor: "ann"})
	id := l.do(StartRollout{Plan: rampOf("checkout", stage(5000, time.Hour), stage(10_000, 0)), Actor: "ann"}).ID
	l.until("half of the users have it", func() bool { return l.on("checkout") > 400 })
	if err := l.opts.Store.Kill("checkout", encodeKill(Kill{At: time.Now().Add(-time.Minute), Actor: "bob"})); err != nil {
		t.Fatal(err)
	}
	l.stop()
	l.tables.Store(nil)
	l.start()
	if n := l.on("checkout"); n != 0 {
		t.Errorf("%d users have it in the first table", n)
	}
	l.until("it is in the state and not owed any more", func() bool { return l.phase(id) == rollout.Aborted && len(l.opts.Store.Kills()) == 0 })
	if n := l.on("checkout"); n != 0 {
		t.Errorf("%d users have it", n)
	}
	l.do(RestoreFlag{Name: "checkout", Actor: "bob"})
	l.stop()
	l.start()
	if f, _ := l.View().Flag("checkout"); f.Killed != nil {
		t.Errorf("a restored flag is killed again: %+v", f.Killed)
	}
}

func TestKill_IsNotRepeatedAfterSomebodyRestoredTheFlag(t *testing.T) {
	at := time.Now().Add(-time.Hour)
	kill := Kill{At: at, Actor: "bob"}
	f := func(name string, state map[string]any, owed int) {
		t.Helper()
		b := newBare(t)
		if err := b.opts.Store.Kill("checkout", encodeKill(kill)); err != nil {
			t.Fatal(err)
		}
		b.restoreKills()
		b.deliver(true, state)
		b.pass(0)
		if len(b.kills) != owed || len(b.opts.Store.Kills()) != owed {
			t.Errorf("%s: %d kills are owed and %d on disk, want %d", name, len(b.kills), len(b.opts.Store.Kills()), owed)
		}
	}
	entry := func(at time.Time) AuditView {
		return AuditView{At: at, Actor: "bob", Action: "kill", Object: "flags/checkout"}
	}
	flag := checkout()
	f("never written", map[string]any{"flags/checkout": flag}, 1)
	f("written", map[string]any{"flags/checkout": flag, "kills/checkout": kill}, 0)
	f("written and restored", map[string]any{"flags/checkout": flag, "audit/1": entry(at)}, 0)
	f("an earlier one was restored", map[string]any{"flags/checkout": flag, "audit/1": entry(at.Add(-time.Hour))}, 1)
	f("the flag is deleted", map[string]any{}, 0)
}

func TestKill_OnlyTheCopyOnDiskDeniesNothing(t *testing.T) {
	b := newBare(t)
	b.kills["checkout"] = Kill{At: time.Now().Add(-time.Hour)}
	b.update(store.Update{Full: true, Revision: 3, Source: store.SourceDisk}, b.clock)
	b.pass(0)
	if len(b.kills) != 1 {
		t.Error("a copy of before the flag ends its kill")
	}
}
