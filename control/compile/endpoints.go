package compile

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/upstream"
)

// endpoints are those of some addresses of a version: one for each address, and
// for each that a name was resolved to. No address is there twice.
func (b *builder) endpoints(doc configs.Service, version string, addresses []string) []*upstream.Endpoint {
	endpoints := make([]*upstream.Endpoint, 0, len(addresses))
	found := false // one of them was found by its name, and may stand there itself
	for _, name := range addresses {
		link := b.link(doc, name)
		for _, address := range b.resolved(doc, name) {
			known := func(e *upstream.Endpoint) bool { return e.Address == address }
			if found = found || address != name; found && slices.ContainsFunc(endpoints, known) {
				continue
			}
			endpoints = append(endpoints, b.Endpoints.Get(upstream.Identity{
				Service: doc.Name, Version: version, Address: address, Name: name, Link: link,
			}))
		}
	}
	return endpoints
}

// resolved are the addresses of one that may have a name for a host. Of a name
// that has none yet it is the name: it is resolved when it is dialled.
func (b *builder) resolved(doc configs.Service, address string) []string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return []string{address}
	}
	var out []string
	for _, a := range family(b.Addresses[host], doc.Resolve.Family) {
		out = append(out, net.JoinHostPort(a.String(), port))
	}
	if len(out) == 0 {
		return []string{address}
	}
	return out
}

// family picks the addresses that a document wants. Auto is one family: a host
// that has both is one server, and seldom listens on both.
func family(all []netip.Addr, want string) []netip.Addr {
	of := func(is func(netip.Addr) bool) (some []netip.Addr) {
		for _, a := range all {
			if is(a) {
				some = append(some, a)
			}
		}
		return some
	}
	four := of(netip.Addr.Is4)
	switch {
	case want == "all":
		return all
	case want == "ipv6" || want == "auto" && len(four) == 0:
		return of(netip.Addr.Is6)
	}
	return four
}

// namesOf are the names in the endpoints of versions, in order.
func namesOf(versions map[string]configs.Version) []string {
	var names []string
	for _, v := range versions {
		for _, address := range v.Endpoints {
			host, _, err := net.SplitHostPort(address)
			if _, bad := netip.ParseAddr(host); err == nil && bad != nil {
				names = append(names, host)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// addressesOf is what names were resolved to, as one text to compare.
func (b *builder) addressesOf(names []string) string {
	if len(names) == 0 {
		return ""
	}
	var text strings.Builder
	for _, name := range names {
		fmt.Fprintln(&text, name, b.Addresses[name])
	}
	return text.String()
}

// link is how connections to an address are made.
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
