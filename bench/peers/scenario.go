package main

import (
	"fmt"
	"slices"
	"strings"
)

// load is the way in which requests are sent.
type load int

const (
	closed load = iota // each connection asks again as soon as it is answered
	opened             // at a fixed rate, whatever the answers do
	held               // once, and then the connections are idle
)

// scenario is one kind of traffic for several proxies.
type scenario struct {
	name   string
	what   string
	peers  []string
	load   load
	path   string
	sticky bool
	tls    bool
	h2     bool // over TLS
	upload int  // bytes of the body of a POST, 0: GET

	connections int
	bars        []bar
}

// bar is a limit of one of a peer's figures over another's.
type bar struct {
	figure figure
	of     string // a peer; empty: the first
	over   string // a peer, or best: the lowest of the rivals in that round, of those that log if this one does; empty: the figure itself
	limit  float64
	upper  bool // the end of the interval must keep the limit, and not only the median

	// control says that both are the same program: what keeps it from the limit is
	// the machine and the load. It counts for nothing.
	control bool
}

const (
	best  = "best"
	again = "nginx-again" // a second nginx, as the first
)

// all are the scenarios, in the order in which they are run.
func all() []scenario {
	usual := []string{"weir", "nginx", "haproxy", "fasthttp", "relay"}
	parsing := []string{"weir", "nginx", "haproxy", "fasthttp"}
	small := []bar{{figure: cpu, over: best, limit: 1}, {figure: cpu, over: "fasthttp", limit: 1.1}}
	return []scenario{{
		name: "small", what: "GET, answer of 13 bytes, each request drawn anew, 64 connections",
		peers: []string{"weir", "nginx", "haproxy", "caddy", "fasthttp", "relay"},
		path:  "/small", connections: 64, bars: small,
	}, {
		name: "sticky", what: "the same, with the cookie that the proxy signed (nginx and fasthttp: any cookie); with access logs and a scrape of the metrics a second, and without",
		peers: []string{"weir", "nginx", "haproxy", "fasthttp", "weir-log", "weir-json", "nginx-log", "haproxy-log"},
		path:  "/small", sticky: true, connections: 64,
		bars: append([]bar{{figure: cpu, of: "weir-log", over: best, limit: 1}}, small...),
	}, {
		name: "open", what: "the same, at an equal rate in an open loop, twice the rounds",
		peers: append(slices.Clone(parsing), again), load: opened, path: "/small", sticky: true, connections: 64,
		bars: []bar{
			{figure: cpu, over: best, limit: 1}, {figure: p99, over: "nginx", limit: 1.15, upper: true},
			{figure: cpu, of: again, over: "nginx", limit: 1, control: true}, {figure: p99, of: again, over: "nginx", limit: 1.15, upper: true, control: true},
		},
	}, {
		name: "10k", what: "GET, answer of 10 KB, 64 connections",
		peers: usual, path: "/10k", connections: 64,
	}, {
		name: "1m", what: "GET, answer of 1 MB, 64 connections",
		peers: usual, path: "/1m", connections: 64,
		bars: []bar{{figure: cpu, over: "nginx", limit: 1 / 0.9}, {figure: memory, limit: 64 << 20}},
	}, {
		name: "post", what: "POST of 100 KB, 64 connections",
		peers: usual, path: "/upload", upload: 100 << 10, connections: 64,
	}, {
		name: "tls", what: "small over TLS, kept alive, 64 connections",
		peers: []string{"weir", "nginx", "haproxy", "caddy"}, path: "/small", tls: true, connections: 64,
		bars: []bar{{figure: cpu, over: "nginx", limit: 1.25}},
	}, {
		name: "h2", what: "small in HTTP/2 over TLS, 16 connections of 8 streams",
		peers: []string{"weir", "nginx", "haproxy", "caddy"}, path: "/small", h2: true, connections: 16,
		bars: []bar{{figure: cpu, over: "caddy", limit: 0.6}},
	}, {
		name: "routes", what: "small, for 64 hosts in turn, that are one route or 64 of 5 000",
		peers: []string{"weir-5000", "weir-1"}, path: "/small", connections: 64,
		bars: []bar{{figure: cpu, over: "weir-1", limit: 1.05}},
	}, {
		name: "single", what: "small, one connection",
		peers: usual, path: "/small", connections: 1,
	}, {
		name: "idle", what: "keep-alive connections which sent one request and then none, memory of each in fresh processes",
		peers: []string{"weir", "nginx", "haproxy", "caddy", "fasthttp"},
		load:  held, path: "/small", connections: 9_800, // HAProxy wants two descriptors for each, and often has 20 000
		bars: []bar{{figure: memory, limit: 4 << 10}},
	}, {
		name: "idle-tls", what: "the same over TLS",
		peers: []string{"weir", "nginx", "haproxy", "caddy"},
		load:  held, path: "/small", tls: true, connections: 9_800,
		bars: []bar{{figure: memory, limit: 20 << 10}}, // nginx and HAProxy with OpenSSL need 15
	}}
}

func scenarioNames() string {
	var names []string
	for _, s := range all() {
		names = append(names, s.name)
	}
	return strings.Join(names, ",")
}

// selectScenarios keeps those that are named, with the peers that are named.
// Empty lists keep what there is.
func selectScenarios(names, peers string) ([]scenario, error) {
	for _, name := range split(peers) {
		if _, err := peerNamed(name); err != nil {
			return nil, err
		}
	}
	chosen := all()
	if names != "" {
		chosen = nil
		for _, name := range split(names) {
			i := slices.IndexFunc(all(), func(s scenario) bool { return s.name == name })
			if i < 0 {
				return nil, fmt.Errorf("there is no scenario %q; there are %s", name, scenarioNames())
			}
			chosen = append(chosen, all()[i])
		}
	}
	if peers != "" {
		for i := range chosen {
			chosen[i].peers = split(peers)
		}
	}
	return chosen, nil
}

// url is where the scenario's requests go at a target.
func (s *scenario) url(t target) string {
	if s.tls || s.h2 {
		return "https://" + t.address + s.path
	}
	return "http://" + t.address + s.path
}

// target is the one of a proxy's that the scenario is about.
func (s *scenario) target(p *proxy) target {
	switch {
	case s.sticky:
		return p.sticky
	case s.tls, s.h2:
		return p.secure
	}
	return p.plain
}
