package control

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/call"
	"github.com/weirproxy/weir/control/notify"
)

// NotifierView is one notifier with what is on its way to it.
type NotifierView struct {
	Document    configs.Notifier
	ModRevision int64
	Waiting     int       // events that are still to be told
	Dead        int       // events that were given up
	Since       time.Time // when the oldest event that waits happened; zero: none waits
	LastError   string    // of what waits or was given up: why the last delivery failed
	FailedAt    time.Time // when that was
}

// What became of a delivery, as metrics say it.
const (
	resultDelivered = "delivered"
	resultFailed    = "failed" // and is tried again
	resultDead      = "dead"   // and was given up
)

// count counts a delivery to a notifier.
func (c *Controller) count(after notify.Entry, failure error) {
	name, ok := strings.CutPrefix(after.To, notify.ToNotifier(""))
	if !ok {
		return
	}
	result := resultDelivered
	switch {
	case failure != nil && after.Dead:
		result = resultDead
	case failure != nil:
		result = resultFailed
	}
	c.notifications.add(versionID{name, result})
}

// listNotifiers are all notifiers by name. The slice must not be changed.
func (m *mirror) listNotifiers() []NotifierView {
	if m.listed != nil {
		return m.listed
	}
	m.listed = []NotifierView{}
	at := map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(m.notifiers)) {
		at[notify.ToNotifier(name)] = len(m.listed)
		n := m.notifiers[name]
		m.listed = append(m.listed, NotifierView{Document: n.value, ModRevision: n.mod})
	}
	for _, e := range m.outbox {
		i, ok := at[e.value.To]
		if !ok {
			continue
		}
		n := &m.listed[i]
		if e.value.Dead {
			n.Dead++
		} else if n.Waiting++; n.Since.IsZero() || e.value.At.Before(n.Since) {
			n.Since = e.value.At
		}
		if e.value.TriedAt.After(n.FailedAt) {
			n.FailedAt, n.LastError = e.value.TriedAt, e.value.LastError
		}
	}
	return m.listed
}

// Notifier returns the notifier of that name.
func (v *View) Notifier(name string) (*NotifierView, bool) {
	for i := range v.Notifiers {
		if v.Notifiers[i].Document.Name == name {
			return &v.Notifiers[i], true
		}
	}
	return nil, false
}

// CheckNotifier says what on this node stands in the way of a notifier: a secret
// that cannot be read, say. Other nodes may differ, so these are warnings.
func (c *Controller) CheckNotifier(n *configs.Notifier) []string {
	if c.opts.CheckNotifier == nil {
		return nil
	}
	var warnings []string
	for _, problem := range c.opts.CheckNotifier(n) {
		warnings = append(warnings, fmt.Sprintf("on node %s: %s", c.opts.Node, problem))
	}
	return warnings
}

// CheckPlan says which secrets of a plan this node cannot read: those of its hooks.
// Other nodes may differ, so these are warnings.
func (c *Controller) CheckPlan(p *configs.Rollout) []string {
	hooks := slices.Clone(p.Hooks)
	for _, s := range p.Stages {
		hooks = append(hooks, s.Hooks...)
	}
	secrets := call.Secrets{Dir: c.opts.Secrets}
	var warnings []string
	for _, h := range hooks {
		if h.SecretFile == "" {
			continue
		}
		if _, err := secrets.Read(h.SecretFile); err != nil {
			warnings = append(warnings, fmt.Sprintf("on node %s: hook %s: %s", c.opts.Node, h.Name, err))
		}
	}
	return warnings
}

// TestNotifier sends a message to a notifier from this node, at once and without
// the outbox, and returns when it was taken. A refusal is an *Error.
func (c *Controller) TestNotifier(ctx context.Context, name, actor string) (Reply, error) {
	n, ok := c.View().Notifier(name)
	switch {
	case !ok:
		return Reply{}, refuse(NotFound, "list them with `weir get notifiers`", "there is no notifier %q", name)
	case c.opts.Deliver == nil:
		return Reply{}, refuse(Unavailable, "ask another node", "this node sends no notifications")
	}
	doc := n.Document
	if doc.Tracker != nil {
		return c.tryTracker(&doc)
	}
	ctx, cancel := context.WithTimeout(ctx, deliveryLimit)
	defer cancel()
	err := c.opts.Deliver(ctx, &doc, &notify.Entry{
		ID: "test/" + strings.ToLower(rand.Text()[:10]), To: notify.ToNotifier(name), Kind: notify.KindTest, At: time.Now(),
		Event: notify.Event{Text: fmt.Sprintf("%s sent this from node %s", cmp.Or(actor, "somebody"), c.opts.Node)},
	})
	if err != nil {
		return Reply{}, refuse(Undelivered, "mend it, and try again", "cannot deliver to notifier %q from node %s: %v", name, c.opts.Node, err)
	}
	return Reply{Name: name, Text: fmt.Sprintf("a test message was sent to notifier %s from node %s", name, c.opts.Node)}, nil
}
