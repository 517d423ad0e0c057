package control

import (
	"bytes"
	"fmt"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/store"
)

// documents are those of one kind that live in the state as they were written
// and have no state of their own: notifiers, say.
type documents[T configs.Stored] struct {
	kind string // as people call one
	many string // as the API and the audit trail call them
	most int    // how many there may be
	key  func(name string) string
	held map[string]entry[T]
}

func (c *Controller) notifiers() documents[configs.Notifier] {
	return documents[configs.Notifier]{"notifier", "notifiers", maxNotifiers, store.NotifierKey, c.mirror.notifiers}
}

// maxNotifiers bounds what one event writes into the outbox.
const maxNotifiers = 64

// putting is a document on its way into the state.
type putting[T configs.Stored] struct {
	name    string
	doc     T
	ifMatch int64
	dryRun  bool
	actor   string
}

// planPut creates or replaces a document.
func planPut[T configs.Stored](c *Controller, d documents[T], p putting[T], now time.Time) (plan, error) {
	old, exists := d.held[p.name]
	if err := matches(d.kind, p.name, p.ifMatch, old.mod, exists); err != nil {
		return plan{}, err
	}
	if !exists && len(d.held) >= d.most {
		return plan{}, refuse(Conflict, "delete one that is not needed", "there are %d %s already, and no more are taken", len(d.held), d.many)
	}
	value, err := configs.Encode(p.doc)
	if err != nil {
		return plan{}, err
	}
	reply := Reply{Name: p.name, Created: !exists, Text: fmt.Sprintf("%s %s created", d.kind, p.name)}
	if exists {
		reply.Text = fmt.Sprintf("%s %s changed", d.kind, p.name)
		reply.Changes = differences(old.value, p.doc)
		if bytes.Equal(old.raw, value) {
			reply.Text = fmt.Sprintf("%s %s unchanged", d.kind, p.name)
			return plan{reply: reply}, nil
		}
	}
	if p.dryRun {
		reply.Text = "would be: " + reply.Text
		return plan{reply: reply}, nil
	}
	return plan{write: true, reply: reply, txn: store.Txn{
		If: []store.Compare{store.ModRevision(d.key(p.name), old.mod)},
		Then: []store.Op{
			store.Put(d.key(p.name), value),
			c.audit(AuditView{At: now, Actor: p.actor, Action: "apply", Object: d.many + "/" + p.name, Text: reply.Text, Changes: reply.Changes}),
		},
	}}, nil
}

// planRemove deletes a document.
func planRemove[T configs.Stored](c *Controller, d documents[T], name string, ifMatch int64, actor string, now time.Time) (plan, error) {
	old, exists := d.held[name]
	if !exists {
		return plan{}, refuse(NotFound, "list them with `weir get "+d.many+"`", "there is no %s %q", d.kind, name)
	}
	if err := matches(d.kind, name, ifMatch, old.mod, exists); err != nil {
		return plan{}, err
	}
	text := fmt.Sprintf("%s %s deleted", d.kind, name)
	return plan{write: true, reply: Reply{Name: name, Text: text}, txn: store.Txn{
		If: []store.Compare{store.ModRevision(d.key(name), old.mod)},
		Then: []store.Op{
			store.Delete(d.key(name)),
			c.audit(AuditView{At: now, Actor: actor, Action: "delete", Object: d.many + "/" + name, Text: text}),
		},
	}}, nil
}

// matches says what a condition on the revision has against a change.
func matches(kind, name string, ifMatch, present int64, exists bool) error {
	switch {
	case ifMatch == -1 && exists:
		return refuse(Stale, "leave it, or apply without that condition", "%s %q exists already", kind, name)
	case ifMatch > 0 && !exists:
		return refuse(Stale, "apply without that condition", "there is no %s %q", kind, name)
	case ifMatch > 0 && ifMatch != present:
		return refuse(Stale, "read it again and repeat the change", "%s %q is at revision %d, not %d", kind, name, present, ifMatch)
	}
	return nil
}
