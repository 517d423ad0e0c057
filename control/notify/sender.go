package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/call"
)

// sendTimeout bounds one delivery: a server that hangs holds up its own
// notifier for so long, and nothing else.
const sendTimeout = 20 * time.Second

// maxReply is how much of a refusal is shown to people.
const maxReply = 200

// SenderOptions are what a Sender works with.
type SenderOptions struct {
	// Place is where this is, as messages say it. Empty: not said.
	Place string

	// PublicURL is where people reach the control address with a browser; messages
	// then lead to the rollout's page. Empty: they do not.
	PublicURL string

	// Secrets is the folder below which the secrets lie that notifiers name by
	// file. Empty: the one that the process runs in.
	Secrets string

	// Node names this process in what it sends. Now is the clock of signatures;
	// nil: the system's.
	Node string
	Now  func() time.Time
}

// Sender delivers messages. It keeps nothing between two deliveries but idle
// connections, and is safe for concurrent use. Close it at the end.
type Sender struct {
	SenderOptions
	secrets call.Secrets
	client  *call.Client
}

// NewSender returns a Sender that has connected to nothing. Its HTTP goes through
// the proxy that the environment names, if it names one.
func NewSender(o SenderOptions) *Sender {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Sender{SenderOptions: o, secrets: call.Secrets{Dir: o.Secrets}, client: call.NewClient(http.ProxyFromEnvironment)}
}

// Close ends what a Sender keeps.
func (s *Sender) Close() { s.client.Close() }

// Send tells one notifier of one entry, once. The error has ErrRefused in its
// chain if trying again is in vain, and a RetryAfter if the other side said when
// to. It never shows a secret.
func (s *Sender) Send(ctx context.Context, n *configs.Notifier, e *Entry) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if n.Tracker != nil {
		return s.tracker(ctx, n.Tracker, e)
	}
	if n.Hub != nil {
		return s.hub(ctx, n.Hub, e)
	}
	m := Compose(e, s.Place)
	if s.PublicURL != "" && e.Kind != KindTest {
		page := Link{Name: "View rollout", URL: strings.TrimSuffix(s.PublicURL, "/") + "/rollouts/" + url.PathEscape(e.Rollout)}
		m.Links = append([]Link{page}, m.Links...)
	}
	switch {
	case n.Slack != nil:
		return s.slack(ctx, n.Slack, e, m)
	case n.Email != nil:
		return s.email(ctx, n.Email, e, m)
	case n.PagerDuty != nil:
		return s.pagerDuty(ctx, n.PagerDuty, e, m)
	case n.Webhook != nil:
		return s.webhook(ctx, n.Webhook, e, m)
	}
	return fmt.Errorf("%w: the notifier has no target that this release of weir knows", ErrRefused)
}

// post sends a JSON body. Sign, if it is not empty, is the secret of a signature.
func (s *Sender) post(ctx context.Context, address string, body any, header http.Header, sign string) error {
	var encoded bytes.Buffer
	e := json.NewEncoder(&encoded)
	e.SetEscapeHTML(false) // nobody shows it as HTML, and conditions hold < and >
	if err := e.Encode(body); err != nil {
		return fmt.Errorf("%w: cannot encode the message: %w", ErrRefused, err)
	}
	raw := bytes.TrimSpace(encoded.Bytes())
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", "application/json")
	if sign != "" {
		header.Set(call.SignatureHeader, call.Sign([]byte(sign), raw, s.Now()))
	}
	a, err := s.client.Do(ctx, call.Request{Method: http.MethodPost, URL: address, Header: header, Body: raw, MaxAnswer: 4 << 10})
	if err != nil {
		return err
	}
	return s.judge(a)
}

// judge tells a delivery from a refusal for now and one for good. What an
// operator can mend without a new message, a wrong secret say, is tried again.
func (s *Sender) judge(a call.Answer) error {
	if a.Status/100 == 2 {
		return nil
	}
	err := fmt.Errorf("it answered %d %s", a.Status, http.StatusText(a.Status))
	if said := line(strings.TrimSpace(string(a.Body)), maxReply); said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	switch a.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if after := s.retryAfter(a.Header.Get("Retry-After")); after > 0 {
		return &RetryAfter{After: after, Err: err}
	}
	return err
}

// retryAfter reads seconds or a date (RFC 9110 section 10.2.3); 0: neither.
func (s *Sender) retryAfter(v string) time.Duration {
	if v == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(at.Sub(s.Now()), 0)
	}
	return 0
}
