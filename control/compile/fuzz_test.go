package compile

import (
	"encoding/json"
	"testing"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/route"
)

// FuzzBuild_StoredValues feeds Build with values as etcd may hold them: each
// version of the table gets what Effective says, and a cut version nothing.
func FuzzBuild_StoredValues(f *testing.F) {
	add := func(doc configs.Service, s rollout.Service, c rollout.Cut) {
		var seeds [3][]byte
		for i, v := range []any{doc, s, c} {
			b, err := json.Marshal(v)
			if err != nil {
				f.Fatal(err)
			}
			seeds[i] = b
		}
		f.Add(seeds[0], seeds[1], seeds[2])
	}
	doc := document("shop", "/")
	mixed := map[string]configs.Weight{"blue": 9_000, "green": 1_000}
	add(doc, state(f, doc, map[string]configs.Weight{"blue": configs.Whole}), rollout.Cut{})
	add(doc, state(f, doc, mixed), rollout.Cut{Rollout: "m1", Version: "green"})
	add(doc, state(f, doc, map[string]configs.Weight{"green": configs.Whole}), rollout.Cut{Rollout: "m1", Version: "blue"})
	f.Fuzz(func(t *testing.T, document, state, cut []byte) {
		b := newBench(t)
		var doc configs.Service
		var s rollout.Service
		var c rollout.Cut
		if json.Unmarshal(document, &doc) != nil || json.Unmarshal(state, &s) != nil || json.Unmarshal(cut, &c) != nil {
			return
		}
		b.put(doc)
		b.States[doc.Name] = State{Service: s, ModRevision: 1}
		b.Cuts = []rollout.Cut{c}
		table := b.build()
		service := table.Service(doc.Name)
		if service == nil {
			if len(b.out.Refused) == 0 {
				t.Fatal("neither routed nor refused")
			}
			return
		}
		for version, weight := range b.out.Built.Effective(doc.Name) {
			if n := countBuckets(service, version); n != int(weight) || n > 0 && s.Counts(c) && version == c.Version {
				t.Fatalf("%s has %d buckets, effective %d, cut %+v", version, n, weight, c)
			}
		}
		if service.Split.Pick(route.Buckets-1) >= len(service.Versions) {
			t.Fatal("a bucket leads nowhere")
		}
	})
}
