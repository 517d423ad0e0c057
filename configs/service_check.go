package configs

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const (
	maxVersions  = 64
	maxEndpoints = 1000 // of one version
	maxRoutes    = 1000 // of one service
	maxTimeout   = Duration(time.Hour)
	maxSpan      = Duration(30 * 24 * time.Hour) // of anything else
)

// Validate returns all problems of s. Paths are canonical and without places:
// Document.Locate adds them. It does not change s, and takes zero for a default.
func (s *Service) Validate() Problems {
	r := &report{}
	r.name("name", s.Name)
	for name, value := range map[string]string{"application": s.Application, "environment": s.Environment} {
		if value != "" {
			r.name(name, value)
		}
	}
	s.checkVersions(r)
	s.checkWeights(r)
	s.checkRoutes(r)
	s.checkSticky(r)
	s.checkHealth(r)
	s.checkLimits(r)
	r.checkPages(s.Errors)
	s.checkPool(r)
	s.Resources.validate(r)
	if s.Guard != nil {
		s.Guard.check(r, "guard")
	}
	s.checkReplays(r)
	return r.problems
}

func (g *Guard) check(r *report, path string) {
	triggers := field(path, "triggers")
	r.triggers(triggers, g.Triggers)
	r.metrics(field(path, "metrics"), g.Metrics)
	for i, t := range g.Triggers {
		r.measurable(field(item(triggers, i), "condition"), t.Condition, g.Metrics, false)
	}
	r.span(field(path, "bake"), g.Bake, maxSpan)
	r.span(field(path, "unready_for"), g.UnreadyFor, maxTimeout)
	r.latencyLimits(triggers, g.rules())
}

func (s *Service) checkVersions(r *report) {
	if len(s.Versions) == 0 {
		r.add("versions", "write versions: {blue: {endpoints: [127.0.0.1:9001]}}", "the service has no versions")
	}
	if len(s.Versions) > maxVersions {
		r.add("versions", fmt.Sprintf("keep at most %d", maxVersions), "there are %d versions", len(s.Versions))
	}
	owner := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(s.Versions)) {
		path := field("versions", name)
		if !isVersionName(name) {
			r.add(path, versionHint, "%q is not a name of a version", name)
		}
		r.endpoints(field(path, "endpoints"), name, s.Versions[name].Endpoints, owner)
		if revision := s.Versions[name].Revision; len(revision) > 256 || !isFieldValue(revision) {
			r.add(field(path, "revision"), "write at most 256 printable characters", "the revision is too long or not printable")
		}
	}
}

// endpoints checks the addresses of one version. Owner holds the version of
// every address seen so far.
func (r *report) endpoints(path, version string, endpoints []string, owner map[string]string) {
	if len(endpoints) == 0 {
		r.add(path, "write endpoints: [127.0.0.1:9001]", "version %q has no endpoints", version)
	}
	if len(endpoints) > maxEndpoints {
		r.add(path, fmt.Sprintf("keep at most %d", maxEndpoints), "version %q has %d endpoints", version, len(endpoints))
		return
	}
	for i, address := range endpoints {
		before := len(r.problems)
		r.address(item(path, i), address, false)
		if len(r.problems) > before {
			continue
		}
		key := strings.ToLower(address)
		switch other, taken := owner[key]; {
		case taken && other == version:
			r.add(item(path, i), "remove one", "the address %q stands here twice", address)
		case taken:
			r.add(item(path, i), "give each version its own endpoints", "the address %q belongs to version %q already", address, other)
		default:
			owner[key] = version
		}
	}
}

