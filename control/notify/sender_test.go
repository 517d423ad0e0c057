package notify

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/call"
	"github.com/weirproxy/weir/control/notify/notifytest"
)

// receiver is an HTTP server that keeps what it is sent.
type receiver struct {
	url string

	mu       sync.Mutex
	status   int
	header   http.Header
	requests []*http.Request
	bodies   []string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{status: http.StatusOK, header: http.Header{}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.requests, r.bodies = append(r.requests, req), append(r.bodies, string(body))
		for name, values := range r.header {
			w.Header()[name] = values
		}
		w.WriteHeader(r.status)
		_, _ = io.WriteString(w, "said the server")
	}))
	t.Cleanup(s.Close)
	r.url = s.URL
	return r
}

func (r *receiver) answer(status int, header ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status, r.header = status, http.Header{}
	for i := 0; i < len(header); i += 2 {
		r.header.Set(header[i], header[i+1])
	}
}

func (r *receiver) last() (*http.Request, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests[len(r.requests)-1], r.bodies[len(r.bodies)-1]
}

const routingKey = "0123456789abcdef0123456789ABCDEF"

// newSender is a Sender with the secrets slack, key, hook and password.
func newSender(t *testing.T, slackURL string) *Sender {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"slack": slackURL + "/services/T0/hush\n", "key": routingKey, "hook": "hush", "password": "hush"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := NewSender(SenderOptions{Place: "production", Node: "edge-1", Secrets: dir})
	t.Cleanup(s.Close)
	return s
}

func TestSender_PostsToSlack(t *testing.T) {
	r := newReceiver(t)
	n := &configs.Notifier{Slack: &configs.SlackTarget{WebhookURLFile: "slack"}}
	if err := newSender(t, r.url).Send(t.Context(), n, stories()["rolled_back"]); err != nil {
		t.Fatal(err)
	}
	req, body := r.last()
	var m slackMessage
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatal(err)
	}
	if req.URL.Path != "/services/T0/hush" || req.Header.Get("Content-Type") != "application/json" || m.Text != "*Rolled back: shop green → production*" {
		t.Errorf("%s %s: %s", req.URL.Path, req.Header.Get("Content-Type"), m.Text)
	}
}

func TestSender_OpensAndResolvesOneAlertOfARollout(t *testing.T) {
	r := newReceiver(t)
	r.answer(http.StatusAccepted)
	s := newSender(t, r.url)
	n := &configs.Notifier{PagerDuty: &configs.PagerDutyTarget{RoutingKeyFile: "key", URL: r.url}}
	f := func(story, path, action, key string) {
		t.Helper()
		if err := s.Send(t.Context(), n, stories()[story]); err != nil {
			t.Fatalf("%s: %v", story, err)
		}
		req, body := r.last()
		var e pagerEvent
		if err := json.Unmarshal([]byte(body), &e); err != nil {
			t.Fatal(err)
		}
		if req.URL.Path != path || e.Action != action || e.DedupKey != key || e.RoutingKey != routingKey {
			t.Errorf("%s: %s, %q of %q with %q", story, req.URL.Path, e.Action, e.DedupKey, e.RoutingKey)
		}
	}
	const alert = "weir/production/shop-20260302-0930-abcde"
	f("paused", "/v2/enqueue", "trigger", alert)
	f("resumed", "/v2/enqueue", "resolve", alert)
	f("rolled_back", "/v2/enqueue", "trigger", alert)
	f("succeeded", "/v2/enqueue", "resolve", alert)
	f("started", "/v2/change/enqueue", "", "")

	// A retry that succeeds is what the first one was about.
	retried := stories()["succeeded"]
	retried.Rollout, retried.Event.Retries = "shop-20260302-1000-fghij", retried.Rollout
	if err := s.Send(t.Context(), n, retried); err != nil {
		t.Fatal(err)
	}
	if _, body := r.last(); !strings.Contains(body, alert) || !strings.Contains(body, `"resolve"`) {
		t.Errorf("a retry that succeeded: %s", body)
	}
}

func TestSender_LeadsToTheRolloutsPage(t *testing.T) {
	r := newReceiver(t)
	s := newSender(t, r.url)
	const page = "https://weir.example.com/rollouts/shop-20260302-0930-abcde"
	for _, n := range []*configs.Notifier{
		{Slack: &configs.SlackTarget{WebhookURLFile: "slack"}},
		{PagerDuty: &configs.PagerDutyTarget{RoutingKeyFile: "key", URL: r.url}},
		{Webhook: &configs.WebhookTarget{URL: r.url}},
	} {
		for _, public := range []string{"", "https://weir.example.com/"} {
			s.PublicURL = public
			if err := s.Send(t.Context(), n, stories()["rolled_back"]); err != nil {
				t.Fatal(err)
			}
			if _, body := r.last(); strings.Contains(body, page) != (public != "") {
				t.Errorf("%s by %q: %s", n.Channel(), public, body)
			}
		}
	}
}

