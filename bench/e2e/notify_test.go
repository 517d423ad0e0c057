//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/bench/lab"
	"github.com/weirproxy/weir/control/call"
	"github.com/weirproxy/weir/control/notify/notifytest"
)

// sink stands in for Slack, PagerDuty and a CI system: it refuses everything in
// its own way until it is well.
type sink struct {
	url     string
	well    atomic.Bool
	refused atomic.Int64

	mu  sync.Mutex
	got []taken
}

// taken is one message that a sink took.
type taken struct {
	path   string
	header http.Header
	body   string
}

func newSink(t *testing.T, refuse func(w http.ResponseWriter)) *sink {
	t.Helper()
	s := &sink{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if !s.well.Load() {
			s.refused.Add(1)
			refuse(w)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.got = append(s.got, taken{r.URL.Path, r.Header, string(body)})
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *sink) taken() []taken {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// secret writes a file beside the node's.
func (w *world) secret(name, text string) {
	w.t.Helper()
	dir := filepath.Join(filepath.Dir(w.node.File), "secrets")
	w.check(os.MkdirAll(dir, 0o700))
	w.check(os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o600))
}

func (w *world) notifier(name, document string) {
	w.t.Helper()
	a, err := w.api.Call(http.MethodPut, "/v1/notifiers/"+name, lab.Document("kind: Notifier\nname: "+name+"\n"+document))
	w.check(err)
	if a.Status != http.StatusCreated {
		w.t.Fatalf("notifier %s: %d %s", name, a.Status, a.Body)
	}
}

// waiting is how many events a notifier is still to be told of.
func (w *world) waiting(name string) int {
	w.t.Helper()
	a, err := w.api.Call(http.MethodGet, "/v1/notifiers/"+name, nil)
	w.check(err)
	var n struct {
		Waiting int `json:"waiting"`
	}
	w.check(a.Into(&n))
	return n.Waiting
}

// TestNotifiers_BrokenSinksHoldUpNoRollback breaks all sinks: Slack answers 500,
// SMTP hangs, PagerDuty says 429, the CI system drops connections. The candidate
// is put back, and everybody is told when the sinks are well again.
func TestNotifiers_BrokenSinksHoldUpNoRollbackAndHearOfItLater(t *testing.T) {
	w := newWorld(t, options{})
	slack := newSink(t, func(rw http.ResponseWriter) { rw.WriteHeader(http.StatusInternalServerError) })
	pager := newSink(t, func(rw http.ResponseWriter) {
		rw.Header().Set("Retry-After", "2")
		rw.WriteHeader(http.StatusTooManyRequests)
	})
	ci := newSink(t, func(http.ResponseWriter) { panic(http.ErrAbortHandler) })
	wake := make(chan struct{})
	awake := sync.OnceFunc(func() { close(wake) })
	smtp := notifytest.NewSMTP(t, wake)
	t.Cleanup(awake)
	w.secret("slack", slack.url+"/services/T0/B0/hush")
	w.secret("pagerduty", "0123456789abcdef0123456789abcdef")
	w.secret("hook", "a-secret-of-ci")
	w.notifier("deployments", "slack: {webhook_url_file: secrets/slack}\non: [started, stage, succeeded, failed, rolled_back]\n")
	w.notifier("failures", fmt.Sprintf("email: {smtp: %q, from: weir@example.com, to: [oncall@example.com]}\non: [failed, rolled_back]\n", smtp.Address))
	w.notifier("pager", fmt.Sprintf("pagerduty: {routing_key_file: secrets/pagerduty, url: %q}\non: [failed, rolled_back]\n", pager.url))
	w.notifier("ci", fmt.Sprintf("webhook: {url: %q, secret_file: secrets/hook}\non: [all]\n", ci.url+"/hooks/weir"))

	traffic := w.load().Open(400)
	id := w.begin(canary("{weight: 30%, duration: 60s}") + "meta: {by: \"@sarah\", via: GitHub Actions, pipeline: \"https://ci.example.com/runs/812\"}\n")
	w.awaitStage(id, 0, 20*time.Second)
	w.check(lab.Await("the first refusals", 20*time.Second, func() (bool, error) { return slack.refused.Load() > 0 && ci.refused.Load() > 0, nil }))
	fault := w.fail(w.green, "errors=0.5")
	w.await(id, "rolled_back", 20*time.Second)
	back := time.Now()
	last := w.stats(w.green).LastAt()
	time.Sleep(time.Second)
	shots := traffic.Stop()
	w.only("blue", shots.After(back))
	t.Logf("all sinks down: fault to last candidate request %s", last.Sub(fault).Round(time.Millisecond))
	for _, name := range []string{"deployments", "failures", "pager", "ci"} {
		if n := w.waiting(name); n == 0 {
			t.Errorf("nothing waits for %s, which took nothing", name)
		}
	}

	for _, s := range []*sink{slack, pager, ci} {
		s.well.Store(true)
	}
	awake()
	w.check(lab.Await("everybody is told", 90*time.Second, func() (bool, error) {
		return len(slack.taken()) >= 2 && len(pager.taken()) >= 1 && len(ci.taken()) >= 2 && len(smtp.Mails("oncall@example.com")) >= 1, nil
	}))
	w.holds(slack.taken()[0].body, "Rollout started: shop green", "by @sarah via GitHub Actions", "<https://ci.example.com/runs/812|View pipeline>")
	w.holds(slack.taken()[1].body, "Rolled back: shop green", "Error: error_rate &gt; 1% is broken", "All traffic is back on blue.")
	w.holds(smtp.Mails("oncall@example.com")[0], "Subject: Rolled back: shop green", "All traffic is back on blue.")
	w.holds(pager.taken()[0].body, `"event_action":"trigger"`, `"dedup_key":"weir/default/`+id+`"`, "Rolled back")
	var order []string
	for _, m := range ci.taken() {
		if err := call.Verify(m.header.Get(call.SignatureHeader), []byte("a-secret-of-ci"), []byte(m.body), time.Now(), 5*time.Minute); err != nil {
			t.Errorf("%s: %v", m.header.Get("Weir-Key"), err)
		}
		order = append(order, m.header.Get("Weir-Key")+" "+m.header.Get("Weir-Event"))
	}
	if want := []string{id + "/1 started", id + "/2 rolled_back"}; !slices.Equal(slices.Compact(order), want) {
		t.Errorf("told %q, want %q", order, want)
	}
	a, err := w.api.Call(http.MethodPost, "/v1/notifiers/deployments/test", nil)
	w.check(err)
	if a.Status != http.StatusOK || !strings.Contains(slack.taken()[len(slack.taken())-1].body, "This notifier works.") {
		t.Errorf("the test message: %d %s", a.Status, a.Body)
	}
	log, err := os.ReadFile(w.node.Log)
	w.check(err)
	for _, hushed := range []string{"hush", "0123456789abcdef0123456789abcdef", "a-secret-of-ci"} {
		if strings.Contains(string(log), hushed) {
			t.Errorf("the log holds the secret %q", hushed)
		}
	}
}

// TestGuard_PutsBackWhenAMetricOfTheOperatorsOwnFalls moves weights by hand under
// a guard that asks a Prometheus.
func TestGuard_PutsBackWhenAMetricOfTheOperatorsOwnFalls(t *testing.T) {
	var orders atomic.Int64
	orders.Store(500)
	prometheus := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1700000000,"%d"]}]}}`, orders.Load())
	}))
	defer prometheus.Close()
	w := newWorld(t, options{sticky: fmt.Sprintf(`guard:
  metrics:
    - {name: orders_per_minute, prometheus: %q, query: "sum(rate(orders_total[1m]))*60", interval: 1s}
  triggers:
    - {condition: error_rate > 1%%, duration: 5m}
    - {condition: orders_per_minute < 100, duration: 2s}
