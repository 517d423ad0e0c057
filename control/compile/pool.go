package compile

import (
	"net"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/upstream"
)

// poolPolicy is how the endpoints of a version are picked. Doc has its defaults.
//
// Only stable panics: a candidate that has lost half of its endpoints shows what
// it is by those that are left, and its users are served by them.
func poolPolicy(doc configs.Service, stable bool) upstream.Policy {
	p := upstream.Policy{
		Failures:        max(doc.Ejection.Failures, 0),
		LastResort:      doc.PanicPercent > 0,
		Requests:        doc.Circuit.Requests,
		VersionRequests: doc.Circuit.VersionRequests,
	}
	if stable {
		p.Panic = max(doc.PanicPercent, 0)
	}
	if protocol(doc.Protocol) == route.HTTP1 {
		p.Connections, p.Pending = doc.Circuit.Connections, max(doc.Circuit.Pending, 0)
	}
	return p
}

// link is how connections to an endpoint are made.
func (b *builder) link(doc configs.Service, address string) upstream.Link {
	link := upstream.Link{H2: protocol(doc.Protocol) != route.HTTP1}
	if doc.Protocol != "https" && doc.Protocol != "h2" {
		return link
	}
	t := configs.EndpointTLS{}
	if doc.TLS != nil {
		t = *doc.TLS
	}
	link.TLS = b.Endpoints.TLS(upstream.TLSFiles{CA: t.CA, Cert: t.Cert, Key: t.Key, Insecure: t.Insecure})
	if link.Name = t.ServerName; link.Name == "" {
		link.Name, _, _ = net.SplitHostPort(address) // a valid address, or no service
	}
	return link
}

// sameLinks reports whether the endpoints of two documents are reached alike.
func sameLinks(a, b configs.Service) bool {
	return a.Protocol == b.Protocol && (a.TLS == nil) == (b.TLS == nil) && (a.TLS == nil || *a.TLS == *b.TLS)
}
