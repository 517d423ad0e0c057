package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// peer is a proxy that can be measured.
type peer struct {
	name  string // of its files too
	start func(*world, peer) (*proxy, error)
	rival bool // a product people run, which weir is held against
	logs  bool // it writes an access log, and its metrics are asked for every second
}

// proxy is a peer that runs. All targets lead to the versions, 90 to 10.
type proxy struct {
	*process
	targets
	peer peer

	// check tells whether the split is still the one that was asked for.
	check func() error

	// Of a peer that logs.
	accessLog string // file with a line for each request
	metrics   string // URL
}

// targets are where the scenarios send their requests.
type targets struct {
	plain  target // each request draws anew
	sticky target // a client stays on its version, by cookie
	secure target // plain over TLS, with HTTP/1.1 and HTTP/2; without an address if the peer has none
}

// target is where requests go.
type target struct {
	address string
	host    string // of visitor %d, if it holds that
	cookie  string // what visitor %d sends there by himself
}

const (
	plainHost  = "plain.test"
	stickyHost = "sticky.test"
)

func peers() []peer {
	return []peer{
		{name: "weir", start: startWeir},
		{name: "weir-log", start: startWeir, logs: true},
		{name: jsonLog, start: startWeir, logs: true},
		{name: "nginx", start: startNginx, rival: true},
		{name: "nginx-log", start: startNginx, rival: true, logs: true},
		{name: again, start: startNginx},
		{name: "haproxy", start: startHAProxy, rival: true},
		{name: "haproxy-log", start: startHAProxy, rival: true, logs: true},
		{name: "caddy", start: startCaddy, rival: true},
		{name: "fasthttp", start: startFloor("fasthttp")},
		{name: "relay", start: startFloor("relay")},
		{name: "weir-5000", start: startWeirRoutes},
		{name: "weir-1", start: startWeirOneRoute},
		{name: base, start: startWeir},
		{name: base + "-log", start: startWeir, logs: true},
	}
}

func peerNames() string {
	var names []string
	for _, p := range peers() {
		names = append(names, p.name)
	}
	return strings.Join(names, ",")
}

func peerNamed(name string) (peer, error) {
	all := peers()
	i := slices.IndexFunc(all, func(p peer) bool { return p.name == name })
	if i < 0 {
		return peer{}, fmt.Errorf("there is no peer %q; there are %s", name, peerNames())
	}
	return all[i], nil
}

// launch starts a peer's program on the proxy's core, and waits for its addresses.
func (w *world) launch(kind peer, to targets, binary string, args ...string) (*proxy, error) {
	p, err := w.start(proxyCore, kind.name, binary, args...)
	if err != nil {
		return nil, err
	}
	for _, t := range []target{to.plain, to.sticky, to.secure} {
		if t.address == "" {
			continue
		}
		if err := p.awaitPort(t.address); err != nil {
			return nil, err
		}
	}
	return &proxy{process: p, peer: kind, targets: to, check: func() error { return nil }}, nil
}

// newTargets are targets on addresses of their own.
func (w *world) newTargets() (to targets, err error) {
	to.plain.host, to.sticky.host, to.secure.host = plainHost, stickyHost, plainHost
	for _, t := range []*target{&to.plain, &to.sticky, &to.secure} {
		if t.address, err = w.lab.Address(); err != nil {
			return to, err
		}
	}
	return to, nil
}

// startFloor starts one of the proxies of this folder, which know no stickiness.
func startFloor(tool string) func(*world, peer) (*proxy, error) {
	return func(w *world, p peer) (*proxy, error) {
		address, err := w.lab.Address()
		if err != nil {
			return nil, err
		}
		t := target{address: address, host: plainHost}
		s := target{address: address, host: stickyHost, cookie: "uid=visitor-%d-of-a-bare-proxy"}
		return w.launch(p, targets{plain: t, sticky: s}, w.path(tool), "-listen", address, "-blue", w.blue, "-green", w.green)
	}
}

func startWeir(w *world, p peer) (*proxy, error) {
	return w.weir(p, plainHost, map[string]string{"plain": w.plain(fmt.Sprintf("{host: %s}", plainHost))})
}

// jsonLog is a weir whose lines tell version, lane and endpoint too, three times
// as long as the combined ones of all others.
const jsonLog = "weir-json"

// base is an earlier weir, to measure a change.
const base = "base"