func TestSender_SignsAWebhook(t *testing.T) {
	r := newReceiver(t)
	n := &configs.Notifier{Webhook: &configs.WebhookTarget{URL: r.url, SecretFile: "hook"}}
	s := newSender(t, r.url)
	for range 2 {
		if err := s.Send(t.Context(), n, stories()["succeeded"]); err != nil {
			t.Fatal(err)
		}
		req, body := r.last()
		if err := call.Verify(req.Header.Get(call.SignatureHeader), []byte("hush"), []byte(body), time.Now(), time.Minute); err != nil {
			t.Error(err)
		}
		if got := req.Header.Get("Weir-Key") + " " + req.Header.Get("Weir-Event"); got != "shop-20260302-0930-abcde/3 succeeded" {
			t.Errorf("key and event are %q", got)
		}
	}
	n.Webhook.SecretFile = ""
	if err := s.Send(t.Context(), n, stories()["succeeded"]); err != nil {
		t.Fatal(err)
	}
	if req, _ := r.last(); req.Header.Get(call.SignatureHeader) != "" {
		t.Error("signed without a secret")
	}
}

func TestSender_TellsARefusalForNowFromOneForGood(t *testing.T) {
	r := newReceiver(t)
	n := &configs.Notifier{Webhook: &configs.WebhookTarget{URL: r.url}}
	s := newSender(t, r.url)
	f := func(status int, refused bool, after time.Duration, header ...string) {
		t.Helper()
		r.answer(status, header...)
		err := s.Send(t.Context(), n, stories()["started"])
		var wait *RetryAfter
		if errors.As(err, &wait) != (after > 0) || after > 0 && (wait.After > after || wait.After < after-30*time.Second) {
			t.Errorf("%d %v: it is to be tried again after %v", status, header, wait)
		}
		if err == nil || errors.Is(err, ErrRefused) != refused || !strings.Contains(err.Error(), "said the server") {
			t.Errorf("%d: %v", status, err)
		}
	}
	f(400, true, 0)
	f(413, true, 0)
	f(401, false, 0)
	f(404, false, 0)
	f(302, false, 0)
	f(500, false, 0)
	f(429, false, 30*time.Second, "Retry-After", "30")
	f(503, false, time.Hour, "Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
	f(503, false, 0, "Retry-After", "soon")
	f(503, false, 0, "Retry-After", "-5")
}

func TestSender_ShowsNoSecretInAnError(t *testing.T) {
	s := newSender(t, "http://127.0.0.1:1")
	for _, n := range []*configs.Notifier{
		{Slack: &configs.SlackTarget{WebhookURLFile: "slack"}},   // nobody listens
		{Slack: &configs.SlackTarget{WebhookURLFile: "hook"}},    // no URL
		{Slack: &configs.SlackTarget{WebhookURLFile: "missing"}}, // no file
		{PagerDuty: &configs.PagerDutyTarget{RoutingKeyFile: "hook"}},
		{Email: &configs.EmailTarget{SMTP: "127.0.0.1:1", From: "a@b.c", To: []string{"d@e.f"}, Username: "u", PasswordFile: "password"}},
		{Webhook: &configs.WebhookTarget{URL: "http://127.0.0.1:1", SecretFile: "hook"}},
		{},
	} {
		if err := s.Send(t.Context(), n, stories()["started"]); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", indented(t, n), err)
		}
	}
}

func TestSender_EndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	smtp := notifytest.NewSMTP(t, release)
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(web.Close)
	t.Cleanup(func() { close(release) })
	s := newSender(t, web.URL)
	for _, n := range []*configs.Notifier{
		{Email: &configs.EmailTarget{SMTP: smtp.Address, From: "weir@example.com", To: []string{"oncall@example.com"}}},
		{Slack: &configs.SlackTarget{WebhookURLFile: "slack"}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		began := time.Now()
		err := s.Send(ctx, n, stories()["started"])
		cancel()
		if err == nil || time.Since(began) > sendTimeout/2 {
			t.Errorf("%s: %v after %s", indented(t, n), err, time.Since(began))
		}
	}
}

func TestSender_MailsEachRecipient(t *testing.T) {
	smtp := notifytest.NewSMTP(t, nil)
	s := newSender(t, "")
	n := &configs.Notifier{Email: &configs.EmailTarget{SMTP: smtp.Address, From: "Weir <weir@example.com>", To: []string{"ana@example.com", "ben@example.com"}}}
	for range 2 {
		if err := s.Send(t.Context(), n, stories()["rolled_back"]); err != nil {
			t.Fatal(err)
		}
	}
	for _, to := range n.Email.To {
		mails := smtp.Mails(to)
		if len(mails) != 2 {
			t.Fatalf("%s got %d mails", to, len(mails))
		}
		id := func(mail string) string { return between(mail, "Message-ID: ", "\r\n") }
		if id(mails[0]) == "" || id(mails[0]) != id(mails[1]) {
			t.Errorf("%s: a duplicate has another id: %q, %q", to, id(mails[0]), id(mails[1]))
		}
		if !strings.Contains(mails[0], "Rolled_back:_shop_green") || !strings.Contains(mails[0], "All traffic is back on blue.") {
			t.Errorf("%s got %s", to, mails[0])
		}
	}
}

