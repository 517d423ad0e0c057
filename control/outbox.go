package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/notify"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

// Bounds of the outbox. What is beyond them is dropped, the oldest first, and
// logged: a recipient that is down for long must not fill etcd.
const (
	maxOutbox  = 10_000
	keepDead   = 7 * 24 * time.Hour
	maxWrites  = 110       // of a transaction that tells somebody; etcd takes 128
	maxWritten = 512 << 10 // bytes of one; etcd takes 1.5 MiB
	shownTold  = 500
	maxOutcome = 300 // bytes of an error that are kept
)

// enqueueEvents adds the outbox entries of a change to its transaction: one for each
// recipient of each of its announcements. Who is told never keeps a change from
// being written: what does not fit is dropped, and logged.
func (c *Controller) enqueueEvents(txn *store.Txn, ch change) {
	out := c.letters(txn)
	r := ch.after.Rollout
	raised := r.Weights[r.To] > ch.before.Rollout.Weights[r.To]
	for _, effect := range ch.effects {
		a, ok := effect.(rollout.Announce)
		if !ok {
			continue
		}
		e := notify.Entry{
			ID: fmt.Sprintf("%s/%d", r.ID, a.Seq), Rollout: r.ID, Seq: a.Seq, Kind: a.Kind, At: ch.at,
			Event: notify.Of(r, c.belonging(r.Service), a, ch.actor),
		}
		for _, to := range c.recipients(r, a.Kind, raised) {
			e.To, e.Hook = to.name, to.hook
			if !out.add(e) {
				return
			}
		}
	}
}

// letters adds outbox entries to a transaction, as many as it takes.
type letters struct {
	c    *Controller
	txn  *store.Txn
	size int // bytes that the transaction writes
}

func (c *Controller) letters(txn *store.Txn) *letters {
	l := &letters{c: c, txn: txn}
	for _, op := range txn.Then {
		l.size += op.Size()
	}
	return l
}

// add reports false, and logs, if there is no room for e: no more are to be added.
func (l *letters) add(e notify.Entry) bool {
	value, err := l.c.encode(nil, e)
	if err != nil {
		panic(fmt.Sprintf("BUG: cannot encode an outbox entry: %v", err))
	}
	l.size += len(value)
	if len(l.txn.Then) >= maxWrites || l.size > maxWritten {
		l.c.log.Error("event not told to everybody: it is too much for one transaction", zap.String("event", e.ID), zap.String("first_left_out", e.To))
		return false
	}
	l.txn.Then = append(l.txn.Then, store.Put(store.OutboxKey(e.Key()), value))
	return true
}

// belonging is the document of what is released, which says where it belongs: a
// flag belongs to no application and environment.
func (c *Controller) belonging(service string) configs.Service {
	if _, ok := configs.FlagOf(service); ok {
		return configs.Service{Name: service}
	}
	return c.mirror.services[service].value
}

// recipient is who is told of an event.
type recipient struct {
	name string
	hook *configs.Hook // nil: a Notifier
}

func (c *Controller) recipients(r rollout.State, kind string, raised bool) []recipient {
	var all []recipient
	for i := range r.Plan.Hooks {
		if h := r.Plan.Hooks[i]; notify.HookWants(&h, kind, raised) {
			all = append(all, recipient{notify.ToHook(h.Name), &h})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.mirror.notifiers)) {
		if n := c.mirror.notifiers[name].value; notify.NotifierWants(&n, r.Service, kind) {
			all = append(all, recipient{notify.ToNotifier(name), nil})
		}
	}
	return all
}

// putOutbox takes in an entry and its place in its queue.
func (m *mirror) putOutbox(key string, kv store.KV) error {
	var e notify.Entry
	if err := json.Unmarshal(kv.Value, &e); err != nil {
		return fmt.Errorf("cannot read the stored value of %q: %w", kv.Key, err)
	}
	if e.Key() != key {
		return fmt.Errorf("cannot use the stored value of %q: it is of %q", kv.Key, e.Key())
	}
	m.outbox[key] = entry[notify.Entry]{value: e, raw: bytes.Clone(kv.Value), mod: kv.ModRevision}
	m.shown, m.dead = nil, nil
	queue := e.Queue()
	at, there := slices.BinarySearch(m.queues[queue], key)
	switch {
	case e.Dead && there:
		m.unqueue(queue, at)
	case !e.Dead && !there:
		m.queues[queue] = slices.Insert(m.queues[queue], at, key)
	}
	return nil
}

func (m *mirror) dropOutbox(key string) {
	e, ok := m.outbox[key]
	if !ok {
		return
	}
	delete(m.outbox, key)
	m.shown, m.dead = nil, nil
	queue := e.value.Queue()
	if at, there := slices.BinarySearch(m.queues[queue], key); there {
		m.unqueue(queue, at)
	}
}

func (m *mirror) unqueue(queue string, at int) {
	m.queues[queue] = slices.Delete(m.queues[queue], at, at+1)
	if len(m.queues[queue]) == 0 {
		delete(m.queues, queue)
	}
}

// waiting is how many entries are still to be delivered.
func (m *mirror) waiting() int {
	n := 0
	for _, keys := range m.queues {
		n += len(keys)
	}
	return n
}

// shownOutbox returns what a View shows of the outbox. The slice must not be changed.
func (m *mirror) shownOutbox() []notify.Entry {
	if m.shown != nil {
		return m.shown
	}
	keys := slices.Sorted(maps.Keys(m.outbox))
	m.shown = make([]notify.Entry, 0, min(len(keys), shownTold))
	for _, key := range keys[:min(len(keys), shownTold)] {
		m.shown = append(m.shown, m.outbox[key].value)
	}
	return m.shown
}

// pruneOutbox deletes dead letters that nobody came for, and the oldest of an
// outbox that is too long.
func (c *Controller) pruneOutbox(now time.Time) []store.Op {
	var ops []store.Op
	var oldest []string
	for key, e := range c.mirror.outbox {
		if e.value.Dead && now.Sub(e.value.Begun()) > keepDead {
			ops = append(ops, store.Delete(store.OutboxKey(key)))
		} else {
			oldest = append(oldest, key)
		}
	}
	over := len(oldest) - maxOutbox
	if over <= 0 {
		return ops
	}
	slices.SortFunc(oldest, func(a, b string) int {
		return c.mirror.outbox[a].value.At.Compare(c.mirror.outbox[b].value.At)
	})
	c.log.Error("outbox is full: the oldest events are dropped", zap.Int("dropped", over))
	for _, key := range oldest[:over] {
		ops = append(ops, store.Delete(store.OutboxKey(key)))
	}
	return ops
}

func putDocument[T any](into map[string]entry[T], name string, kv store.KV, decode func([]byte) (*T, error)) error {
	doc, err := decode(kv.Value)
	if err == nil {
		into[name] = entry[T]{value: *doc, raw: kv.Value, mod: kv.ModRevision, made: kv.CreateRevision}
	}
	return err
}
