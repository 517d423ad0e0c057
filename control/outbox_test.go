package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/notify"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

// mailbox is a recipient that tests look into.
type mailbox struct {
	mu    sync.Mutex
	got   []string // notifier, id and kind of what was taken
	tried int
	fails func(n *configs.Notifier, e *notify.Entry) error // nil: takes everything
}

func (m *mailbox) deliver(_ context.Context, n *configs.Notifier, e *notify.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tried++
	if m.fails != nil {
		if err := m.fails(n, e); err != nil {
			return err
		}
	}
	m.got = append(m.got, fmt.Sprintf("%s %d %s", n.Name, e.Seq, e.Kind))
	return nil
}

func (m *mailbox) of(notifier string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for _, line := range m.got {
		if rest, ok := cutPrefixWord(line, notifier); ok {
			out = append(out, rest)
		}
	}
	return out
}

func (m *mailbox) set(fails func(*configs.Notifier, *notify.Entry) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fails = fails
}

func (m *mailbox) tries() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tried
}

func cutPrefixWord(line, word string) (string, bool) {
	if len(line) > len(word) && line[:len(word)] == word && line[len(word)] == ' ' {
		return line[len(word)+1:], true
	}
	return "", false
}

func newMailLab(t *testing.T, m *mailbox, notifiers ...configs.Notifier) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir(), base: time.Now(), deliver: m.deliver}
	l.start()
	t.Cleanup(func() { l.stop() })
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	for _, n := range notifiers {
		value, err := configs.Encode(n)
		if err != nil {
			t.Fatal(err)
		}
		res, err := l.opts.Store.Commit(t.Context(), store.Txn{Then: []store.Op{store.Put(store.NotifierKey(n.Name), value)}})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.await(t.Context(), res.Revision, false); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// released runs a rollout by hand from its first stage to its abort.
func (l *lab) released() string {
	l.t.Helper()
	id := l.do(StartRollout{Plan: canary(stage(1000, time.Hour), stage(5000, time.Hour)), Actor: "ana"}).ID
	l.until("the first stage", func() bool { return l.phase(id) == rollout.Progressing })
	l.do(Act{ID: id, Verb: "pause", Actor: "ana"})
	l.do(Act{ID: id, Verb: "resume", Actor: "ana"})
	l.do(Act{ID: id, Verb: "abort", Actor: "ana"})
	return id
}

var told = []string{"1 started", "2 paused", "3 resumed", "4 aborted"}

func all(name string) configs.Notifier { return configs.Notifier{Name: name, On: []string{"all"}} }

func TestOutbox_TellsEachRecipientWhatItAskedForInOrder(t *testing.T) {
	m := &mailbox{}
	l := newMailLab(t, m, all("log"), configs.Notifier{Name: "pager", On: []string{"aborted", "failed"}})
	l.released()
	l.until("everything is told", func() bool { return len(m.of("log")) == 4 && len(m.of("pager")) == 1 })
	if got := m.of("log"); !slices.Equal(got, told) {
		t.Errorf("the log was told %q, not %q", got, told)
	}
	if got := m.of("pager"); !slices.Equal(got, told[3:]) {
		t.Errorf("the pager was told %q, not %q", got, told[3:])
	}
	l.until("the outbox is empty", func() bool { return l.View().OutboxSize == 0 })
}

func TestOutbox_SaysWhatPeopleCallIt(t *testing.T) {
	titles := make(chan string, 16)
	m := &mailbox{fails: func(_ *configs.Notifier, e *notify.Entry) error {
		titles <- notify.Compose(e, "eu").Title
		return nil
	}}
	l := newMailLab(t, m, configs.Notifier{Name: "log", On: []string{"started"}})
	doc := shop()
	doc.Application, doc.Environment = "store", "staging"
	l.do(ApplyService{Document: doc, Actor: "ana"})
	plan := canary(stage(1000, time.Hour))
	plan.Release = "v1.5"
	l.do(StartRollout{Plan: plan, Actor: "ana"})
	if got, want := <-titles, "Rollout started: store v1.5 → staging (eu)"; got != want {
		t.Errorf("people read %q, not %q", got, want)
	}
}

func TestOutbox_ARecipientThatIsDownHoldsUpItselfAloneAndHearsOfEverythingLater(t *testing.T) {
	m := &mailbox{}
	down := func(n *configs.Notifier, _ *notify.Entry) error {
		if n.Name == "pager" {
			return errors.New("connection refused")
		}
		return nil
	}
	m.set(down)
	l := newMailLab(t, m, all("log"), all("pager"))
	l.released()
	l.until("the log is told", func() bool { return slices.Equal(m.of("log"), told) })
	l.until("the failure shows", func() bool {
		box := l.View().Outbox
		return len(box) == 4 && box[0].Failures > 0 && box[0].LastError == "connection refused"
	})
	m.set(nil)
	l.until("the pager is told", func() bool { return len(m.of("pager")) == 4 })
	if got := m.of("pager"); !slices.Equal(got, told) {
		t.Errorf("the pager was told %q, not %q", got, told)
	}
}

func TestOutbox_WhatIsRefusedIsADeadLetterAndTheNextGoesOn(t *testing.T) {
	m := &mailbox{fails: func(_ *configs.Notifier, e *notify.Entry) error {
		if e.Kind == "paused" {
			return fmt.Errorf("400: no such field: %w", notify.ErrRefused)
		}
		return nil
	}}
	l := newMailLab(t, m, all("log"))
	l.released()
	want := []string{"1 started", "3 resumed", "4 aborted"}
	l.until("the others are told", func() bool { return slices.Equal(m.of("log"), want) })
	l.until("the letter is dead", func() bool { box := l.View().Outbox; return len(box) == 1 && box[0].Dead })
	l.measures(`weir_outbox_entries{state="dead"} 1`)
	dead := l.View().Outbox[0]
	if dead.Kind != "paused" || dead.Failures != 1 || dead.LastError == "" {
		t.Errorf("the dead letter is %+v", dead)
	}
	if dead.Event.Service != "shop" || dead.Event.Actor != "ana" || dead.Event.To != "green" {
		t.Errorf("its event is %+v", dead.Event)
	}

	if e := l.refused(Resend{Letter: "nobody's", Actor: "ben"}); e.Kind != NotFound {
		t.Errorf("a letter that is not there: %+v", e)
	}
	l.do(Resend{Letter: dead.Letter(), Actor: "ben"})
	l.until("it is refused again", func() bool {
		d := l.View().DeadLetters
		return len(d) == 1 && d[0].ResentAt.After(dead.TriedAt) && d[0].Failures == 1
	})
	m.set(nil)
	l.do(Resend{Recipient: "log", Actor: "ben"})
	l.until("it is told", func() bool { return slices.Equal(m.of("log"), append(want, "2 paused")) })
	l.until("the outbox is empty", func() bool { return l.View().OutboxSize == 0 && len(l.View().DeadLetters) == 0 })
	if !slices.ContainsFunc(l.View().Audit, func(a AuditView) bool {
		return a.Action == "resend" && a.Actor == "ben" && slices.Contains(a.Changes, dead.Letter())
	}) {
		t.Errorf("the trail says nothing of it: %+v", l.View().Audit)
	}
}

func TestOutbox_ADeletedNotifiersLettersStayDead(t *testing.T) {
	m := &mailbox{fails: func(*configs.Notifier, *notify.Entry) error { return notify.ErrRefused }}
	l := newMailLab(t, m, all("log"))
	l.released()
	l.until("all letters are dead", func() bool { return len(l.View().DeadLetters) == 4 })
	l.do(DeleteNotifier{Name: "log", Actor: "ana"})
	if e := l.refused(Resend{Actor: "ben"}); e.Kind != Conflict {
		t.Errorf("letters to nobody: %+v", e)
	}
}

func TestOutcome_ALetterThatIsResentIsTriedForAnotherDay(t *testing.T) {
	now := time.Unix(1e9, 0)
	e := notify.Entry{At: now.Add(-2 * giveUpAfter)}
	if !outcome(e, errors.New("down"), now).Dead {
		t.Error("an old letter lives")
	}
	if e = e.Revived(now); outcome(e, errors.New("down"), now.Add(giveUpAfter)).Dead || !outcome(e, errors.New("down"), now.Add(giveUpAfter+1)).Dead {
		t.Error("it is not given up a day after it was resent")
	}
}

func TestOutbox_OutlivesTheProcessThatWroteIt(t *testing.T) {
	m := &mailbox{fails: func(*configs.Notifier, *notify.Entry) error { return errors.New("down") }}
	l := newMailLab(t, m, all("log"))
	id := l.released()
	l.until("it was tried", func() bool { return m.tries() > 0 })
	l.stop()
	m.set(nil)
	l.start()
	l.until("everything is told", func() bool { return len(m.of("log")) == 4 })
	if got := m.of("log"); !slices.Equal(got, told) {
		t.Errorf("the log was told %q, not %q", got, told)
	}
	l.until("the outbox is empty", func() bool { return l.View().OutboxSize == 0 })
	if got := l.rollout(id).State.Announced; got != 4 {
		t.Errorf("the rollout numbered %d announcements, not 4", got)
	}
}

func TestOutbox_IsPrunedOfTheOldest(t *testing.T) {
	c := &Controller{mirror: newMirror(), log: zap.NewNop()}
	now := time.Unix(1e9, 0)
	for i := range maxOutbox + 3 {
		e := notify.Entry{Rollout: "r", Seq: uint64(i + 1), To: "notifier:log", At: now.Add(time.Duration(i) * time.Second)}
		c.mirror.outbox[e.Key()] = entry[notify.Entry]{value: e}
	}
	dead := notify.Entry{Rollout: "q", Seq: 1, To: "notifier:log", At: now.Add(-keepDead - time.Hour), Dead: true}
	c.mirror.outbox[dead.Key()] = entry[notify.Entry]{value: dead}
	if got := len(c.pruneOutbox(now)); got != 4 {
		t.Errorf("%d entries are pruned, not 4", got)
	}
}

func TestPauseAfter_GrowsToItsBound(t *testing.T) {
	f := func(failures int, want time.Duration) {
		t.Helper()
		if got := pauseAfter(failures); got != want {
			t.Errorf("after %d failures %s, not %s", failures, got, want)
		}
	}
	f(0, 0)
	f(1, time.Second)
	f(4, 8*time.Second)
	f(9, 256*time.Second)
	f(10, 5*time.Minute)
	f(1000, 5*time.Minute)
}

func TestOutbox_TooManyRecipientsKeepNoChangeFromBeingWritten(t *testing.T) {
	c := &Controller{mirror: newMirror(), log: zap.NewNop()}
	for i := range 200 {
		name := fmt.Sprintf("n%03d", i)
		c.mirror.notifiers[name] = entry[configs.Notifier]{value: all(name)}
	}
	r := rollout.State{ID: "r", Service: "shop", Phase: rollout.RolledBack, Plan: configs.Rollout{Meta: map[string]string{}}}
	ch := change{after: rollout.Pair{Rollout: r}, effects: []rollout.Effect{rollout.Announce{Seq: 1, Kind: rollout.AnnounceRolledBack, Text: "shop: all on blue"}}}
	var many store.Txn
	c.enqueueEvents(&many, ch)
	if n := len(many.Then); n != maxWrites {
		t.Errorf("%d writes, not %d", n, maxWrites)
	}
	ch.after.Rollout.Plan.Meta["link"] = string(make([]byte, 16<<10))
	var large store.Txn
	c.enqueueEvents(&large, ch)
	size := 0
	for _, op := range large.Then {
		size += op.Size()
	}
	if size > maxWritten+maxWritten/8 || len(large.Then) == 0 {
		t.Errorf("%d bytes in %d writes", size, len(large.Then))
	}
}