func TestSender_MailsTheOthersWhenOneIsRefused(t *testing.T) {
	smtp := notifytest.NewSMTP(t, nil)
	s := newSender(t, "")
	n := &configs.Notifier{Email: &configs.EmailTarget{SMTP: smtp.Address, From: "weir@example.com", To: []string{"gone@example.com", "ben@example.com"}}}
	smtp.Refuse("gone@example.com", "550 no such user")
	err := s.Send(t.Context(), n, stories()["failed"])
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "no such user") || len(smtp.Mails("ben@example.com")) != 1 {
		t.Errorf("for good: %v; ben got %d mails", err, len(smtp.Mails("ben@example.com")))
	}
	smtp.Refuse("gone@example.com", "451 come back later")
	if err = s.Send(t.Context(), n, stories()["failed"]); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("for now: %v", err)
	}
	smtp.Refuse("gone@example.com", "")
	smtp.Greet("421 busy")
	if err = s.Send(t.Context(), n, stories()["failed"]); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("busy: %v", err)
	}
}

func TestSender_SaysNoPasswordInClear(t *testing.T) {
	smtp := notifytest.NewSMTP(t, nil)
	s := newSender(t, "")
	email := &configs.EmailTarget{SMTP: smtp.Address, From: "weir@example.com", To: []string{"ana@example.com"}, Username: "weir", PasswordFile: "password"}
	if err := s.Send(t.Context(), &configs.Notifier{Email: email}, stories()["failed"]); err == nil || smtp.Heard("AUTH") {
		t.Errorf("a login without TLS: %v", err)
	}
	email.Username, email.TLS = "", "starttls"
	if err := s.Send(t.Context(), &configs.Notifier{Email: email}, stories()["failed"]); err == nil || smtp.Heard("MAIL") {
		t.Errorf("mail without the TLS that is asked for: %v", err)
	}
	email.TLS = "implicit"
	if err := s.Send(t.Context(), &configs.Notifier{Email: email}, stories()["failed"]); err == nil || smtp.Heard("MAIL") {
		t.Errorf("mail without the TLS that is asked for: %v", err)
	}
}

// A mail server of one's own, whose certificate no authority of the system signed.
func TestSender_LogsInAtAServerOfOnesOwnAuthority(t *testing.T) {
	authority := httptest.NewTLSServer(nil)
	authority.Close()
	smtp := notifytest.NewSecureSMTP(t, authority.TLS.Certificates[0], "weir", "hush")
	s := newSender(t, "")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Certificate().Raw})
	for name, text := range map[string]string{"ca.pem": string(certificate), "empty.pem": "none", "wrong": "guess"} {
		if err := os.WriteFile(filepath.Join(s.Secrets, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := func(what, refusal string, change func(e *configs.EmailTarget)) {
		t.Helper()
		before := len(smtp.Mails("ana@example.com"))
		email := &configs.EmailTarget{
			SMTP: smtp.Address, From: "weir@example.com", To: []string{"ana@example.com"}, TLS: "starttls",
			CAFile: "ca.pem", Username: "weir", PasswordFile: "password",
		}
		change(email)
		err := s.Send(t.Context(), &configs.Notifier{Email: email}, stories()["failed"])
		got := len(smtp.Mails("ana@example.com")) - before
		if refusal == "" && (err != nil || got != 1) {
			t.Errorf("%s: %v, %d mails", what, err, got)
		}
		// Whatever is wrong here an operator can mend: it is tried again.
		if refusal != "" && (err == nil || !strings.Contains(err.Error(), refusal) || errors.Is(err, ErrRefused) || got != 0) {
			t.Errorf("%s: %v, %d mails", what, err, got)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: the error shows the password: %v", what, err)
		}
	}
	f("all is right", "", func(*configs.EmailTarget) {})
	f("TLS if there is some", "", func(e *configs.EmailTarget) { e.TLS = "auto" })
	f("the system's authorities", "certificate", func(e *configs.EmailTarget) { e.CAFile = "" })
	f("no authority in the file", "no certificate", func(e *configs.EmailTarget) { e.CAFile = "empty.pem" })
	f("a wrong password", "535", func(e *configs.EmailTarget) { e.PasswordFile = "wrong" })
	smtp.Offer("LOGIN")
	f("a server that knows LOGIN alone", "", func(*configs.EmailTarget) {})
	f("a wrong password by LOGIN", "535", func(e *configs.EmailTarget) { e.PasswordFile = "wrong" })
	if !smtp.Heard("AUTH LOGIN") || !smtp.Heard("AUTH PLAIN") {
		t.Error("both ways to log in were to be tried")
	}
	f("no login", "530", func(e *configs.EmailTarget) { e.Username = "" })
	if problems := s.Check(&configs.Notifier{Email: &configs.EmailTarget{CAFile: "empty.pem"}}); len(problems) != 1 {
		t.Errorf("applying it says %q", problems)
	}
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}
