package control

import (
	"encoding/json"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/compile"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

func kv(key string, v any, mod int64) store.KV {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return store.KV{Key: key, Value: raw, ModRevision: mod, CreateRevision: mod}
}

// FuzzMirror holds that no value of etcd, whoever wrote it, makes the node
// panic or lose the services that it had: foreign bytes are reported, and the
// last good table stays.
func FuzzMirror(f *testing.F) {
	state := rollout.NewService(shop(), shopTime())
	valid, err := json.Marshal(state)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("state/shop", valid)
	f.Add("services/shop", []byte(`{"name":"shop"}`))
	f.Add("services/other", []byte(`{"name":"shop","versions":{"a":{}}}`))
	f.Add("rollouts/x", []byte(`{"id":"x","service":"shop","phase":"progressing","stage":9,"candidates":["green"]}`))
	f.Add("cuts/x/n", []byte(`{"rollout":"x","service":"shop","version":"green"}`))
	f.Add("state/shop", []byte(`{"name":"shop","stable":"blue","weights":{"blue":"50%"},"rollout":"x","labels":"AAAA"}`))
	f.Add("keys/cookie", []byte(`{"keys":[]}`))
	f.Add("evidence/x", []byte(`{"judges":{"green":{"policy":""}}}`))
	f.Add("nodes/n", []byte(`[]`))
	f.Add("audit/1", []byte(`null`))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		m := newMirror()
		m.apply(store.Update{Full: true, Revision: 2, Puts: []store.KV{kv("services/shop", shop(), 1), kv("state/shop", state, 2)}})
		endpoints, recorders := upstream.NewRegistry(upstream.Options{}), stats.NewRegistry()
		defer endpoints.Close()
		build := func(last *compile.Built) *compile.Built {
			in := compile.Input{
				Revision: m.revision, Endpoints: endpoints, Recorders: recorders, Last: last, Keys: m.keys,
				Services: map[string]compile.Source{}, States: map[string]compile.State{},
			}
			for name, s := range m.services {
				in.Services[name] = compile.Source{Document: s.value, ModRevision: s.mod}
			}
			for name, s := range m.states {
				in.States[name] = compile.State{Service: s.value, ModRevision: s.mod}
			}
			for id := range m.cuts {
				in.Cuts = append(in.Cuts, m.cutsOf(id)...)
			}
			table, out := compile.Build(in)
			if table.Service("shop") == nil {
				t.Fatalf("%s = %q took the route of shop away: %v", key, value, out.Refused)
			}
			return out.Built
		}
		built := build(nil)
		m.apply(store.Update{Revision: 3, Puts: []store.KV{{Key: key, Value: value, ModRevision: 3, CreateRevision: 3}}})
		build(built)
		for id, r := range m.rollouts {
			if pair, ok := m.pair(id); ok {
				_, _, _ = rollout.Step(pair, rollout.Tick{At: shopTime()}, 0) // an error is an answer
			}
			_ = describe(r.value)
		}
	})
}

// A full update leaves exactly what it holds, whatever was there before.
func TestMirror_FullUpdateReplacesEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) (kvs []store.KV) {
			for i, name := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-c]`), 0, 3, rapid.ID).Draw(t, label) {
				doc := shop()
				doc.Name = name
				kvs = append(kvs, kv("services/"+name, doc, int64(i+1)), kv("state/"+name, rollout.Service{Name: name, Stable: "blue"}, int64(i+1)),
					kv("rollouts/r"+name, rollout.State{ID: "r" + name, Service: name}, 1), kv("evidence/r"+name, evidence{}, 1),
					kv("cuts/r"+name+"/one", rollout.Cut{Rollout: "r" + name}, 1), kv("nodes/"+name, nodeRecord{}, 1), kv("audit/"+name, AuditView{}, 1))
			}
			return kvs
		}
		before, after := draw("before"), draw("after")
		old, fresh := newMirror(), newMirror()
		old.apply(store.Update{Full: true, Revision: 9, Puts: before})
		old.apply(store.Update{Full: true, Revision: 4, Puts: after})
		fresh.apply(store.Update{Full: true, Revision: 4, Puts: after})
		if got, want := fmt.Sprint(old.keysHeld()), fmt.Sprint(fresh.keysHeld()); got != want {
			t.Fatalf("after a full update the mirror holds %s, want %s", got, want)
		}
	})
}

func TestMirror_KeepsTheLastGoodValueOfWhatItCannotRead(t *testing.T) {
	m := newMirror()
	m.apply(store.Update{Full: true, Revision: 1, Puts: []store.KV{kv("services/shop", shop(), 1)}})
	m.apply(store.Update{Revision: 2, Puts: []store.KV{{Key: "services/shop", Value: []byte("{"), ModRevision: 2}}})
	if m.services["shop"].value.Stable != "blue" || m.bad["services/shop"] == "" {
		t.Fatalf("after a broken value: %+v, bad %v", m.services["shop"].value, m.bad)
	}
	m.apply(store.Update{Revision: 3, Puts: []store.KV{kv("services/shop", configs.Service{Name: "shop", Stable: "green"}, 3)}})
	if m.services["shop"].value.Stable != "green" || len(m.bad) != 0 {
		t.Fatalf("after a good value: %+v, bad %v", m.services["shop"].value, m.bad)
	}
}

func TestMirror_WhatIsReadAgainChangesNothing(t *testing.T) {
	m := newMirror()
	keyring := `{"keys":[]}`
	full := store.Update{Full: true, Revision: 3, Puts: []store.KV{
		kv("services/shop", shop(), 1), kv("state/shop", rollout.NewService(shop(), shopTime()), 2),
		kv("rollouts/r1", running().Rollout, 3), {Key: "keys/cookie", Value: []byte(keyring), ModRevision: 1},
	}}
	if ch := m.apply(full); !ch.served || len(ch.rollouts) != 1 {
		t.Fatalf("the first time: %+v", ch)
	}
	full.Puts = full.Puts[:3] // etcd lost its cookie keys
	if ch := m.apply(full); ch.served || len(ch.rollouts) != 0 || m.keysStored {
		t.Fatalf("the second time: %+v, keys stored: %v", ch, m.keysStored)
	}
	other := shop()
	other.Stable = "green"
	full.Puts[0] = kv("services/shop", other, 1) // an etcd that was restored counts anew
	if ch := m.apply(full); !ch.served || m.services["shop"].value.Stable != "green" {
		t.Fatalf("another value at the same revision: %+v", ch)
	}
}