func (s *Service) checkWeights(r *report) {
	known := slices.Sorted(maps.Keys(s.Versions))
	switch _, ok := s.Versions[s.Stable]; {
	case s.Stable == "" && len(known) > 0:
		r.add("stable", "write stable: "+known[0], "the stable version is not named")
	case !ok && s.Stable != "" && len(known) > 0:
		r.add("stable", knownHint(s.Stable, known), "there is no version %q", s.Stable)
	}
	sum := Weight(0)
	for _, name := range slices.Sorted(maps.Keys(s.Weights)) {
		w := s.Weights[name]
		sum += w
		path := field("weights", name)
		if _, ok := s.Versions[name]; !ok {
			r.add(path, knownHint(name, known), "there is no version %q", name)
		}
		if w < 0 || w > Whole {
			r.add(path, "write a weight from 0% to 100%", "%s is not a share", w)
		}
	}
	if len(s.Weights) > 0 && sum != Whole {
		r.add("weights", "make them add up to 100%", "the weights add up to %s", sum)
	}
}

// knownHint names the versions there are, the one that was meant first.
func knownHint(name string, known []string) string {
	if len(known) == 0 {
		return "add it to versions"
	}
	if meant := nearest(name, known); meant != "" {
		return fmt.Sprintf("did you mean %s?", meant)
	}
	return "write " + oneOf(known)
}

func (s *Service) checkSticky(r *report) {
	k := s.Sticky
	if k == nil {
		return
	}
	switch k.By {
	case "cookie", "address":
	case "header":
		if !isToken(k.Header) {
			r.add("sticky.header", "write the name of a header, such as X-User-Id", "%q is not the name of a header", k.Header)
		}
	case "query":
		if k.Query == "" || strings.ContainsAny(k.Query, "&=#% \t\r\n") {
			r.add("sticky.query", "write the name of a query parameter, such as user", "%q is not the name of a query parameter", k.Query)
		}
	case "":
		r.add("sticky.by", "write by: cookie, header, query or address", "it is not said by what a client is told apart")
	default:
		r.add("sticky.by", "write cookie, header, query or address", "%q is not something that a client is told apart by", k.By)
	}
	unused := func(name, by string, set bool) {
		if set && k.By != by && k.By != "" {
			r.add("sticky."+name, fmt.Sprintf("remove it, or write by: %s", by), "%s has no use with by: %s", name, k.By)
		}
	}
	unused("cookie", "cookie", k.Cookie != nil)
	unused("header", "header", k.Header != "")
	unused("query", "query", k.Query != "")
	switch k.Mode {
	case "", "follow":
	case "pin":
		if k.By != "cookie" {
			r.add("sticky.mode", "write mode: follow, or by: cookie", "mode pin needs a cookie to keep the version in")
		}
	default:
		r.add("sticky.mode", "write follow or pin", "there is no mode %q", k.Mode)
	}
	if k.Cookie != nil {
		k.Cookie.check(r)
	}
}

func (c *StickyCookie) check(r *report) {
	if c.Name != "" && !isToken(c.Name) {
		r.add("sticky.cookie.name", "write letters, digits, dashes and underscores", "%q is not the name of a cookie", c.Name)
	}
	if c.MaxAge != 0 && c.MaxAge < Duration(time.Minute) {
		r.add("sticky.cookie.max_age", "write at least 1m", "%s is shorter than any visit", c.MaxAge)
	}
	r.span("sticky.cookie.max_age", c.MaxAge, Duration(400*24*time.Hour))
	if c.Domain != "" && !isHost(strings.TrimPrefix(c.Domain, ".")) {
		r.add("sticky.cookie.domain", "write a domain such as example.com", "%q is not a domain", c.Domain)
	}
	if c.Path != "" && (!strings.HasPrefix(c.Path, "/") || strings.ContainsAny(c.Path, ";\r\n \t")) {
		r.add("sticky.cookie.path", "write a path such as /", "%q is not the path of a cookie", c.Path)
	}
}

