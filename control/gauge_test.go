package control

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/notify"
	"github.com/weirproxy/weir/control/rollout"
)

// build is the server of a version: its smoke page and its metrics.
type build struct {
	address string
	asked   atomic.Int64 // smoke checks
	good    atomic.Int64 // how many smoke checks pass; the rest fails
	memory  atomic.Int64 // bytes
}

func newBuild(t *testing.T) *build {
	t.Helper()
	b := &build{}
	b.good.Store(1 << 40)
	b.memory.Store(100 << 20)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/metrics":
			_, _ = fmt.Fprintf(w, "process_resident_memory_bytes %d\nprocess_cpu_seconds_total 3\n", b.memory.Load())
		case b.asked.Add(1) > b.good.Load():
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(s.Close)
	b.address = strings.TrimPrefix(s.URL, "http://")
	return b
}

// newBuildLab is a lab whose versions blue and green have servers, with traffic
// that never fails.
func newBuildLab(t *testing.T, m *mailbox) (l *lab, blue, green *build) {
	t.Helper()
	blue, green = newBuild(t), newBuild(t)
	l = &lab{t: t, dir: t.TempDir(), base: time.Now(), deliver: m.deliver}
	l.start()
	t.Cleanup(func() { l.stop() })
	doc := shop()
	doc.Versions = map[string]configs.Version{"blue": {Endpoints: []string{blue.address}}, "green": {Endpoints: []string{green.address}}}
	doc.Resources = &configs.Resources{Interval: configs.Duration(time.Second)}
	l.do(ApplyService{Document: doc, Actor: "ana"})
	l.do(ApplyNotifier{Document: all("log"), Actor: "ana"})
	t.Cleanup(l.traffic(200, func(string) bool { return false }))
	return l, blue, green
}

func trigger(t *testing.T, condition string) configs.Trigger {
	t.Helper()
	c, err := analysis.ParseCondition(condition)
	if err != nil {
		t.Fatal(err)
	}
	return configs.Trigger{Condition: c}
}

// watched is a plan with one long stage and one trigger.
func watched(t *testing.T, condition string, edit func(*configs.Trigger)) configs.Rollout {
	t.Helper()
	plan := canary(stage(5000, time.Hour), stage(10000, time.Hour))
	one := trigger(t, condition)
	edit(&one)
	plan.Rollback.Triggers = []configs.Trigger{one}
	return plan
}

// rolledBack waits for the end of a rollout and returns the verdict of it.
func (l *lab) rolledBack(id string) analysis.Verdict {
	l.t.Helper()
	l.until("it is rolled back", func() bool { return l.phase(id) == rollout.RolledBack })
	v := l.rollout(id).State.Verdict
	if v == nil {
		l.t.Fatal("there is no verdict")
	}
	return *v
}

func TestSmoke_MustPassBeforeAnyUser(t *testing.T) {
	l, _, green := newBuildLab(t, &mailbox{})
	plan := canary(stage(10000, time.Hour))
	plan.Smoke = []configs.Smoke{{Get: "/smoke"}}
	id := l.do(StartRollout{Plan: plan, Actor: "ana"}).ID
	l.until("users are sent to it", func() bool { return l.phase(id) == rollout.Progressing })
	if green.asked.Load() == 0 {
		t.Error("nobody asked")
	}
	l.do(Act{ID: id, Verb: "abort", Actor: "ana"})

	green.good.Store(0)
	one := trigger(t, "smoke_test == failing")
	one.Count = 1
	plan.Rollback.Triggers = []configs.Trigger{one}
	id = l.do(StartRollout{Plan: plan, Actor: "ana"}).ID
	l.until("it failed", func() bool { return l.phase(id) == rollout.Failed })
	if reason := l.rollout(id).State.Reason; !strings.Contains(reason, "GET /smoke of "+green.address+" answered 500, not 2xx") {
		t.Errorf("the reason is %q", reason)
	}
}

func TestSmoke_ThatFailsLaterPutsTheTrafficBack(t *testing.T) {
	l, _, green := newBuildLab(t, &mailbox{})
	green.good.Store(1) // the run before users
	plan := watched(t, "smoke_test == failing", func(one *configs.Trigger) { one.Count = 1 })
	plan.Smoke = []configs.Smoke{{Get: "/smoke"}}
	id := l.do(StartRollout{Plan: plan, Actor: "ana"}).ID
	if v := l.rolledBack(id); v.Path != analysis.PathSmoke || !strings.Contains(v.Text, "answered 500, not 2xx") {
		t.Errorf("%+v", v)
	}
}

func TestSmoke_ThatStableFailsTooIsShared(t *testing.T) {
	l, blue, green := newBuildLab(t, &mailbox{})
	green.good.Store(1)
	blue.good.Store(0)
	plan := watched(t, "smoke_test == failing", func(one *configs.Trigger) { one.Count = 1 })
	plan.Smoke = []configs.Smoke{{Get: "/smoke"}}
	id := l.do(StartRollout{Plan: plan, Actor: "ana"}).ID
	l.until("it is shared", func() bool { return l.rollout(id).Verdict.Kind == analysis.Shared })
	if p := l.phase(id); p != rollout.Progressing {
		t.Errorf("it is %s", p)
	}
}

