package control

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/notify"
	"github.com/weirproxy/weir/control/rollout"
)

func webhook(name, url string, on ...string) configs.Notifier {
	return configs.Notifier{Name: name, Webhook: &configs.WebhookTarget{URL: url}, On: on}
}

func TestNotifier_IsAppliedShownAndDeleted(t *testing.T) {
	l := newLab(t)
	doc := webhook("ci", "http://127.0.0.1:9999/", "all")
	if r := l.do(ApplyNotifier{Document: doc, Actor: "ana"}); !r.Created || r.Text != "notifier ci created" {
		t.Errorf("created: %+v", r)
	}
	if r := l.do(ApplyNotifier{Document: doc, Actor: "ana"}); r.Revision != 0 || r.Text != "notifier ci unchanged" {
		t.Errorf("applied again: %+v", r)
	}
	doc.On = []string{"failed"}
	if r := l.do(ApplyNotifier{Document: doc, DryRun: true, Actor: "ana"}); r.Revision != 0 || len(r.Changes) != 1 || !strings.Contains(r.Changes[0], "on: ") {
		t.Errorf("dry run: %+v", r)
	}
	l.until("the first form is shown", func() bool {
		n, ok := l.View().Notifier("ci")
		return ok && slices.Equal(n.Document.On, []string{"all"})
	})
	l.do(ApplyNotifier{Document: doc, Actor: "ana"})
	l.until("the change is shown", func() bool {
		n, ok := l.View().Notifier("ci")
		return ok && slices.Equal(n.Document.On, []string{"failed"})
	})
	if e := l.refused(ApplyNotifier{Document: doc, IfMatch: -1, Actor: "nobody"}); e.Kind != Stale {
		t.Errorf("created twice: %+v", e)
	}
	if e := l.refused(ApplyNotifier{Document: doc, IfMatch: 1, Actor: "nobody"}); e.Kind != Stale {
		t.Errorf("of another revision: %+v", e)
	}
	if e := l.refused(DeleteNotifier{Name: "none", Actor: "nobody"}); e.Kind != NotFound {
		t.Errorf("deleted what is not there: %+v", e)
	}
	l.do(DeleteNotifier{Name: "ci", Actor: "ana"})
	l.until("it is gone", func() bool { _, ok := l.View().Notifier("ci"); return !ok })
}

func TestNotifier_ThereAreNoMoreThanItsLimit(t *testing.T) {
	l := newLab(t)
	for i := range maxNotifiers {
		l.do(ApplyNotifier{Document: webhook(fmt.Sprintf("n%d", i), "http://127.0.0.1:9999/", "all"), Actor: "ana"})
	}
	if e := l.refused(ApplyNotifier{Document: webhook("one-more", "http://127.0.0.1:9999/", "all"), Actor: "nobody"}); e.Kind != Conflict {
		t.Errorf("one more: %+v", e)
	}
	l.do(ApplyNotifier{Document: webhook("n0", "http://127.0.0.1:9998/", "all"), Actor: "ana"})
}

func TestNotifier_IsTriedWithoutTheOutbox(t *testing.T) {
	m := &mailbox{}
	l := newMailLab(t, m, all("log"))
	l.until("it is shown", func() bool { _, ok := l.View().Notifier("log"); return ok })
	if _, err := l.TestNotifier(t.Context(), "log", "ana"); err != nil || !slices.Equal(m.of("log"), []string{"0 test"}) {
		t.Errorf("%v; it got %q", err, m.of("log"))
	}
	m.set(func(*configs.Notifier, *notify.Entry) error { return errors.New("it answered 500") })
	var e *Error
	if _, err := l.TestNotifier(t.Context(), "log", "ana"); !errors.As(err, &e) || e.Kind != Undelivered || !strings.Contains(e.Text, "it answered 500") {
		t.Errorf("refused: %v", err)
	}
	if _, err := l.TestNotifier(t.Context(), "none", "ana"); !errors.As(err, &e) || e.Kind != NotFound {
		t.Errorf("of none: %v", err)
	}
}

// stubborn is an HTTP receiver that answers 429 until it is told otherwise.
type stubborn struct {
	url string

	mu   sync.Mutex
	well bool
	got  []string // keys, in order
}

func newStubborn(t *testing.T) *stubborn {
	t.Helper()
	s := &stubborn{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.well {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		s.got = append(s.got, r.Header.Get("Weir-Key")+" "+r.Header.Get("Weir-Event"))
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *stubborn) recover() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.well = true
}

func (s *stubborn) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Compact(slices.Clone(s.got))
}

