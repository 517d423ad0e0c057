package compile

import (
	"testing"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/proxy/upstream"
)

func TestBuild_PoolsFollowTheDocumentAndTheRole(t *testing.T) {
	b := newBench(t)
	f := func(change func(doc *configs.Service), stable, candidate upstream.Policy) {
		t.Helper()
		doc := document("shop", "/")
		change(&doc)
		b.put(doc)
		s := b.build().Service("shop")
		if got := s.Versions[0].Pool.Policy(); got != stable {
			t.Errorf("stable: %+v, want %+v", got, stable)
		}
		if got := s.Versions[1].Pool.Policy(); got != candidate {
			t.Errorf("candidate: %+v, want %+v", got, candidate)
		}
	}
	f(func(*configs.Service) {},
		upstream.Policy{Failures: 5, Panic: 50, LastResort: true, Connections: 1024, Pending: 1024, Uploads: 512},
		upstream.Policy{Failures: 5, LastResort: true, Connections: 1024, Pending: 1024, Uploads: 512})
	f(func(doc *configs.Service) {
		doc.PanicPercent, doc.Ejection = -1, &configs.Ejection{Failures: -1}
		doc.Circuit = &configs.Circuit{Pending: -1, Connections: 7, Requests: 3, VersionRequests: 9}
	}, upstream.Policy{Connections: 7, Requests: 3, VersionRequests: 9, Uploads: 3}, upstream.Policy{Connections: 7, Requests: 3, VersionRequests: 9, Uploads: 3})
	f(func(doc *configs.Service) { doc.Protocol, doc.PanicPercent = "h2c", 30 },
		upstream.Policy{Failures: 5, Panic: 30, LastResort: true}, upstream.Policy{Failures: 5, LastResort: true})
}

func TestBuild_PoolsAreSharedWhileNothingAboutThemChanges(t *testing.T) {
	b := newBench(t)
	b.put(document("shop", "/"))
	before := b.build().Service("shop")
	other := document("shop", "/elsewhere")
	b.put(other)
	if after := b.build().Service("shop"); after.Versions[1].Pool != before.Versions[1].Pool {
		t.Error("another path makes another pool")
	}
	other.Stable = "green"
	b.put(other)
	promoted := b.build().Service("shop")
	if promoted.Versions[1].Pool.Policy().Panic != 50 || promoted.Versions[1].Pool.Endpoints()[0] != before.Versions[1].Pool.Endpoints()[0] {
		t.Error("a version that becomes stable does not panic, or has other endpoints")
	}
}

func TestBuild_LinksAreWhatTheDocumentSays(t *testing.T) {
	b := newBench(t)
	f := func(protocol string, tls *configs.EndpointTLS, want upstream.Link, files upstream.TLSFiles) {
		t.Helper()
		doc := document("shop", "/")
		doc.Protocol, doc.TLS = protocol, tls
		doc.Versions["green"] = configs.Version{Endpoints: []string{"shop.internal:8443"}}
		b.put(doc)
		e := b.build().Service("shop").Versions[1].Pool.Endpoints()[0]
		if want.Name != "" {
			want.TLS = b.Endpoints.TLS(files)
		}
		if e.Link != want {
			t.Errorf("%s %+v: %+v, want %+v", protocol, tls, e.Link, want)
		}
	}
	f("http1", nil, upstream.Link{}, upstream.TLSFiles{})
	f("h2c", nil, upstream.Link{H2: true}, upstream.TLSFiles{})
	f("https", nil, upstream.Link{Name: "shop.internal"}, upstream.TLSFiles{})
	f("h2", &configs.EndpointTLS{CA: "/ca"}, upstream.Link{H2: true, Name: "shop.internal"}, upstream.TLSFiles{CA: "/ca"})
	f("https", &configs.EndpointTLS{CA: "/other", ServerName: "n", Cert: "/c", Key: "/k"}, upstream.Link{Name: "n"},
		upstream.TLSFiles{CA: "/other", Cert: "/c", Key: "/k"})
	f("https", &configs.EndpointTLS{Insecure: true}, upstream.Link{Name: "shop.internal"}, upstream.TLSFiles{Insecure: true})
}
