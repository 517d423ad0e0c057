package compile

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

// state is a service state as weights by hand leave it.
func state(t testing.TB, doc configs.Service, weights map[string]configs.Weight) rollout.Service {
	t.Helper()
	s := rollout.NewService(doc, noon)
	if weights[doc.Stable] == configs.Whole {
		return s
	}
	p, err := rollout.NewManual("m1", weights, doc, s, noon, "ana")
	if err != nil {
		t.Fatal(err)
	}
	return p.Service
}

// document is a service on one path with blue and green.
func document(name, path string) configs.Service {
	return configs.Service{
		Name: name, Stable: "blue", Routes: []configs.Route{{Path: path}},
		Versions: map[string]configs.Version{
			"blue":  {Endpoints: []string{"127.0.0.1:9001"}},
			"green": {Endpoints: []string{"127.0.0.1:9002", "127.0.0.1:9003"}, Revision: "g1"},
		},
	}
}

// bench is a set of services that a test changes and builds.
type bench struct {
	t testing.TB
	Input
	out Outcome
}

func newBench(t testing.TB) *bench {
	keys, err := route.NewKeyring(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, Input: Input{
		Services: map[string]Source{}, States: map[string]State{}, Keys: keys,
		Endpoints: upstream.NewRegistry(upstream.Options{}), Recorders: stats.NewRegistry(),
	}}
	t.Cleanup(b.Endpoints.Close)
	return b
}

func (b *bench) put(doc configs.Service) {
	b.Revision++
	b.Services[doc.Name] = Source{Document: doc, ModRevision: b.Revision}
}

func (b *bench) weigh(name string, weights map[string]configs.Weight) {
	b.t.Helper()
	b.Revision++
	b.States[name] = State{Service: state(b.t, b.Services[name].Document, weights), ModRevision: b.Revision}
}

func (b *bench) build() *route.Table {
	table, out := Build(b.Input)
	b.Last, b.out = out.Built, out
	return table
}

func (b *bench) refused(service, text string) {
	b.t.Helper()
	if why := b.out.Refused[service]; text == "" && why != "" || !strings.Contains(why, text) || text != "" && why == "" {
		b.t.Errorf("%s is refused with %q, want %q", service, why, text)
	}
}

func matched(table *route.Table, path string) string {
	r := table.Match(&route.Request{Host: []byte("h"), Path: []byte(path), Method: []byte("GET")})
	if r == nil {
		return ""
	}
	return r.Service.Name
}

func TestBuild_SplitsByTheState(t *testing.T) {
	b := newBench(t)
	b.put(document("shop", "/"))
	b.weigh("shop", map[string]configs.Weight{"blue": 7_500, "green": 2_500})
	s := b.build().Service("shop")
	if !s.Mixed || s.Rollout != "m1" || s.Versions[s.Stable].Name != "blue" {
		t.Fatalf("service is %+v", s)
	}
	if n := countBuckets(s, "green"); n != 2_500 || b.out.Built.Effective("shop")["green"] != 2_500 {
		t.Errorf("green has %d buckets, effective %v", n, b.out.Built.Effective("shop"))
	}
	if green := s.Versions[1]; green.Revision != "g1" || len(green.Pool.Endpoints()) != 2 || green.Recorder != b.Recorders.Recorder("shop", "green") {
		t.Errorf("green is %+v", green)
	}
	if s.Timeout.Seconds() != 15 || !s.ErrorStatus.Has(503) || s.ErrorStatus.Has(404) {
		t.Errorf("defaults are missing: %+v", s)
	}
}