// Real channels, all of them out of order: Slack is down, the SMTP server takes
// connections and says nothing, the webhook answers 429. The candidate is put
// back all the same, and what could not be told is told after the recovery.
func TestNotifier_ThatFailsHoldsUpNoRollback(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "slack"), []byte("http://127.0.0.1:1/hush"), 0o600); err != nil {
		t.Fatal(err)
	}
	sender := notify.NewSender(notify.SenderOptions{Secrets: dir})
	defer sender.Close()
	ci := newStubborn(t)
	l := &lab{t: t, dir: t.TempDir(), base: time.Now(), deliver: sender.Send}
	l.start()
	t.Cleanup(func() { l.stop() })
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	for _, n := range []configs.Notifier{
		{Name: "slack", Slack: &configs.SlackTarget{WebhookURLFile: "slack"}, On: []string{"all"}},
		{Name: "mail", Email: &configs.EmailTarget{SMTP: silent.Addr().String(), From: "weir@example.com", To: []string{"ana@example.com"}}, On: []string{"all"}},
		webhook("ci", ci.url, "all"),
	} {
		l.do(ApplyNotifier{Document: n, Actor: "ana"})
	}
	stop := l.traffic(400, func(version string) bool { return version == "green" })
	defer stop()
	id := l.do(StartRollout{Plan: canary(stage(2000, time.Hour)), Actor: "ana"}).ID
	l.until("it is rolled back", func() bool { return l.phase(id) == rollout.RolledBack && l.picked("green") == 0 })
	l.until("what waits is shown with the reason", func() bool {
		n, ok := l.View().Notifier("ci")
		return ok && n.Waiting == 2 && strings.Contains(n.LastError, "429")
	})
	l.until("Slack's error is shown, without its address", func() bool {
		n, ok := l.View().Notifier("slack")
		return ok && n.Waiting == 2 && n.LastError != "" && !strings.Contains(n.LastError, "hush")
	})
	ci.recover()
	l.until("all is told", func() bool { return len(ci.keys()) == 2 })
	if want := []string{id + "/1 started", id + "/2 rolled_back"}; !slices.Equal(ci.keys(), want) {
		t.Errorf("told %q, not %q", ci.keys(), want)
	}
	l.until("nothing waits for it", func() bool { n, ok := l.View().Notifier("ci"); return ok && n.Waiting == 0 })
	var b strings.Builder
	l.WriteMetrics(&b)
	for _, want := range []string{
		`weir_notifications_total{notifier="ci",result="delivered"} 2`, `weir_notifications_total{notifier="ci",result="failed"} `,
		`weir_notifications_total{notifier="slack",result="failed"} `,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

func TestNotifier_DeadLettersAreCounted(t *testing.T) {
	m := &mailbox{fails: func(*configs.Notifier, *notify.Entry) error { return fmt.Errorf("no: %w", notify.ErrRefused) }}
	l := newMailLab(t, m, all("log"))
	l.released()
	l.until("all are given up", func() bool {
		n, ok := l.View().Notifier("log")
		return ok && n.Dead == 4 && n.Waiting == 0 && strings.Contains(n.LastError, "refused for good")
	})
	var b strings.Builder
	l.WriteMetrics(&b)
	if want := `weir_notifications_total{notifier="log",result="dead"} 4`; !strings.Contains(b.String(), want) {
		t.Errorf("the metrics lack %s", want)
	}
}

func TestController_SaysWhatANotifierLacksHere(t *testing.T) {
	l := newLab(t)
	if got := l.CheckNotifier(&configs.Notifier{}); got != nil {
		t.Errorf("without a check: %q", got)
	}
	l.opts.CheckNotifier = func(*configs.Notifier) []string { return []string{"no secret"} }
	if got := l.CheckNotifier(&configs.Notifier{}); !slices.Equal(got, []string{"on node one: no secret"}) {
		t.Errorf("got %q", got)
	}
}

// The notifiers of the contract, exactly as they stand, are told what they ask for.
func TestNotifier_OfTheContractIsTold(t *testing.T) {
	file := "../configs/testdata/contract/notifiers.yaml"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	documents, err := configs.Decode(file, data)
	if err != nil {
		t.Fatal(err)
	}
	m := &mailbox{}
	l := newMailLab(t, m)
	for _, d := range documents {
		if d.Notifier != nil {
			l.do(ApplyNotifier{Document: *d.Notifier, Actor: "ana"})
		}
	}
	stop := l.traffic(400, func(version string) bool { return version == "green" })
	defer stop()
	id := l.do(StartRollout{Plan: canary(stage(2000, time.Hour)), Actor: "ana"}).ID
	l.until("it is rolled back", func() bool { return l.phase(id) == rollout.RolledBack })
	want := map[string][]string{
		"deployments": {"1 started", "2 rolled_back"}, "failures": {"2 rolled_back"}, "pager": {"2 rolled_back"}, "ci": {"1 started", "2 rolled_back"},
	}
	l.until("all are told", func() bool {
		for name, events := range want {
			if len(m.of(name)) < len(events) {
				return false
			}
		}
		return true
	})
	for name, events := range want {
		if got := m.of(name); !slices.Equal(got, events) {
			t.Errorf("%s was told %q, not %q", name, got, events)
		}
	}
}
