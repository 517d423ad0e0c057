// Package hook asks the HTTP services that stand before a rollout: its gates and
// checks. What is only told goes through the outbox, as notifications do.
package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/call"
	"github.com/weirproxy/weir/control/rollout"
)

// Options are what a Caller works with.
type Options struct {
	Node    string // names this process in what it sends
	Secrets string // the folder below which secret_file of a hook lies

	// Now is the clock of signatures. Nil: the system's.
	Now func() time.Time
}

// Caller asks hooks. It keeps nothing but idle connections and is safe for
// concurrent use. Close it at the end.
type Caller struct {
	Options
	secrets call.Secrets
	client  *call.Client
}

// New returns a Caller that has connected to nothing. Hooks are called directly,
// without the proxy of the environment: they often run beside weir.
func New(o Options) *Caller {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Caller{Options: o, secrets: call.Secrets{Dir: o.Secrets}, client: call.NewClient(nil)}
}

// Close ends what a Caller keeps.
func (c *Caller) Close() { c.client.Close() }

// Reply is what came of asking once.
type Reply struct {
	Answer rollout.Answer
	Text   string // the hook's reason, or why there is no answer; without secrets

	// After is how long the hook asks to be left alone. 0: as the plan says.
	After time.Duration
}

// question is the body of a call. Names are stable; more may be added.
type question struct {
	Version  int                       `json:"version"` // of this form: 1
	Key      string                    `json:"key"`     // the same whenever this is asked again
	Hook     string                    `json:"hook"`
	Mode     string                    `json:"mode"`
	For      string                    `json:"for"` // what depends on the answer
	Node     string                    `json:"node,omitempty"`
	Rollout  string                    `json:"rollout"`
	Service  string                    `json:"service"`
	Strategy string                    `json:"strategy"`
	From     string                    `json:"from"`
	To       string                    `json:"to"`
	Revision string                    `json:"revision,omitempty"`
	Phase    rollout.Phase             `json:"phase"`
	Stage    int                       `json:"stage"` // from 0; -1: before the first
	Stages   int                       `json:"stages"`
	Weights  map[string]configs.Weight `json:"weights"`
	Starter  string                    `json:"starter,omitempty"`
	Started  time.Time                 `json:"started_at"`
	Meta     map[string]string         `json:"meta,omitempty"`
}

// answer is what is looked at in the body of a reply.
type answer struct {
	Hold   bool   `json:"hold"`
	Reason string `json:"reason"`
}

const (
	maxAnswer = 16 << 10
	maxReason = 300
	maxAfter  = time.Hour
)

// Ask asks once, within the hook's timeout.
func (c *Caller) Ask(ctx context.Context, q rollout.AskHook, s rollout.State) Reply {
	h := q.Hook
	h.SetDefaults()
	ctx, cancel := context.WithTimeout(ctx, h.Timeout.Std())
	defer cancel()
	body, err := json.Marshal(question{
		Version: 1, Key: q.Key, Hook: h.Name, Mode: h.Mode, For: q.For, Node: c.Node, Rollout: s.ID, Service: s.Service,
		Strategy: s.Strategy, From: s.From, To: s.To, Revision: s.Revision, Phase: s.Phase, Stage: q.Stage,
		Stages: len(s.Plan.Stages), Weights: s.Weights, Starter: s.Actor, Started: s.StartedAt, Meta: s.Plan.Meta,
	})
	if err != nil {
		return Reply{Answer: rollout.HookNone, Text: fmt.Sprintf("cannot encode the question: %v", err)}
	}
	header := http.Header{"Content-Type": {"application/json"}, "Weir-Event": {"question"}, "Weir-Key": {q.Key}}
	if h.SecretFile != "" {
		secret, err := c.secrets.Read(h.SecretFile)
		if err != nil {
			return Reply{Answer: rollout.HookNone, Text: err.Error()}
		}
		header.Set(call.SignatureHeader, call.Sign([]byte(secret), body, c.Now()))
	}
	a, err := c.client.Do(ctx, call.Request{Method: http.MethodPost, URL: h.URL, Header: header, Body: body, MaxAnswer: maxAnswer})
	if err != nil {
		return Reply{Answer: rollout.HookNone, Text: printable(err.Error())}
	}
	return read(a)
}

// read makes an answer of what came back.
func read(a call.Answer) Reply {
	var said answer
	if err := json.Unmarshal(a.Body, &said); err != nil {
		said = answer{}
		if a.Status/100 == 2 && bytes.HasPrefix(bytes.TrimSpace(a.Body), []byte("{")) {
			// It may have said hold, in a form or a length that is not read.
			return Reply{Answer: rollout.HookNone, Text: "its answer begins like JSON and cannot be read"}
		}
	}
	r := Reply{Text: printable(said.Reason), After: after(a.Header)}
	switch {
	case a.Status/100 == 2 && said.Hold, a.Status == http.StatusConflict:
		r.Answer = rollout.HookWait
	case a.Status/100 == 2:
		r.Answer = rollout.HookGo
	case a.Status == http.StatusTooManyRequests, a.Status == http.StatusBadGateway,
		a.Status == http.StatusServiceUnavailable, a.Status == http.StatusGatewayTimeout:
		r.Answer = rollout.HookNone
	default:
		r.Answer = rollout.HookRefuse
	}
	if r.Text == "" && a.Status/100 != 2 {
		r.Text = fmt.Sprintf("it answered %d %s", a.Status, http.StatusText(a.Status))
	}
	return r
}

// after reads Retry-After in seconds (RFC 9110 section 10.2.3). A date is not
// looked at: clocks differ.
func after(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, maxAfter)
}

// printable bounds what others write, and keeps it from moving a terminal.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.TrimSpace(s))
	for i := range s {
		if i > maxReason {
			return s[:i] + "…"
		}
	}
	return s
}
