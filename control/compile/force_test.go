package compile

import (
	"slices"
	"testing"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/route"
)

// previewed puts a rollout with a preview of green in force.
func (b *bench) previewed(name string, p rollout.Preview) {
	b.weigh(name, map[string]configs.Weight{"blue": 9_000, "green": 1_000})
	s := b.States[name]
	s.Service.Preview = &p
	b.States[name] = s
}

// led is the version that a request is led to by its route, and the service.
func led(table *route.Table, host, path, header string) (service, version string) {
	q := &route.Request{Host: []byte(host), Path: []byte(path), Method: []byte("GET"), Header: func(name string) []byte {
		if name == "X-Preview" && header != "" {
			return []byte(header)
		}
		return nil
	}}
	r := table.Match(q)
	switch {
	case r == nil:
		return "", ""
	case r.Forced == nil:
		return r.Service.Name, ""
	}
	return r.Service.Name, r.Forced.Name
}

func TestBuild_PreviewLeadsToItsVersion(t *testing.T) {
	b := newBench(t)
	doc := document("shop", "/")
	doc.Routes = []configs.Route{{Host: "shop.example.com"}, {Host: "www.example.com"}, {Path: "/shop/", StripPrefix: "/shop"}}
	b.put(doc)
	b.previewed("shop", rollout.Preview{To: "green", Header: map[string]string{"X-Preview": "green"}, Host: "new.example.com"})
	table := b.build()
	f := func(host, path, header, service, version string) {
		t.Helper()
		if s, v := led(table, host, path, header); s != service || v != version {
			t.Errorf("%s%s with %q leads to %q of %q, want %q of %q", host, path, header, v, s, version, service)
		}
	}
	f("shop.example.com", "/", "", "shop", "")
	f("shop.example.com", "/", "green", "shop", "green")
	f("shop.example.com", "/", "blue", "shop", "")
	f("www.example.com", "/x", "green", "shop", "green")
	f("new.example.com", "/", "", "shop", "green")
	f("new.example.com", "/shop/x", "", "shop", "green")
	f("other.example.com", "/shop/x", "green", "shop", "green")
	f("other.example.com", "/", "green", "", "")
	b.refused("shop", "")

	b.States["shop"] = State{Service: rollout.NewService(doc, noon), ModRevision: b.Revision + 1}
	if s, v := led(b.build(), "shop.example.com", "/", "green"); s != "shop" || v != "" {
		t.Errorf("the preview outlives its rollout: %q of %q", v, s)
	}
}

// A preview gives way to every route of users: its service stays as it was.
func TestBuild_PreviewThatTiesTakesNobodyDown(t *testing.T) {
	for _, older := range []string{"shop", "search"} {
		b := newBench(t)
		other := document("search", "/")
		other.Routes = []configs.Route{{Host: "new.example.com"}}
		if older == "search" {
			b.put(other)
			b.put(document("shop", "/"))
		} else {
			b.put(document("shop", "/"))
			b.put(other)
		}
		b.previewed("shop", rollout.Preview{To: "green", Host: "new.example.com"})
		for range 2 { // it is told each time
			table := b.build()
			if s, v := led(table, "new.example.com", "/", ""); s != "search" || v != "" {
				t.Errorf("the other's host leads to %q of %q", v, s)
			}
			if s, _ := led(table, "h", "/", ""); s != "shop" {
				t.Error("the service with the preview is gone")
			}
			b.refused("shop", "there is no preview")
			b.refused("search", "")
		}
		delete(b.Services, "search")
		if _, v := led(b.build(), "new.example.com", "/", ""); v != "green" {
			t.Error("the preview does not come back once nothing ties with it")
		}
		b.refused("shop", "")
	}
}

func TestBuild_AdmitsTheFirstEndpoints(t *testing.T) {
	b := newBench(t)
	doc := document("shop", "/")
	b.put(doc)
	b.weigh("shop", map[string]configs.Weight{"blue": 5_000, "green": 5_000})
	f := func(admitted map[string]int, cut bool, want ...string) {
		t.Helper()
		b.Revision++
		s := b.States["shop"]
		s.Service.Admitted, s.ModRevision = admitted, b.Revision
		b.States["shop"] = s
		b.Cuts = nil
		if cut {
			b.Cuts = []rollout.Cut{{Rollout: "m1", Service: "shop", Version: "green"}}
		}
		var got []string
		for _, e := range b.build().Service("shop").Versions[1].Pool.Endpoints() {
			got = append(got, e.Address)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v admits %q, want %q", admitted, got, want)
		}
		b.refused("shop", "")
	}
	all := []string{"127.0.0.1:9002", "127.0.0.1:9003"}
	f(nil, false, all...)
	f(map[string]int{"green": 1}, false, all[0])
	f(map[string]int{"blue": 1}, false, all...)
	f(map[string]int{"green": 2}, false, all...)
	f(map[string]int{"green": 7}, false, all...) // there were more when the rollout began
	f(map[string]int{"green": 0}, false, all[0]) // nothing has weight without an endpoint
	f(map[string]int{"green": 1}, true, all...)  // nothing is in a cut's way
}

func TestBuild_LeadsChosenUsersUntilACut(t *testing.T) {
	b := newBench(t)
	b.put(document("shop", "/"))
	b.weigh("shop", map[string]configs.Weight{"blue": 9_000, "green": 1_000})
	s := b.States["shop"]
	s.Service.Force = &rollout.Force{To: "green", Match: []configs.Match{
		{Header: "X-Beta", Values: []string{"1"}}, {Cookie: "beta"}, {Query: "user", Share: 1_000},
	}}
	b.States["shop"] = s
	f := b.build().Service("shop").Force
	if f == nil || f.Version.Name != "green" || len(f.Any) != 3 {
		t.Fatalf("compiled to %+v", f)
	}
	for i, want := range []struct {
		by   route.By
		name string
	}{{route.Header, "X-Beta"}, {route.Cookie, "beta"}, {route.Query, "user"}} {
		if c := f.Any[i]; c.By != want.by || c.Name != want.name {
			t.Errorf("condition %d is on %v %q", i, c.By, c.Name)
		}
	}
	b.Cuts = []rollout.Cut{{Rollout: "m1", Service: "shop", Version: "green"}}
	if b.build().Service("shop").Force != nil {
		t.Error("a cut version still has its chosen users")
	}
	b.Cuts, b.Keys = nil, nil
	b.build()
	b.refused("shop", "keys")
}
