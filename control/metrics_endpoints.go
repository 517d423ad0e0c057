package control

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/weirproxy/weir/proxy/upstream"
)

func (c *Controller) writeEndpoints(m *exposition) {
	m.family("weir_endpoint_up", "gauge", "1 if the endpoint is up and not ejected")
	for _, e := range c.endpoints() {
		m.value("weir_endpoint_up", boolean(e.Up()), "service", e.Service, "version", e.Version, "endpoint", e.Address)
	}
	m.family("weir_endpoint_ejections_total", "counter", "endpoints taken out for the requests that they failed")
	ejections := c.ejections.snapshot()
	for _, id := range slices.SortedFunc(maps.Keys(ejections), versionID.compare) {
		m.value("weir_endpoint_ejections_total", float64(ejections[id]), "service", id.service, "version", id.version)
	}
	c.writeCircuits(m)
}

// endpoints are all endpoints in order. They are written after the registry's
// lock is free: w may be slow, and a cut needs the lock.
func (c *Controller) endpoints() []*upstream.Endpoint {
	var all []*upstream.Endpoint
	c.opts.Endpoints.Range(func(e *upstream.Endpoint) { all = append(all, e) })
	slices.SortFunc(all, func(a, b *upstream.Endpoint) int {
		return cmp.Or(versionID{a.Service, a.Version}.compare(versionID{b.Service, b.Version}), strings.Compare(a.Address, b.Address))
	})
	return all
}

func (c *Controller) writeCircuits(m *exposition) {
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
	m.family("weir_circuit_open_total", "counter", "requests that found their version at one of its limits")
	for _, r := range rows {
		m.value("weir_circuit_open_total", float64(r.requests), "service", r.id.service, "version", r.id.version, "reason", r.circuit.String())
	}
}