func (s *Service) checkHealth(r *report) {
	h := s.Health
	if h == nil {
		return
	}
	if h.GRPC {
		s.checkGRPCHealth(r)
	} else if h.Path == "" {
		r.add("health.path", "write path: /healthz", "the path of the probe is missing")
	} else if hint, wrong := cleanPath(h.Path, true); wrong != "" {
		r.add("health.path", hint, "%q %s", h.Path, wrong)
	}
	if h.Service != "" && !h.GRPC {
		r.add("health.service", "leave it out, or write grpc: true", "a probe of a path asks for no service")
	}
	defaults := *h
	defaults.setDefaults()
	if h.Interval != 0 && h.Interval < Duration(100*time.Millisecond) {
		r.add("health.interval", "write at least 100ms", "%s probes more often than it helps", h.Interval)
	}
	r.span("health.interval", h.Interval, maxTimeout)
	if defaults.Timeout > defaults.Interval {
		r.add("health.timeout", fmt.Sprintf("write at most %s", defaults.Interval), "the timeout %s is longer than the interval %s", defaults.Timeout, defaults.Interval)
	}
	r.count("health.fall", h.Fall, 100)
	r.count("health.rise", h.Rise, 100)
	r.statuses("health.status", h.Status, 200, 599)
	if h.Host != "" && !isHostPort(h.Host) {
		r.add("health.host", "write a name such as shop.example.com", "%q is not a Host", h.Host)
	}
}

func (s *Service) checkGRPCHealth(r *report) {
	if s.Protocol != "h2c" && s.Protocol != "h2" {
		r.add("health.grpc", "write protocol: h2c or h2, or probe a path", "gRPC needs endpoints that speak HTTP/2")
	}
	if s.Health.Path != "" || len(s.Health.Status) > 0 {
		r.add("health.grpc", "leave out path and status", "a probe by gRPC asks for no path")
	}
	if len(s.Health.Service) > 256 || !isFieldValue(s.Health.Service) {
		r.add("health.service", "write a name such as shop.Cart", "%q is not the name of a gRPC service", s.Health.Service)
	}
}

func (s *Service) checkLimits(r *report) {
	r.timeout("timeout", s.Timeout)
	r.timeout("connect_timeout", s.ConnectTimeout)
	r.span("idle_timeout", s.IdleTimeout, Duration(24*time.Hour))
	if s.MaxBody < 0 {
		r.add("max_body", "write a number of bytes, or 0 for no limit", "%d bytes is less than nothing", s.MaxBody)
	}
	r.statuses("error_status", s.ErrorStatus, 200, 499)
	if s.Host != "" && s.Host != "client" && s.Host != "endpoint" && !isHostPort(s.Host) {
		r.add("host", "write client, endpoint or a name such as shop.example.com", "%q is not a Host", s.Host)
	}
	r.choice("protocol", s.Protocol, "http1", "https", "h2c", "h2")
	s.checkTLS(r)
}

func (r *report) timeout(path string, d Duration) {
	if d != 0 && d < Duration(time.Millisecond) {
		r.add(path, "write at least 1ms", "%s is too short for any answer", d)
	}
	r.span(path, d, maxTimeout)
}

func (r *report) span(path string, d, most Duration) {
	if d < 0 || d > most {
		r.add(path, fmt.Sprintf("write at most %s", most), "%s is too long", d)
	}
}

func (r *report) count(path string, n, most int) {
	if n < 0 || n > most {
		r.add(path, fmt.Sprintf("write a number from 1 to %d", most), "%d is not a sensible number", n)
	}
}

func (r *report) statuses(path string, statuses []int, lowest, highest int) {
	for i, status := range statuses {
		if status < lowest || status > highest {
			r.add(item(path, i), fmt.Sprintf("write a status from %d to %d", lowest, highest), "%d is not a status that can stand here", status)
		}
	}
}

// isHostPort reports whether s can be a Host header: a host with or without port.
func isHostPort(s string) bool {
	if host, port, err := net.SplitHostPort(s); err == nil && isDigits(port) && len(port) <= 5 {
		return isHost(host) || isIPv6(host)
	}
	bare, bracketed := strings.CutPrefix(s, "[")
	if bracketed {
		a, err := netip.ParseAddr(strings.TrimSuffix(bare, "]"))
		return err == nil && a.Is6() && strings.HasSuffix(s, "]")
	}
	return isHost(s)
}
