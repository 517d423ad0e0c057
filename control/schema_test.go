package control

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/notify"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

// fields are those of a stored value.
func (l *lab) fields(key string) (map[string]json.RawMessage, store.KV) {
	l.t.Helper()
	kv, ok, err := l.opts.Store.Get(l.t.Context(), key)
	if err != nil || !ok {
		l.t.Fatalf("cannot read %s: %v, there: %v", key, err, ok)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(kv.Value, &fields); err != nil {
		l.t.Fatalf("%s: %v", key, err)
	}
	return fields, kv
}

// plant adds a field to a stored value, as a newer release does, and returns the revision.
func (l *lab) plant(key, field, value string) int64 {
	l.t.Helper()
	for range 50 {
		fields, kv := l.fields(key)
		fields[field] = json.RawMessage(value)
		raw, err := json.Marshal(fields)
		if err != nil {
			l.t.Fatal(err)
		}
		res, err := l.opts.Store.Commit(l.t.Context(), store.Txn{
			If: []store.Compare{store.ModRevision(key, kv.ModRevision)}, Then: []store.Op{store.Put(key, raw)},
		})
		if err != nil {
			l.t.Fatal(err)
		}
		if res.Committed {
			return res.Revision
		}
	}
	l.t.Fatalf("%s is always written by somebody else", key)
	return 0
}

func TestSchema_FieldsOfANewerReleaseOutliveARewriteOfEveryKind(t *testing.T) {
	l := &lab{t: t, dir: t.TempDir(), base: time.Now()}
	l.deliver = func(context.Context, *configs.Notifier, *notify.Entry) error { return errors.New("down") }
	l.start()
	t.Cleanup(func() { l.stop() })
	l.do(ApplyNotifier{Document: configs.Notifier{Name: "ops", Webhook: &configs.WebhookTarget{URL: "http://127.0.0.1:1/"}, On: []string{"started"}}, Actor: "ana"})
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	stop := l.traffic(100, func(string) bool { return false })
	defer stop()
	id := l.do(StartRollout{Plan: canary(stage(1000, time.Hour)), Actor: "ana"}).ID
	l.until("the stage", func() bool { return l.picked("green") == 1000 })
	outbox := ""
	l.until("evidence, and an event that is not told", func() bool {
		_, saved, err := l.opts.Store.Get(t.Context(), store.EvidenceKey(id))
		kvs, _, lerr := l.opts.Store.List(t.Context(), store.Outbox)
		if err == nil && lerr == nil && len(kvs) > 0 {
			outbox = kvs[0].Key
		}
		return saved && outbox != ""
	})

	const field, value = "newer", `{"a":[1,2]}`
	keys := []string{store.StateKey("shop"), store.RolloutKey(id), store.EvidenceKey(id), outbox, store.CookieKey}
	planted := make(map[string]int64)
	for _, key := range keys {
		planted[key] = l.plant(key, field, value)
	}
	l.until("this node has read them", func() bool { return l.View().Store.Revision >= planted[store.CookieKey] })
	l.do(Act{ID: id, Verb: "pause", Actor: "ana"})
	if _, err := l.opts.Store.Commit(t.Context(), store.Txn{Then: []store.Op{store.Delete(store.CookieKey)}}); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		l.until(key+" written again", func() bool {
			kv, ok, err := l.opts.Store.Get(t.Context(), key)
			return err == nil && ok && kv.ModRevision > planted[key]
		})
		if fields, _ := l.fields(key); string(fields[field]) != value {
			t.Errorf("%s lost what a newer release wrote: %q", key, fields[field])
		}
	}
}

func TestSchema_WritersUseTheFormThatEveryLiveNodeReads(t *testing.T) {
	endpoint := sharedEtcd(t)
	join := func(node string, schema int) *lab {
		l := &lab{t: t, dir: t.TempDir(), base: time.Now(), node: node, external: endpoint, schema: schema}
		l.start()
		t.Cleanup(func() { l.stop() })
		return l
	}
	newer, older := join("newer", 2), join("older", 1)
	newer.until("both are known", func() bool { return len(newer.View().Nodes) == 2 && len(older.View().Nodes) == 2 })
	newer.do(ApplyService{Document: shop(), Actor: "ana"})
	form := func() string {
		fields, _ := newer.fields(store.StateKey("shop"))
		return string(fields[schemaField])
	}
	move := func(percent configs.Weight) {
		newer.do(SetWeights{Service: "shop", Weights: map[string]configs.Weight{"blue": configs.Whole - percent, "green": percent}, Actor: "ana"})
	}
	move(1000)
	if got := form(); got != "" {
		t.Fatalf("with an older node alive the state was written in form %s", got)
	}
	older.until("the older node follows", func() bool { return older.tables.Load().Service("shop") != nil && older.picked("green") == 1000 })

	older.stop()
	newer.until("the older node is gone", func() bool { return len(newer.View().Nodes) == 1 })
	weight := configs.Weight(2000)
	newer.until("newer nodes alone write the newer form", func() bool {
		weight += 10
		move(weight)
		return form() == "2"
	})

	older.start()
	newer.until("the older node says what it cannot read", func() bool {
		for _, n := range newer.View().Nodes {
			if n.Name == "older" && strings.Contains(n.Refused[store.StateKey("shop")], "newer weir") {
				return true
			}
		}
		return false
	})
	move(3000)
	if got := form(); got != "" {
		t.Fatalf("after an older node joined the state was written in form %s", got)
	}
	older.until("the older node follows again", func() bool {
		return older.tables.Load().Service("shop") != nil && older.picked("green") == 3000
	})
	newer.until("and has nothing to say", func() bool {
		for _, n := range newer.View().Nodes {
			if n.Name == "older" {
				return len(n.Refused) == 0
			}
		}
		return false
	})
}

func TestSchema_ANodeKeepsTheLastGoodFormOfWhatItCannotRead(t *testing.T) {
	m := newMirror()
	state := rollout.NewService(shop(), shopTime())
	m.apply(store.Update{Full: true, Revision: 1, Puts: []store.KV{kv("services/shop", shop(), 1), kv("state/shop", state, 1)}})
	raw, err := withSchema([]byte(`{"name":"shop","stable":"green"}`), 2)
	if err != nil {
		t.Fatal(err)
	}
	m.apply(store.Update{Revision: 2, Puts: []store.KV{{Key: "state/shop", Value: raw, ModRevision: 2}}})
	if e := m.states["shop"]; e.value.Stable != "blue" || e.mod != 1 || m.bad["state/shop"] == "" {
		t.Fatalf("a state of a newer form: %+v, bad %v", e, m.bad)
	}
	m.schema = 2
	m.apply(store.Update{Full: true, Revision: 3, Puts: []store.KV{kv("services/shop", shop(), 1), {Key: "state/shop", Value: raw, ModRevision: 2}}})
	if e := m.states["shop"]; e.value.Stable != "green" || len(m.bad) != 0 {
		t.Fatalf("a state of the form that is known: %+v, bad %v", e, m.bad)
	}
}
