package control

import (
	"cmp"
	"slices"
	"strings"

	"github.com/weirproxy/weir/control/exposition"
	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/upstream"
)

func (c *Controller) writeEndpoints(p *exposition.Page, services []*route.Service) {
	up := p.Gauge("weir_endpoint_up", "1 if the endpoint is up and not ejected.")
	for _, s := range services {
		for _, version := range s.Versions {
			base := exposition.LabelsOf("service", s.Name, "version", version.Name)
			endpoints := version.Endpoints()
			slices.SortFunc(endpoints, func(a, b *upstream.Endpoint) int { return strings.Compare(a.Address, b.Address) })
			for i := 0; i < len(endpoints); i++ {
				// Two names may lead to one address: it is up if either is.
				is := endpoints[i].Up()
				for ; i+1 < len(endpoints) && endpoints[i+1].Address == endpoints[i].Address; i++ {
					is = is || endpoints[i+1].Up()
				}
				up.AddTo(base, exposition.Flag(is), "endpoint", endpoints[i].Address)
			}
		}
	}
	c.ejections.write(p.Counter("weir_endpoint_ejections_total", "Endpoints taken out for the requests that they failed."), "service", "version")
	c.writeCircuits(p)
}

func (c *Controller) writeCircuits(p *exposition.Page) {
	type row struct {
		id       versionID
		circuit  upstream.Circuit
		requests uint64
	}
	var rows []row
	c.opts.Endpoints.Refusals(func(service, version string, circuit upstream.Circuit, requests uint64) {
		rows = append(rows, row{versionID{service, version}, circuit, requests})
	})
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(a.id.compare(b.id), cmp.Compare(a.circuit, b.circuit)) })
	open := p.Counter("weir_circuit_open_total", "Requests that found their version at one of its limits.")
	for _, r := range rows {
		open.Add(float64(r.requests), "service", r.id.service, "version", r.id.version, "reason", r.circuit.String())
	}
}
