package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// peer is a proxy that can be measured.
type peer struct {
	name  string
	start func(*world, string) (*proxy, error) // the name is of its files
	rival bool                                 // a product people run, which weir is held against
}

// proxy is a peer that runs. Both targets lead to the versions, 90 to 10.
type proxy struct {
	*process
	peer   peer
	plain  target // each request draws anew
	sticky target // a client stays on its version, by cookie

	// check tells whether the split is still the one that was asked for.
	check func() error
}

// target is where requests go.
type target struct {
	address string
	host    string
	cookie  string // what clients send there by themselves; %d is the client
}

const (
	plainHost  = "plain.test"
	stickyHost = "sticky.test"
)

func peers() []peer {
	return []peer{
		{name: "weir", start: startWeir},
		{name: "nginx", start: startNginx, rival: true},
		{name: "haproxy", start: startHAProxy, rival: true},
		{name: "caddy", start: startCaddy, rival: true},
		{name: "fasthttp", start: startFloor("fasthttp")},
		{name: "relay", start: startFloor("relay")},
		{name: "weir-5000", start: startWeirRoutes},
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

// launch starts a peer's program on the proxy's core, and waits for both of its
// addresses.
func (w *world) launch(name string, plain, sticky target, binary string, args ...string) (*proxy, error) {
	p, err := w.start(proxyCore, name, binary, args...)
	if err != nil {
		return nil, err
	}
	for _, t := range []target{plain, sticky} {
		if err := p.awaitPort(t.address); err != nil {
			return nil, err
		}
	}
	return &proxy{process: p, plain: plain, sticky: sticky, check: func() error { return nil }}, nil
}

// twoTargets are targets on addresses of their own.
func (w *world) twoTargets() (plain, sticky target, err error) {
	if plain.address, err = w.lab.Address(); err != nil {
		return plain, sticky, err
	}
	sticky.address, err = w.lab.Address()
	plain.host, sticky.host = plainHost, stickyHost
	return plain, sticky, err
}

// startFloor starts one of the proxies of this folder, which know no stickiness.
func startFloor(tool string) func(*world, string) (*proxy, error) {
	return func(w *world, name string) (*proxy, error) {
		address, err := w.lab.Address()
		if err != nil {
			return nil, err
		}
		t := target{address: address, host: plainHost}
		s := target{address: address, host: stickyHost, cookie: "uid=visitor-%d-of-a-bare-proxy"}
		return w.launch(name, t, s, w.path(tool), "-listen", address, "-blue", w.blue, "-green", w.green)
	}
}

func startWeir(w *world, name string) (*proxy, error) {
	return w.weir(name, fmt.Sprintf("[{host: %s}]", plainHost))
}

// startWeirRoutes starts a weir whose plain service has 5 000 routes.
func startWeirRoutes(w *world, name string) (*proxy, error) {
	routes := fmt.Sprintf("[{host: %s}", plainHost)
	for i := 1; i < 5000; i++ {
		routes += fmt.Sprintf(", {host: r%d.routes.test, path: /r%d/}", i, i)
	}
	return w.weir(name, routes+"]")
}

// weir runs a node with embedded etcd, and one service for each target, both
// under a rollout by hand which the default guard judges.
func (w *world) weir(name, routes string) (*proxy, error) {
	t := target{host: plainHost}
	control, err := w.lab.Address()
	if err != nil {
		return nil, err
	}
	if t.address, err = w.lab.Address(); err != nil {
		return nil, err
	}
	s := t
	s.host = stickyHost
	file, err := w.write(name+".yaml", fmt.Sprintf(`kind: Node
name: %s
listen: [{address: %s}]
control: {address: %s}
state: {embedded: {dir: %s-data}}
log: {level: warn, format: json}
drain: {window: 10ms, grace: 1s}
`, name, t.address, control, name))
	if err != nil {
		return nil, err
	}
	p, err := w.launch(name, t, s, w.path("weir"), "serve", "-c", file)
	if err != nil {
		return nil, err
	}
	api := lab.NewAPI("http://"+control, "")
	services := map[string]string{
		"plain":  w.service("plain", routes, ""),
		"sticky": w.service("sticky", fmt.Sprintf("[{host: %s}]", stickyHost), "sticky: {by: cookie}\n"),
	}
	err = lab.Await(name+" is ready", 20*time.Second, func() (bool, error) {
		a, err := api.Call(http.MethodGet, "/readyz", nil)
		return err == nil && a.Status == http.StatusOK, err
	})
	if err != nil {
		p.stop()
		return nil, err
	}
	for service, document := range services {
		if err := api.Apply(service, lab.Document(document)); err != nil {
			p.stop()
			return nil, err
		}
	}
	p.check = func() error {
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
	return p, nil
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
