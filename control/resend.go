package control

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/control/notify"
	"github.com/weirproxy/weir/control/store"
)

// Resend has dead letters delivered after all, each again for a day.
type Resend struct {
	Letter    string // the key of one; empty: all of Recipient
	Recipient string // a notifier or hook by its name; empty: of everybody
	Actor     string
}

func (Resend) command() {}

// maxResent bounds the dead letters of one transaction; etcd takes 128 writes.
const maxResent = 100

// planResend puts dead letters back into their queues.
func (c *Controller) planResend(cmd Resend, now time.Time) (plan, error) {
	letters := c.mirror.deadLetters(cmd)
	if len(letters) == 0 {
		return plan{}, refuse(NotFound, "list them with `weir notify dead`", "there is no dead letter %q", strings.TrimSpace(cmd.Letter+" "+cmd.Recipient))
	}
	var p plan
	var again []string
	orphans := 0
	for _, key := range letters {
		e := c.mirror.outbox[key]
		name, notifier := strings.CutPrefix(e.value.To, notify.ToNotifier(""))
		if _, there := c.mirror.notifiers[name]; notifier && !there {
			orphans++
			continue
		}
		if len(again) == maxResent {
			break
		}
		revived := e.value.Revived(now)
		c.refresh(&revived)
		value, err := c.encode(e.raw, revived)
		if err != nil {
			panic(fmt.Sprintf("BUG: cannot encode an outbox entry: %v", err))
		}
		again = append(again, e.value.Letter())
		p.txn.If = append(p.txn.If, store.ModRevision(store.OutboxKey(key), e.mod))
		p.txn.Then = append(p.txn.Then, store.Put(store.OutboxKey(key), value))
	}
	if len(again) == 0 {
		return plan{}, refuse(Conflict, "apply it again first", "the notifier of %d dead letters was deleted", orphans)
	}
	p.write = true
	p.reply.Text = fmt.Sprintf("%d dead letters are sent again", len(again))
	if len(again) == 1 {
		p.reply.Text = "dead letter " + again[0] + " is sent again"
	}
	if left := len(letters) - orphans - len(again); left > 0 {
		p.reply.Warnings = append(p.reply.Warnings, fmt.Sprintf("%d more are dead: ask again", left))
	}
	if orphans > 0 {
		p.reply.Warnings = append(p.reply.Warnings, fmt.Sprintf("%d stay dead: their notifier was deleted", orphans))
	}
	p.txn.Then = append(p.txn.Then, c.audit(AuditView{At: now, Actor: cmd.Actor, Action: "resend", Object: "outbox/" + again[0], Text: p.reply.Text, Changes: again}))
	return p, nil
}

// deadLetters are the keys of those that a command means, the oldest of each
// rollout first.
func (m *mirror) deadLetters(cmd Resend) []string {
	var keys []string
	for key, e := range m.outbox {
		if _, name, _ := strings.Cut(e.value.To, ":"); e.value.Dead &&
			(cmd.Letter == "" || cmd.Letter == e.value.Letter()) && (cmd.Recipient == "" || cmd.Recipient == name) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// shownDead returns the dead letters that a View shows. The slice must not be changed.
func (m *mirror) shownDead() []notify.Entry {
	if m.dead != nil {
		return m.dead
	}
	keys := m.deadLetters(Resend{})
	m.dead = make([]notify.Entry, 0, min(len(keys), shownTold))
	for _, key := range keys[:min(len(keys), shownTold)] {
		m.dead = append(m.dead, m.outbox[key].value)
	}
	return m.dead
}
