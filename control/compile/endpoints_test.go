package compile

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/proxy/route"
)

func ips(texts ...string) (out []netip.Addr) {
	for _, text := range texts {
		out = append(out, netip.MustParseAddr(text))
	}
	return out
}

func listed(v *route.Version) string {
	var texts []string
	for _, e := range v.Endpoints() {
		texts = append(texts, e.Address)
	}
	return strings.Join(texts, " ")
}

func TestBuild_EachAddressOfANameIsAnEndpoint(t *testing.T) {
	b := newBench(t)
	f := func(family string, want string) {
		t.Helper()
		doc := document("shop", "/")
		doc.Versions["green"] = configs.Version{Endpoints: []string{"shop.internal:80", "10.0.0.9:80", "other.internal:81"}}
		doc.Resolve = &configs.Resolve{Family: family}
		b.put(doc)
		if got := listed(b.build().Service("shop").Versions[1]); got != want {
			t.Errorf("%s: %s, want %s", family, got, want)
		}
	}
	f("", "shop.internal:80 10.0.0.9:80 other.internal:81") // not resolved yet
	b.Addresses = map[string][]netip.Addr{"shop.internal": ips("10.0.0.1", "10.0.0.9", "fd00::1"), "other.internal": ips("fd00::2")}
	f("", "10.0.0.1:80 10.0.0.9:80 [fd00::2]:81")
	f("ipv4", "10.0.0.1:80 10.0.0.9:80 other.internal:81")
	f("ipv6", "[fd00::1]:80 10.0.0.9:80 [fd00::2]:81")
	f("all", "10.0.0.1:80 10.0.0.9:80 [fd00::1]:80 [fd00::2]:81")
}

func TestBuild_AddressesThatStayKeepTheirEndpointsAndOthersTheirService(t *testing.T) {
	b := newBench(t)
	doc := document("shop", "/")
	doc.Versions["green"] = configs.Version{Endpoints: []string{"shop.internal:80"}}
	b.put(doc)
	b.put(document("cart", "/cart"))
	b.Addresses = map[string][]netip.Addr{"shop.internal": ips("10.0.0.1", "10.0.0.2")}
	before := b.build()
	b.Addresses = map[string][]netip.Addr{"shop.internal": ips("10.0.0.2", "10.0.0.3"), "else": ips("10.0.0.4")}
	after := b.build()
	old, now := before.Service("shop").Versions[1], after.Service("shop").Versions[1]
	if listed(now) != "10.0.0.2:80 10.0.0.3:80" || now.Pool.Endpoints()[0] != old.Pool.Endpoints()[1] || now.Recorder != old.Recorder {
		t.Errorf("after: %s", listed(now))
	}
	if now.Pool.Endpoints()[0].Name != "shop.internal:80" {
		t.Errorf("its name is %q", now.Pool.Endpoints()[0].Name)
	}
	if after.Service("cart") != before.Service("cart") || after.Service("shop").Versions[0] != before.Service("shop").Versions[0] {
		t.Error("what has no such name is compiled again")
	}
	again := b.build()
	if again.Service("shop") != after.Service("shop") {
		t.Error("the same addresses compile the service again")
	}
	names := b.out.Built.Names()
	if len(names) != 1 || names["shop.internal"].Seconds() != 5 {
		t.Errorf("names %v", names)
	}
}

func TestBuild_TheShortestIntervalOfANameCounts(t *testing.T) {
	b := newBench(t)
	for name, interval := range map[string]string{"a": "9s", "b": "2s", "c": ""} {
		doc := document(name, "/"+name)
		doc.Versions["green"] = configs.Version{Endpoints: []string{"shop.internal:80"}}
		if interval != "" {
			doc.Resolve = new(configs.Resolve)
			if err := doc.Resolve.Interval.UnmarshalText([]byte(interval)); err != nil {
				t.Fatal(err)
			}
		}
		b.put(doc)
	}
	b.build()
	if got := b.out.Built.Names()["shop.internal"].Seconds(); got != 2 {
		t.Errorf("every %v s, want 2", got)
	}
}