// routedHost is one of many hosts, of visitor %d.
const routedHost = "r%d.routes.test"

// startWeirOneRoute starts a weir for which all of these hosts are one route.
func startWeirOneRoute(w *world, p peer) (*proxy, error) {
	return w.weir(p, routedHost, map[string]string{"plain": w.plain("{path: /}")})
}

// startWeirRoutes starts a weir with 5 000 routes in services of 1 000, the
// largest that weir takes. Requests go to those of the first one.
func startWeirRoutes(w *world, p peer) (*proxy, error) {
	services := map[string]string{}
	for service := range 5 {
		routes := make([]string, 1000)
		for i := range routes {
			routes[i] = fmt.Sprintf("{host: "+routedHost+"}", service*len(routes)+i)
		}
		document := w.plain(strings.Join(routes, ", "))
		if service == 0 {
			services["plain"] = document
		} else {
			other := fmt.Sprintf("other-%d", service)
			services[other] = strings.Replace(document, "name: plain", "name: "+other, 1)
		}
	}
	return w.weir(p, routedHost, services)
}

func (w *world) plain(routes string) string { return w.service("plain", "["+routes+"]", "") }

// weir runs a node with embedded etcd. All services, and one for the sticky
// target, are under a rollout by hand which the default guard judges.
func (w *world) weir(kind peer, host string, services map[string]string) (*proxy, error) {
	to, err := w.newTargets()
	if err != nil {
		return nil, err
	}
	control, err := w.lab.Address()
	if err != nil {
		return nil, err
	}
	to.plain.host, to.secure.host, to.sticky.address = host, host, to.plain.address
	name, access := kind.name, "off"
	if kind.logs {
		access = "combined, access_file: " + name + "-access.log"
	}
	if kind.name == jsonLog {
		access = "json, access_file: " + name + "-access.log"
	}
	file, err := w.write(name+".yaml", fmt.Sprintf(`kind: Node
name: %s
listen:
  - address: %s
  - address: %s
    tls: {certificates: [{cert: cert.pem, key: key.pem}]}
control: {address: %s}
state: {embedded: {dir: %s-data}}
log: {level: warn, format: json, access: %s}
drain: {window: 10ms, grace: 1s}
`, name, to.plain.address, to.secure.address, control, name, access))
	if err != nil {
		return nil, err
	}
	binary := w.path("weir")
	if strings.HasPrefix(name, base) {
		binary = w.path(base)
	}
	p, err := w.launch(kind, to, binary, "serve", "-c", file)
	if err != nil {
		return nil, err
	}
	services["sticky"] = w.service("sticky", fmt.Sprintf("[{host: %s}]", stickyHost), "sticky: {by: cookie}\n")
	api := lab.NewAPI("http://"+control, "")
	if err := applied(api, name, services); err != nil {
		p.stop()
		return nil, err
	}
	p.check = func() error { return inForce(api, services) }
	if kind.logs {
		p.accessLog, p.metrics = filepath.Join(w.dir, name+"-access.log"), "http://"+control+"/metrics"
	}
	return p, nil
}

// applied creates the services once weir is ready.
func applied(api *lab.API, name string, services map[string]string) error {
	err := lab.Await(name+" is ready", 20*time.Second, func() (bool, error) {
		a, err := api.Call(http.MethodGet, "/readyz", nil)
		return err == nil && a.Status == http.StatusOK, err
	})
	if err != nil {
		return err
	}
	for service, document := range services {
		if err := api.Apply(service, lab.Document(document)); err != nil {
			return err
		}
	}
	return nil
}

// inForce reports a service that is no longer split as it was asked to be.
func inForce(api *lab.API, services map[string]string) error {
	for service := range services {
		seen, err := api.Service(service)
		if err != nil {
			return err
		}
		if seen.Weights["green"] != "10%" || seen.Rollout == "" {
			return fmt.Errorf("weir moved service %s to %v, rollout %q", service, seen.Weights, seen.Rollout)
		}
	}
	return nil
}

func (w *world) service(name, routes, sticky string) string {
	return fmt.Sprintf(`kind: Service
name: %s
routes: %s
versions: {blue: {endpoints: ["%s"]}, green: {endpoints: ["%s"]}}
stable: blue
weights: {blue: 90%%, green: 10%%}
%s`, name, routes, w.blue, w.green, sticky)
}

// port is that of an address.
func port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
