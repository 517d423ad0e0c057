package compile

import (
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
		p.Uploads = max(doc.Circuit.Uploads, 0)
	}
	return p
}