func TestBuild_CutGivesItsBucketsToStableAndMovesNoOther(t *testing.T) {
	b := newBench(t)
	doc := document("shop", "/")
	doc.Versions["red"] = configs.Version{Endpoints: []string{"127.0.0.1:9009"}}
	b.put(doc)
	b.weigh("shop", map[string]configs.Weight{"blue": 5_000, "green": 3_000, "red": 2_000})
	before := b.build().Service("shop")
	b.Cuts = []rollout.Cut{{Rollout: "m1", Version: "green"}, {Rollout: "other", Version: "red"}}
	after := b.build().Service("shop")
	for bucket := range route.Buckets {
		was, is := before.Versions[before.Split.Pick(bucket)].Name, after.Versions[after.Split.Pick(bucket)].Name
		if was == "green" {
			was = "blue"
		}
		if is != was {
			t.Fatalf("bucket %d went to %s, want %s", bucket, is, was)
		}
	}
	b.Cuts = append(b.Cuts, rollout.Cut{Rollout: "m1", Version: "red"})
	if s := b.build().Service("shop"); s.Mixed || countBuckets(s, "blue") != route.Buckets {
		t.Errorf("blue has %d buckets, mixed %v", countBuckets(s, "blue"), s.Mixed)
	}
	b.Cuts = nil
	if s := b.build().Service("shop"); countBuckets(s, "green") != 3_000 {
		t.Errorf("green has %d buckets once no cut exists", countBuckets(s, "green"))
	}
}

func TestBuild_CutOfTheWholeAndOfStable(t *testing.T) {
	b := newBench(t)
	b.put(document("shop", "/"))
	b.weigh("shop", map[string]configs.Weight{"green": configs.Whole})
	b.Cuts = []rollout.Cut{{Rollout: "m1", Version: "green"}, {Rollout: "m1", Version: "blue"}}
	if s := b.build().Service("shop"); countBuckets(s, "blue") != route.Buckets {
		t.Errorf("blue has %d buckets", countBuckets(s, "blue"))
	}
}

func TestBuild_CutLeadsToStableWhateverItsName(t *testing.T) {
	b := newBench(t)
	doc := document("shop", "/")
	doc.Stable = "green"
	doc.Versions["azure"] = configs.Version{Endpoints: []string{"127.0.0.1:9009"}}
	b.put(doc)
	b.weigh("shop", map[string]configs.Weight{"azure": 1_000, "blue": 2_000, "green": 7_000})
	b.Cuts = []rollout.Cut{{Rollout: "m1", Version: "blue"}}
	if s := b.build().Service("shop"); countBuckets(s, "green") != 9_000 || countBuckets(s, "azure") != 1_000 {
		t.Errorf("in effect are %v", b.out.Built.Effective("shop"))
	}
}

func TestBuild_WhatHasNotChangedIsShared(t *testing.T) {
	b := newBench(t)
	b.put(document("a", "/a"))
	b.put(document("b", "/b"))
	b.weigh("a", map[string]configs.Weight{"blue": 9_000, "green": 1_000})
	first := b.build()
	b.weigh("a", map[string]configs.Weight{"blue": 5_000, "green": 5_000})
	second := b.build()
	if first.Service("b") != second.Service("b") {
		t.Error("service b was made anew although only a changed")
	}
	a1, a2 := first.Service("a"), second.Service("a")
	if a1 == a2 || countBuckets(a2, "green") != 5_000 {
		t.Error("service a was not made anew")
	}
	if a1.Versions[1] != a2.Versions[1] {
		t.Error("a version was made anew although only the weights changed")
	}
	doc := document("a", "/a")
	doc.Versions["green"] = configs.Version{Endpoints: []string{"127.0.0.1:9002"}, Revision: "g1"}
	b.put(doc)
	a3 := b.build().Service("a")
	if a3.Versions[1] == a2.Versions[1] || a3.Versions[1].Pool.Endpoints()[0] != a2.Versions[1].Pool.Endpoints()[0] {
		t.Error("a version with fewer endpoints must be new, and keep the endpoints that stay")
	}
}

