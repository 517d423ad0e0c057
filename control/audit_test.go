package control

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/weirproxy/weir/configs"
)

func TestAudit_SaysWhoWithWhichRoleAndWhatWasBefore(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	l := &lab{t: t, dir: t.TempDir(), base: time.Now(), log: zap.New(core)}
	l.start()
	t.Cleanup(func() { l.stop() })
	do := func(role string, cmd Command) Reply {
		t.Helper()
		reply, err := l.Do(WithRole(t.Context(), role), cmd)
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
	do("admin", ApplyService{Document: shop(), Actor: "ana"})
	changed := shop()
	changed.Timeout = configs.Duration(time.Second)
	do("admin", ApplyService{Document: changed, Actor: "ana"})
	id := do("operator", SetWeights{Service: "shop", Weights: map[string]configs.Weight{"blue": 9000, "green": 1000}, Actor: "ben"}).ID

	find := func(q AuditQuery) []AuditView {
		t.Helper()
		found, err := l.Audit(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	all := find(AuditQuery{Limit: 100})
	if !slices.IsSortedFunc(all, func(a, b AuditView) int { return strings.Compare(b.ID, a.ID) }) || len(all) < 3 {
		t.Fatalf("the trail: %+v", all)
	}
	applied := find(AuditQuery{Object: "services/shop", Actor: "ana", Limit: 1})
	if len(applied) != 1 || applied[0].Role != "admin" || !slices.Contains(applied[0].Changes, `timeout: "15s" → "1s"`) {
		t.Fatalf("the apply: %+v", applied)
	}
	moved := find(AuditQuery{Object: "rollouts/", Actor: "ben", Limit: 10})
	if len(moved) != 1 || moved[0].Object != "rollouts/"+id || moved[0].Role != "operator" || !slices.Contains(moved[0].Changes, "weights.green: 0% → 10%") {
		t.Fatalf("the weights: %+v", moved)
	}
	if older := find(AuditQuery{Before: all[0].ID, Limit: 100}); len(older) != len(all)-1 || older[0].ID != all[1].ID {
		t.Fatalf("before %s: %+v", all[0].ID, older)
	}
	if since := find(AuditQuery{Since: time.Now().Add(time.Hour), Limit: 100}); len(since) != 0 {
		t.Fatalf("of the future: %+v", since)
	}
	line := logs.FilterMessage("audit").FilterField(zap.String("actor", "ben")).All()
	if len(line) != 1 || line[0].ContextMap()["role"] != "operator" {
		t.Fatalf("the log: %+v", line)
	}
}

func TestAudit_EntriesAreBounded(t *testing.T) {
	var changes []string
	for i := range 1000 {
		changes = append(changes, fmt.Sprintf("f%d: %s", i, strings.Repeat("ä", 1000)))
	}
	got := bounded(changes)
	if len(got) != maxChanges+1 || got[maxChanges] != "… and 950 more" {
		t.Fatalf("%d changes, the last %q", len(got), got[len(got)-1])
	}
	for _, s := range got {
		if len(s) > maxChangeText+len("…") {
			t.Fatalf("%d bytes", len(s))
		}
	}
}

func TestAudit_BelongsToTheNodeThatWroteIt(t *testing.T) {
	for id, want := range map[string]string{
		"0123456789abcdef-one-000001": "one", "0123456789abcdef-edge-1-00000a": "edge-1", "": "", "0123456789abcdef-000001": "",
	} {
		if got := nodeOfAudit(id); got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
}

func TestAudit_TheLogHoldsNoHeaderValues(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	b := newBare(t)
	b.log = zap.New(core)
	was := shop()
	was.Routes[0].RequestHeaders = &configs.HeaderEdits{Set: map[string]string{"X-Key": "hunter1"}}
	is := shop()
	is.Routes[0].RequestHeaders = &configs.HeaderEdits{Set: map[string]string{"X-Key": "hunter2"}}
	is.Routes[0].Headers = map[string]string{"X-Beta": "hunter3"}
	more := is
	more.Timeout = configs.Duration(time.Second)
	more.Routes = append(slices.Clone(is.Routes), configs.Route{Path: "/x", Headers: map[string]string{"X-Beta": "hunter4"}})
	log := func(changes []string, want ...string) {
		t.Helper()
		if !strings.Contains(strings.Join(changes, "\n"), "hunter") {
			t.Fatalf("the trail names no values, so the test shows nothing: %q", changes)
		}
		entry := AuditView{At: b.clock, Actor: "ana", Action: "apply", Object: "services/shop", Changes: changes}
		b.deliver(false, map[string]any{"audit/" + strings.Repeat("0", 16) + "-one-000001": entry})
		lines := logs.FilterMessage("audit").All()
		logged := fmt.Sprint(lines[len(lines)-1].ContextMap()["changes"])
		if strings.Contains(logged, "hunter") {
			t.Errorf("the log tells %s", logged)
		}
		for _, part := range want {
			if !strings.Contains(logged, part) {
				t.Errorf("the log does not tell %q: %s", part, logged)
			}
		}
	}
	log(differences(was, is), "request_headers.set.X-Key: changed")
	log(differences(is, more), "routes: changed", "timeout: ")
}
