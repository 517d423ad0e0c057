package control

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
)

func TestStartRollout_ADryRunSaysWhatWouldBeDoneAndDoesNothing(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	plan := canary(stage(500, time.Minute), stage(5000, time.Hour))
	plan.Stages[1].Checks = checks(t, "error_rate < 1%")
	plan.Stages[1].Approval = "manual"
	plan.Hooks = []configs.Hook{{Name: "budget", At: configs.HookPromotion, Mode: configs.HookGate, URL: "https://budget.example.com/"}}
	plan.Bake = configs.Duration(10 * time.Minute)
	f := func(want ...string) {
		t.Helper()
		before := len(l.View().Rollouts)
		r := l.do(StartRollout{Plan: plan, DryRun: true, Actor: "ana"})
		text := strings.Join(append([]string{r.Text}, append(r.Changes, r.Warnings...)...), "\n")
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("it does not say %q:\n%s", w, text)
			}
		}
		if r.Revision != 0 || r.ID != "" || len(l.View().Rollouts) != before {
			t.Errorf("something was started: %+v", r)
		}
	}
	f("would release shop to green by canary", "blue → green",
		"stage 1 of 2: green at 5% for 1m", "stage 2 of 2: green at 50% for 1h, after approval of 1; error_rate < 1%; its checks need 300 requests of green",
		"bake: 10m at 50%", "gate budget at promotion: https://budget.example.com/", "there is no traffic now")

	l.do(ApplyFreeze{Document: configs.Freeze{Name: "holidays", Reason: "nobody is here", Until: "2090-01-01T00:00:00Z"}, Actor: "ana"})
	f("no stage begins meanwhile", "nobody is here")
	l.do(DeleteFreeze{Name: "holidays", Actor: "ana"})

	id := l.do(StartRollout{Plan: plan, Actor: "ana"}).ID
	if e := l.refused(StartRollout{Plan: plan, DryRun: true, Actor: "ana"}); e.Kind != Conflict {
		t.Errorf("a second rollout would be refused, and the dry run says %+v", e)
	}
	plan.Concurrency = "queue"
	plan.Bake = configs.Duration(20 * time.Minute)
	f("waits for rollout "+id, "unlike "+id+": bake")
	plan.Concurrency = "replace"
	f("takes the place of rollout " + id)
	plan.To = "violet"
	if e := l.refused(StartRollout{Plan: plan, DryRun: true, Actor: "ana"}); e.Kind != Invalid {
		t.Errorf("a plan that does not fit: %+v", e)
	}
}

// The document of the contract, exactly as it stands: weights that a person moves
// are put back when the guard's limit breaks.
func TestContract_TheGuardPutsWeightsOfAPersonBack(t *testing.T) {
	data, err := os.ReadFile("../configs/testdata/contract/guarded.yaml")
	if err != nil {
		t.Fatal(err)
	}
	documents, err := configs.Decode("guarded.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	l := newLab(t)
	l.do(ApplyService{Document: *documents[0].Service, Actor: "ana"})
	l.until("it is routed", func() bool { return l.tables.Load().Service("api") != nil })
	defer l.trafficTo("api", 400, func(version string) bool { return version == "v42" })()
	id := l.do(SetWeights{Service: "api", Weights: map[string]configs.Weight{"v41": 8000, "v42": 2000}, Actor: "ana"}).ID
	l.until("the traffic is back", func() bool { return l.phase(id) == rollout.RolledBack })
	l.until("and shown", func() bool {
		s, ok := l.View().Service("api")
		return ok && s.Versions[0].Name == "v41" && s.Versions[0].Weight == configs.Whole
	})
	if v := l.rollout(id).State.Verdict; v == nil || !strings.HasPrefix(v.Text, "error_rate > 1% is broken") {
		t.Errorf("the verdict is %+v", v)
	}
}