func TestBuild_DocumentThatDoesNotCompileKeepsItsLastGoodRoute(t *testing.T) {
	b := newBench(t)
	b.put(document("a", "/a"))
	b.put(document("b", "/b"))
	b.build()
	f := func(change func(*configs.Service), text string) {
		t.Helper()
		bad := document("a", "/elsewhere")
		change(&bad)
		b.put(bad)
		table := b.build()
		b.refused("a", text)
		b.refused("b", "")
		if matched(table, "/a") != "a" || matched(table, "/elsewhere") != "" || matched(table, "/b") != "b" {
			t.Errorf("/a leads to %q, /elsewhere to %q, /b to %q", matched(table, "/a"), matched(table, "/elsewhere"), matched(table, "/b"))
		}
		// A cut counts in the last good form too.
		b.Revision++
		b.States["a"] = State{Service: state(b.t, document("a", "/a"), map[string]configs.Weight{"blue": 9_000, "green": 1_000}), ModRevision: b.Revision}
		b.Cuts = []rollout.Cut{{Rollout: "m1", Version: "green"}}
		if n := countBuckets(b.build().Service("a"), "green"); n != 0 {
			t.Errorf("green has %d buckets in the last good form", n)
		}
		b.Cuts = nil
		if n := countBuckets(b.build().Service("a"), "green"); n != 1_000 {
			t.Errorf("green has %d buckets in the last good form without a cut", n)
		}
		delete(b.States, "a")
	}

	f(func(d *configs.Service) { d.Routes = nil }, "route")
	f(func(d *configs.Service) { d.Routes[0].Path = "no-slash" }, "path")
	f(func(d *configs.Service) { d.Routes = append(d.Routes, d.Routes[0]) }, "equally well")
	f(func(d *configs.Service) { d.ErrorStatus = []int{9} }, "status")
	f(func(d *configs.Service) { d.Sticky = &configs.Sticky{By: "moon"} }, "sticky")
	f(func(d *configs.Service) { delete(d.Versions, "blue") }, "blue")
	f(func(d *configs.Service) { d.Routes[0].Path = "/b" }, "cannot choose")

	b.put(document("a", "/elsewhere"))
	if table := b.build(); matched(table, "/elsewhere") != "a" || matched(table, "/a") != "" {
		t.Error("a mended document is not routed by")
	}
	b.refused("a", "")
}

func TestBuild_OfTwoRoutesThatTieTheOlderStays(t *testing.T) {
	b := newBench(t)
	b.put(document("older", "/x"))
	b.put(document("newer", "/x"))
	table := b.build()
	b.refused("newer", "/x")
	if matched(table, "/x") != "older" || table.Service("newer") != nil {
		t.Errorf("/x leads to %q", matched(table, "/x"))
	}
	b.put(document("older", "/x")) // touched, but on the same route as ever
	if table = b.build(); matched(table, "/x") != "older" {
		t.Errorf("/x leads to %q after a change of nothing", matched(table, "/x"))
	}
	b.put(document("older", "/y"))
	if table = b.build(); matched(table, "/x") != "newer" || matched(table, "/y") != "older" {
		t.Errorf("/x leads to %q and /y to %q", matched(table, "/x"), matched(table, "/y"))
	}
	b.refused("newer", "")
}

func TestBuild_StateThatSpeaksOfAMissingVersionIsRefused(t *testing.T) {
	b := newBench(t)
	b.put(document("shop", "/"))
	b.weigh("shop", map[string]configs.Weight{"blue": 9_000, "green": 1_000})
	b.build()
	s := b.States["shop"]
	s.ModRevision++
	s.Service.Weights = map[string]configs.Weight{"blue": 5_000, "black": 5_000}
	b.States["shop"] = s
	table := b.build()
	b.refused("shop", `"black"`)
	if n := countBuckets(table.Service("shop"), "green"); n != 1_000 {
		t.Errorf("green has %d buckets, want those of the last good state", n)
	}
}