`, prometheus.URL)})
	traffic := w.load().Open(300)
	w.check(w.api.Weigh("shop", map[string]string{"blue": "50%", "green": "50%"}))
	s, err := w.api.Service("shop")
	w.check(err)
	id := s.Rollout
	w.check(lab.Await("the metric is shown", 20*time.Second, func() (bool, error) {
		a, err := w.api.Call(http.MethodGet, "/v1/rollouts/"+id+"/why", nil)
		if err != nil {
			return false, err
		}
		return strings.Contains(string(a.Body), `"measured":{"candidate":500,"limit":100}`), nil
	}))
	orders.Store(20)
	fell := time.Now()
	r := w.await(id, "rolled_back", 30*time.Second)
	back := time.Now()
	time.Sleep(time.Second)
	shots := traffic.Stop()
	w.unharmed(shots)
	w.only("blue", shots.After(back))
	w.holds(r.Reason, "orders_per_minute < 100 is broken: 20 on the candidate")
	t.Logf("from the fall of the metric to the roll-back: %s", back.Sub(fell).Round(time.Millisecond))
	a, err := w.api.Call(http.MethodGet, "/v1/rollouts/"+id+"/why", nil)
	w.check(err)
	var why struct {
		Decision struct {
			Path string `json:"path"`
			Text string `json:"text"`
		} `json:"decision"`
	}
	w.check(json.Unmarshal(a.Body, &why))
	if why.Decision.Path != "value" || !strings.Contains(why.Decision.Text, "does not cover this rule") {
		t.Errorf("why: %s", a.Body)
	}
}