func TestGauge_MemoryAboveItsLimitPutsTheTrafficBack(t *testing.T) {
	l, _, green := newBuildLab(t, &mailbox{})
	plan := watched(t, "memory > 512MiB", func(one *configs.Trigger) { one.Duration = configs.Duration(time.Second) })
	id := l.do(StartRollout{Plan: plan, Actor: "ana"}).ID
	l.until("it is measured", func() bool {
		r := l.rollout(id)
		return len(r.Rules) == 1 && r.Rules[0].Value != nil && r.Rules[0].Value.Candidate == 100<<20 && r.Rules[0].Value.Stable != nil
	})
	green.memory.Store(900 << 20)
	v := l.rolledBack(id)
	if v.Path != analysis.PathValue || v.Value == nil || v.Value.Candidate != 900<<20 || *v.Value.Stable != 100<<20 || v.Value.Limit != 512<<20 {
		t.Errorf("%+v", v)
	}
}

func TestGauge_AMetricByQueryIsObservedOrPauses(t *testing.T) {
	var orders atomic.Int64
	orders.Store(-1)
	prometheus := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		value := `[]`
		if n := orders.Load(); n >= 0 && r.FormValue("query") == `orders{version="green"}` {
			value = fmt.Sprintf(`[{"metric":{},"value":[1700000000,"%d"]}]`, n)
		}
		_, _ = io.WriteString(w, `{"status":"success","data":{"resultType":"vector","result":`+value+`}}`)
	}))
	defer prometheus.Close()
	m := &mailbox{}
	l, _, _ := newBuildLab(t, m)
	plan := watched(t, "orders < 100", func(one *configs.Trigger) {
		one.Duration, one.Action = configs.Duration(time.Second), "notify"
	})
	second := trigger(t, "orders < 10")
	second.Duration, second.Action = configs.Duration(time.Second), "pause"
	plan.Rollback.Triggers = append(plan.Rollback.Triggers, second)
	plan.Metrics = []configs.Metric{{Name: "orders", Prometheus: prometheus.URL, Query: `orders{version="{{version}}"}`, Interval: configs.Duration(time.Second)}}
	id := l.do(StartRollout{Plan: plan, Actor: "ana"}).ID
	l.until("that it has no data is an error, and no failure", func() bool {
		r := l.rollout(id)
		return r.Verdict.Kind == analysis.Unmeasured && strings.Contains(r.Verdict.Text, "the query has no data")
	})
	orders.Store(50)
	l.until("the first limit is told of, once", func() bool { return fmt.Sprint(m.of("log")) == "[1 started 2 observed]" })
	if p := l.phase(id); p != rollout.Progressing {
		t.Errorf("it is %s", p)
	}
	orders.Store(5)
	l.until("the second pauses it", func() bool { return l.phase(id) == rollout.Paused })
	if v := l.rollout(id).State.Verdict; v == nil || v.Value == nil || v.Value.Candidate != 5 {
		t.Errorf("%+v", v)
	}
	l.until("that is told", func() bool { return fmt.Sprint(m.of("log")) == "[1 started 2 observed 3 paused]" })
}

func TestNotify_OfSaysWhatWasObserved(t *testing.T) {
	v := analysis.Verdict{Kind: analysis.Fail, Text: "cpu > 80% is broken."}
	e := notify.Of(rollout.State{Service: "shop", Reason: "stage 1"}, configs.Service{}, rollout.Announce{Kind: rollout.AnnounceObserved, Verdict: &v}, "weir")
	if e.Verdict == nil || e.Verdict.Text != v.Text || e.Reason != v.Text {
		t.Errorf("%+v", e)
	}
}

// The leader alone measures, and the judge of the fleet's counts hears of it.
func TestGauge_OfAFleetIsTheLeaders(t *testing.T) {
	blue, green := newBuild(t), newBuild(t)
	endpoint := sharedEtcd(t)
	a, b := newFleetLab(t, endpoint, "a"), newFleetLab(t, endpoint, "b")
	if b.View().Leader {
		a, b = b, a
	}
	a.until("both nodes are known", func() bool { return len(a.View().Nodes) == 2 && len(b.View().Nodes) == 2 })
	doc := shop()
	doc.Versions = map[string]configs.Version{"blue": {Endpoints: []string{blue.address}}, "green": {Endpoints: []string{green.address}}}
	doc.Resources = &configs.Resources{Interval: configs.Duration(time.Second)}
	a.do(ApplyService{Document: doc, Actor: "ana"})
	b.until("the service is there", func() bool { _, ok := b.View().Service("shop"); return ok && b.tables.Load().Service("shop") != nil })
	defer a.traffic(200, func(string) bool { return false })()
	defer b.traffic(200, func(string) bool { return false })()
	plan := watched(t, "memory > 512MiB", func(one *configs.Trigger) { one.Duration = configs.Duration(time.Second) })
	id := a.do(StartRollout{Plan: plan, Actor: "ana"}).ID
	a.until("both serve the stage", func() bool { return a.picked("green") == 5000 && b.picked("green") == 5000 })
	green.memory.Store(900 << 20)
	if v := a.rolledBack(id); v.Path != analysis.PathValue {
		t.Errorf("%+v", v)
	}
	b.until("the other node put it back, too", func() bool { return b.picked("green") == 0 })
}
