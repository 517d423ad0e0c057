package control

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

// A state that moves takes everything along: the split, the rollout in force
// with its judge's state, and the keys that cookies were signed with.
func TestState_MovesWithItsRolloutsAndKeys(t *testing.T) {
	from, to := newLab(t), newLab(t)
	from.do(ApplyService{Document: shop(), Actor: "ana"})
	from.do(ApplyFlag{Document: checkout(), Actor: "ana"})
	ramp := from.do(StartRollout{Plan: rampOf("checkout", stage(5000, time.Hour), stage(10_000, 0)), Actor: "ana"}).ID
	from.until("half of the users have the flag", func() bool { return from.on("checkout") > 400 })
	id := from.do(StartRollout{Plan: canary(stage(500, time.Hour)), Actor: "ana"}).ID
	from.until("the first stage has its weight", func() bool { return from.picked("green") == 500 })
	dump, err := from.ExportState(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(dump)
	if err != nil {
		t.Fatal(err)
	}
	for _, private := range []string{`"leader"`, `"nodes/`, `"tallies/`} {
		if strings.Contains(string(raw), private) {
			t.Errorf("the dump holds %s", private)
		}
	}
	var read store.Dump
	if err := json.Unmarshal(raw, &read); err != nil {
		t.Fatal(err)
	}

	reply, err := to.Import(t.Context(), ImportState{Dump: read, DryRun: true, Actor: "ben"})
	if err != nil || !strings.HasPrefix(reply.Text, "would import 1 services and 2 rollouts") {
		t.Fatalf("a dry run: %+v, %v", reply, err)
	}
	if _, known := to.View().Service("shop"); known {
		t.Fatal("a dry run imported")
	}
	if _, err := to.Import(WithRole(t.Context(), "admin"), ImportState{Dump: read, Actor: "ben"}); err != nil {
		t.Fatal(err)
	}
	if s, _ := to.View().Service("shop"); s == nil || s.State.Rollout != id || to.picked("green") != 500 || to.phase(id) != rollout.Progressing {
		t.Fatalf("imported: %+v, green has %d", s, to.picked("green"))
	}
	if n := to.on("checkout"); n != from.on("checkout") || to.phase(ramp) != rollout.Progressing {
		t.Errorf("%d of 1 000 users have the flag, and %d had; its rollout is %s", n, from.on("checkout"), to.phase(ramp))
	}
	same := 0
	for bucket := range 10_000 {
		a, b := from.tables.Load().Service("shop"), to.tables.Load().Service("shop")
		if a.Versions[a.Split.Pick(bucket)].Name == b.Versions[b.Split.Pick(bucket)].Name {
			same++
		}
	}
	if same != 10_000 {
		t.Fatalf("%d of 10 000 buckets are where they were", same)
	}
	mine, _, err := from.opts.Store.Get(t.Context(), store.CookieKey)
	if err != nil {
		t.Fatal(err)
	}
	its, _, err := to.opts.Store.Get(t.Context(), store.CookieKey)
	if err != nil || string(mine.Value) != string(its.Value) {
		t.Fatalf("the cookie's keys did not come along: %v", err)
	}
	if trail := to.View().Audit; trail[0].Action != "import" || trail[0].Actor != "ben" || trail[0].Role != "admin" {
		t.Fatalf("the trail says %+v", trail[0])
	}
	to.do(Act{ID: id, Verb: "abort", Actor: "ben"})
	if to.picked("green") != 0 {
		t.Fatal("an abort of the imported rollout left traffic")
	}

	if _, err := to.Import(t.Context(), ImportState{Dump: read}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Fatalf("into a state in use: %v", err)
	}
	other := store.Dump{Format: 1, Keys: nil}
	if _, err := to.Import(t.Context(), ImportState{Dump: other, Replace: true}); err != nil {
		t.Fatal(err)
	}
	if n := len(to.View().Services); n != 0 {
		t.Fatalf("replaced by nothing, %d services are left", n)
	}
}