func TestBuild_LabelsThatDoNotFitAreMadeAnew(t *testing.T) {
	b := newBench(t)
	b.put(document("shop", "/"))
	b.weigh("shop", map[string]configs.Weight{"blue": 9_000, "green": 1_000})
	want := b.build().Service("shop")
	s := b.States["shop"]
	f := func(order []string, labels route.Labels) {
		t.Helper()
		s.ModRevision++
		s.Service.Order, s.Service.Labels = order, labels
		b.States["shop"] = s
		got := b.build().Service("shop")
		for bucket := range route.Buckets {
			if got.Split.Pick(bucket) != want.Split.Pick(bucket) {
				t.Fatalf("bucket %d differs", bucket)
			}
		}
	}

	f(nil, nil)
	f([]string{"blue"}, s.Service.Labels)
	f([]string{"blue", "blue"}, s.Service.Labels)
	f([]string{"blue", "green"}, make(route.Labels, route.Buckets))
	f([]string{"blue", "green"}, make(route.Labels, 7))
}

func TestBuild_StickyKeyNeedsTheKeys(t *testing.T) {
	b := newBench(t)
	doc := document("shop", "/")
	doc.Sticky = &configs.Sticky{By: "cookie"}
	b.put(doc)
	keys := b.Keys
	b.Keys = nil
	b.build()
	b.refused("shop", "keys")
	b.Keys = keys
	s := b.build().Service("shop")
	b.refused("shop", "")
	if s.Sticky.By != route.Cookie || s.Sticky.Name != "weir_id" || s.Sticky.Keys != keys {
		t.Errorf("sticky is %+v", s.Sticky)
	}
}

func TestBuild_VersionsOfRolloutsAreMerged(t *testing.T) {
	b := newBench(t)
	b.put(document("shop", "/"))
	s := rollout.NewService(b.Services["shop"].Document, noon)
	s.Versions = map[string]configs.Version{"v9": {Endpoints: []string{"127.0.0.1:9099"}, Revision: "9"}}
	b.States["shop"] = State{Service: s, ModRevision: 1}
	got := b.build().Service("shop")
	if len(got.Versions) != 3 || got.Versions[2].Name != "v9" || got.Versions[2].Revision != "9" {
		t.Errorf("versions are %+v", got.Versions)
	}
}

// BenchmarkBuild measures a change of one service of 1 000, and a build of all.
func BenchmarkBuild(b *testing.B) {
	world := newBench(b)
	for i := range 1_000 {
		world.put(document(fmt.Sprintf("s%d", i), fmt.Sprintf("/s%d/", i)))
	}
	b.Run("one of 1000", func(b *testing.B) {
		world.build()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			share := configs.Weight(1 + i%5_000)
			world.weigh("s7", map[string]configs.Weight{"blue": configs.Whole - share, "green": share})
			world.build()
		}
	})
	b.Run("all 1000", func(b *testing.B) {
		for b.Loop() {
			world.Last = nil
			world.build()
		}
	})
}

func TestBuild_AStateThatCannotBeReadIsNotTakenForNone(t *testing.T) {
	b := newBench(t)
	b.put(document("shop", "/"))
	b.weigh("shop", map[string]configs.Weight{"blue": 2_000, "green": 8_000})
	b.build()
	known := b.States["shop"]
	delete(b.States, "shop")
	b.Unread = map[string]string{"shop": "it was written by a newer weir"}
	if s := b.build().Service("shop"); s == nil || b.out.Built.Effective("shop")["green"] != 8_000 {
		t.Errorf("the last good split is gone: %v", b.out.Built.Effective("shop"))
	}
	b.refused("shop", "newer weir")

	fresh := newBench(t) // a process that begins
	fresh.put(document("shop", "/"))
	fresh.Unread = b.Unread
	if s := fresh.build().Service("shop"); s != nil {
		t.Errorf("its users went to what the document began with: %+v", s.Versions)
	}
	fresh.refused("shop", "newer weir")
	fresh.States["shop"], fresh.Unread = known, nil
	if s := fresh.build().Service("shop"); s == nil {
		t.Error("a state that can be read again is not served")
	}
}
