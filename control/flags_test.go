package control

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
)

// user is a subject of flags that is known by a key alone.
type user string

func (u user) Value(route.By, string) []byte   { return nil }
func (u user) FlagKey(route.By, string) []byte { return []byte(u) }

func checkout() configs.Flag { return configs.Flag{Name: "checkout", Services: []string{"shop"}} }

func rampOf(flag string, stages ...configs.Stage) configs.Rollout {
	return configs.Rollout{Service: configs.FlagService(flag), Flag: flag, To: "on", Strategy: configs.StrategyFlag, Stages: stages}
}

// on is how many of a thousand users get the variant on.
func (l *lab) on(flag string) int {
	f := l.tables.Load().Flag(flag)
	if f == nil {
		return -1
	}
	n := 0
	for i := range 1000 {
		if e := f.Evaluate(user(fmt.Sprint("user-", i)), "", 0); f.Variants[e.Variant].Name == "on" {
			n++
		}
	}
	return n
}

// evaluations plays requests of many users that carry the flag.
func (l *lab) evaluations(flag string, rps int, bad func(variant string) bool) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		started, sent := time.Now(), 0
		for ctx.Err() == nil {
			for ; sent < int(time.Since(started).Seconds()*float64(rps)); sent++ {
				f := l.tables.Load().Flag(flag)
				e := f.Evaluate(user(fmt.Sprint("user-", sent)), "", 0)
				v := f.Variants[e.Variant]
				at := int64(time.Since(l.base))
				token := v.Recorder.Begin(0, stats.Split, at, e.Bucket)
				status, outcome := 200, stats.Outcome{Status: 200}
				if bad(v.Name) {
					status, outcome = 500, stats.Outcome{Status: 500, Reason: stats.Status}
				}
				v.Recorder.Head(&token, at+1e6, time.Millisecond, status, status == 500)
				v.Recorder.End(&token, at+2e6, outcome)
			}
			time.Sleep(2 * time.Millisecond)
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

func TestFlag_IsRampedToItsEnd(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ann"})
	l.do(ApplyFlag{Document: checkout(), Actor: "ann"})
	l.until("the flag is off for everybody", func() bool { return l.on("checkout") == 0 })
	if flags := l.tables.Load().Service("shop").Flags; len(flags) != 1 || flags[0].Name != "checkout" {
		t.Errorf("requests of shop carry %v", flags)
	}
	if len(l.View().Services) != 1 {
		t.Errorf("the flag is shown as a service: %d", len(l.View().Services))
	}
	stop := l.evaluations("checkout", 500, func(string) bool { return false })
	defer stop()
	id := l.do(StartRollout{Plan: rampOf("checkout", stage(2000, 300*time.Millisecond), stage(10_000, 100*time.Millisecond)), Actor: "ann"}).ID
	l.until("a fifth of the users have it", func() bool { n := l.on("checkout"); return n > 120 && n < 300 })
	l.until("it has succeeded", func() bool { return l.phase(id) == rollout.Succeeded })
	if f, _ := l.View().Flag("checkout"); f.State.Stable != "on" || l.on("checkout") != 1000 {
		t.Errorf("stable is %q and %d of 1 000 users have it on", f.State.Stable, l.on("checkout"))
	}

	reply := l.do(ApplyFlag{Document: configs.Flag{Name: "checkout", Record: true}, Actor: "ann"})
	if f, _ := l.View().Flag("checkout"); f.State.Stable != "on" || !strings.Contains(reply.Text, "changed") {
		t.Errorf("an apply undid the release: %q, stable is %q", reply.Text, f.State.Stable)
	}
	if e := l.refused(ApplyFlag{Document: configs.Flag{Name: "checkout", Variants: map[string]configs.FlagValue{"off": configs.FlagValue("false")}}, Actor: "nobody"}); e.Kind != Conflict {
		t.Errorf("the variant that users have was taken away: %+v", e)
	}
}

func TestFlag_AViewShowsWhatItsVariantsDid(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ann"})
	doc := checkout()
	doc.Record, doc.Split = true, map[string]configs.Weight{"off": 5000, "on": 5000}
	l.do(ApplyFlag{Document: doc, Actor: "ann"})
	l.until("half of the users have it", func() bool { return l.on("checkout") > 400 })
	stop := l.evaluations("checkout", 200, func(string) bool { return false })
	l.until("both variants count in a view", func() bool {
		f, ok := l.View().Flag("checkout")
		return ok && len(f.Variants) == 2 && f.Variants[0].Requests > 20 && f.Variants[1].Requests > 20 && f.Variants[1].RPS > 0
	})
	stop()
}

func TestFlag_ATryoutGetsWhatUsersGetAndSaysWhy(t *testing.T) {
	l := newLab(t)
	doc := checkout()
	doc.Split = map[string]configs.Weight{"off": 5000, "on": 5000}
	doc.Rules = []configs.FlagRule{
		{Variant: "off", Environments: []string{"staging"}, When: []configs.FlagCondition{{Attribute: "plan", Values: []string{"free"}}}},
		{Name: "staff", Variant: "on", When: []configs.FlagCondition{{Header: "X-Staff"}}},
	}
	l.do(ApplyFlag{Document: doc, Actor: "ann"})
	l.until("the flag is there", func() bool { return l.on("checkout") > 0 })
	f := func(who Tryout, want string) {
		t.Helper()
		got, ok := l.TryFlag("checkout", who)
		if text := strings.TrimSpace(got.Variant + " " + string(got.Value) + " " + got.Reason + " " + got.Rule); !ok || text != want {
			t.Errorf("%+v gets %q, want %q", who, text, want)
		}
	}
	f(Tryout{Attributes: map[string]string{"plan": "free"}, Environment: "staging"}, "off false rule 1")
	f(Tryout{Attributes: map[string]string{"plan": "free"}, Headers: map[string]string{"x-staff": "1"}}, "on true rule staff")
	f(Tryout{Cookies: map[string]string{"X-Staff": "1"}}, "off false keyless")
	for i := range 50 {
		key := fmt.Sprint("user-", i)
		table := l.tables.Load().Flag("checkout")
		variant := table.Variants[table.Evaluate(user(key), "", 0).Variant]
		f(Tryout{Key: key}, variant.Name+" "+string(variant.Value)+" split")
	}
	l.do(KillFlag{Name: "checkout", Actor: "ann"})
	f(Tryout{Headers: map[string]string{"X-Staff": "1"}}, "off false killed")
	if _, ok := l.TryFlag("none", Tryout{}); ok {
		t.Error("a flag that is not there gives something")
	}
}

func TestFlag_AVariantThatBreaksRequestsIsOffEverywhere(t *testing.T) {
	l := newLab(t)
	l.do(ApplyFlag{Document: checkout(), Actor: "ann"})
	l.until("the flag is known", func() bool { return l.on("checkout") == 0 })
	stop := l.evaluations("checkout", 1000, func(variant string) bool { return variant == "on" })
	defer stop()
	id := l.do(StartRollout{Plan: rampOf("checkout", stage(3000, time.Hour), stage(10_000, 0)), Actor: "ann"}).ID
	l.until("it was rolled back", func() bool { return l.phase(id) == rollout.RolledBack })
	if n := l.on("checkout"); n != 0 {
		t.Errorf("%d of 1 000 users still have it", n)
	}
	if v := l.rollout(id).State.Verdict; v == nil || v.Rule == "" {
		t.Errorf("there are no numbers: %+v", v)
	}
}

func TestFlag_SharesMovedByHandAreJudged(t *testing.T) {
	l := newLab(t)
	l.do(ApplyFlag{Document: checkout(), Actor: "ann"})
	l.until("the flag is known", func() bool { return l.on("checkout") == 0 })
	stop := l.evaluations("checkout", 1000, func(variant string) bool { return variant == "on" })
	defer stop()
	move := SetWeights{Service: configs.FlagService("checkout"), Weights: map[string]configs.Weight{"off": 7000, "on": 3000}, Actor: "ann"}
	id := l.do(move).ID
	l.until("the guard puts it back", func() bool { return l.phase(id) == rollout.RolledBack && l.on("checkout") == 0 })

	l.do(KillFlag{Name: "checkout", Actor: "bob"})
	move.Actor = "nobody"
	if e := l.refused(move); e.Kind != Conflict || !strings.Contains(e.Text, "killed, by bob") {
		t.Errorf("shares of a killed flag: %+v", e)
	}
	if e := l.refused(StartRollout{Plan: rampOf("checkout", stage(10_000, 0)), Actor: "nobody"}); e.Kind != Conflict || !strings.Contains(e.Hint, "weir flag restore checkout") {
		t.Errorf("a rollout of a killed flag: %+v", e)
	}
}

func TestFlag_KilledIsOffAtOnceAndUntilRestored(t *testing.T) {
	l := newLab(t)
	doc := checkout()
	doc.Rules = []configs.FlagRule{{Variant: "on", When: []configs.FlagCondition{{Attribute: "targetingKey", Values: []string{"user-1"}}}}}
	l.do(ApplyFlag{Document: doc, Actor: "ann"})
	id := l.do(StartRollout{Plan: rampOf("checkout", stage(5000, time.Hour), stage(10_000, 0)), Actor: "ann"}).ID
	l.until("half of the users have it", func() bool { return l.on("checkout") > 400 })

	reply := l.do(KillFlag{Name: "checkout", Reason: "it hurts", Actor: "bob"})
	if n := l.on("checkout"); n != 0 {
		t.Errorf("%d of 1 000 users have it still", n)
	}
	if !strings.Contains(reply.Text, "aborted") || l.phase(id) != rollout.Aborted {
		t.Errorf("the rollout is %s; %s", l.phase(id), reply.Text)
	}
	if f, _ := l.View().Flag("checkout"); f.Killed == nil || f.Killed.Actor != "bob" || f.Killed.Reason != "it hurts" {
		t.Errorf("the flag is shown as %+v", f.Killed)
	}
	l.do(ApplyFlag{Document: configs.Flag{Name: "checkout", Record: true, Rules: doc.Rules}, Actor: "ann"})
	if n := l.on("checkout"); n != 0 {
		t.Errorf("an apply ended the kill: %d", n)
	}
	if again := l.do(KillFlag{Name: "checkout", Actor: "cid"}); !strings.Contains(again.Text, "bob") {
		t.Errorf("killed twice: %q", again.Text)
	}

	l.stop() // a new process finds the kill
	l.start()
	l.until("the flag is off again", func() bool { return l.on("checkout") == 0 })
	l.do(RestoreFlag{Name: "checkout", Actor: "bob"})
	if n := l.on("checkout"); n != 1 {
		t.Errorf("the rule gives it to %d users, want 1", n)
	}
	l.do(DeleteFlag{Name: "checkout", Actor: "bob"})
	l.until("it is gone", func() bool { return l.on("checkout") == -1 })
}

// A node that killed a flag does not kill it again when another one has restored it.
func TestFlag_RestoredOnAnotherNodeStaysRestored(t *testing.T) {
	c := newBare(t)
	now, doc := shopTime(), checkout()
	c.update(store.Update{Full: true, Revision: 1, Puts: []store.KV{kv(store.FlagKey("checkout"), doc, 1)}}, now)
	kill := Kill{At: now, Actor: "bob"}
	c.kills["checkout"] = kill
	c.update(store.Update{Revision: 2, Puts: []store.KV{kv(store.KillKey("checkout"), kill, 2)}}, now)
	if _, killed := c.killed("checkout"); !killed {
		t.Error("the kill ended when etcd had it")
	}
	c.update(store.Update{Revision: 3, Deletes: []string{store.KillKey("checkout")}}, now.Add(time.Second))
	if _, killed := c.killed("checkout"); killed {
		t.Error("the flag is killed, and nobody can restore it")
	}
}

func TestFlag_ANewOneIsNotKilled(t *testing.T) {
	c := newBare(t)
	c.update(store.Update{Full: true, Revision: 1, Puts: []store.KV{kv(store.KillKey("checkout"), Kill{Actor: "bob"}, 1)}}, shopTime())
	p, err := c.planApplyFlag(ApplyFlag{Document: checkout(), Actor: "ann"}, "random", shopTime())
	gone := store.Delete(store.KillKey("checkout"))
	if err != nil || !slices.ContainsFunc(p.txn.Then, func(o store.Op) bool { return reflect.DeepEqual(o, gone) }) {
		t.Errorf("%v, %+v", err, p.txn.Then)
	}
}

// What waits for its turn, or began just when the flag was killed, gives it to nobody.
func TestFlag_NothingIsReleasedWhileItIsKilled(t *testing.T) {
	l := newLab(t)
	l.do(ApplyFlag{Document: checkout(), Actor: "ann"})
	first := l.do(StartRollout{Plan: rampOf("checkout", stage(5000, time.Hour), stage(10_000, 0)), Actor: "ann"}).ID
	plan := rampOf("checkout", stage(5000, time.Hour), stage(10_000, 0))
	plan.Concurrency = "queue"
	second := l.do(StartRollout{Plan: plan, Actor: "ann"}).ID
	l.until("the second waits", func() bool { return l.phase(second) == rollout.Queued })
	l.do(KillFlag{Name: "checkout", Actor: "bob"})
	if p := l.phase(first); p != rollout.Aborted {
		t.Errorf("the first is %s", p)
	}
	l.do(RestoreFlag{Name: "checkout", Actor: "bob"})
	l.until("the second has begun", func() bool { return l.on("checkout") > 400 })

	// The kill of another node, which did not know of the rollout.
	value, err := json.Marshal(Kill{At: time.Now(), Actor: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.opts.Store.Commit(t.Context(), store.Txn{Then: []store.Op{store.Put(store.KillKey("checkout"), value)}}); err != nil {
		t.Fatal(err)
	}
	l.until("the second is aborted", func() bool { return l.phase(second) == rollout.Aborted })
}

func TestQueue_WaitsWhileTheFlagIsKilled(t *testing.T) {
	c := newBare(t)
	doc, now := checkout(), shopTime()
	s := doc.Service()
	r := rollout.State{ID: "r1", Service: s.Name, Strategy: configs.StrategyFlag, From: "off", To: "on", Phase: rollout.Queued, Plan: rampOf("checkout", stage(10_000, 0)), StartedAt: now}
	u := store.Update{Full: true, Revision: 3, Puts: []store.KV{
		kv(store.FlagKey("checkout"), doc, 1), kv(store.StateKey(s.Name), rollout.NewService(s, now), 1),
		kv(store.RolloutKey("r1"), r, 2), kv(store.KillKey("checkout"), Kill{At: now, Actor: "bob"}, 3),
	}}
	c.update(u, now)
	c.beginQueued(now, store.Compare{})
	if c.turns[s.Name].underWay {
		t.Error("the rollout has begun")
	}
	c.update(store.Update{Revision: 4, Deletes: []string{store.KillKey("checkout")}}, now)
	if c.beginQueued(now, store.Compare{}); !c.turns[s.Name].underWay {
		t.Error("the rollout does not begin when the flag is restored")
	}
}
