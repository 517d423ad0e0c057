package configs

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// checkPool checks how endpoints are ejected, limited and started.
func (s *Service) checkPool(r *report) {
	percent := func(path string, n, least int) {
		if n < least || n > 100 {
			hint := "write a percentage from 1 to 100"
			if least < 0 {
				hint += ", or -1 for never"
			}
			r.add(path, hint, "%d is not a percentage", n)
		}
	}
	percent("panic_percent", s.PanicPercent, -1)
	r.span("slow_start", s.SlowStart, maxTimeout)
	if e := s.Ejection; e != nil {
		r.within("ejection.failures", e.Failures, -1, 1000, "or -1 for never")
		r.span("ejection.time", e.Time, Duration(24*time.Hour))
		r.span("ejection.max_time", e.MaxTime, Duration(24*time.Hour))
		if first := cmp.Or(e.Time, Duration(30*time.Second)); e.MaxTime > 0 && e.MaxTime < first {
			r.add("ejection.max_time", fmt.Sprintf("write at least %s", first), "%s is shorter than the first ejection, %s", e.MaxTime, first)
		}
		percent("ejection.max_percent", e.MaxPercent, 0)
	}
	if d := s.Resolve; d != nil {
		if d.Interval != 0 && d.Interval < Duration(100*time.Millisecond) {
			r.add("resolve.interval", "write at least 100ms", "%s asks more often than it helps", d.Interval)
		}
		r.span("resolve.interval", d.Interval, maxTimeout)
		r.choice("resolve.family", d.Family, "auto", "ipv4", "ipv6", "all")
	}
	if c := s.Circuit; c != nil {
		const most = 1 << 20
		r.within("circuit.connections", c.Connections, 0, most, "or leave it out for 1024")
		r.within("circuit.pending", c.Pending, -1, most, "or -1 for none")
		r.within("circuit.uploads", c.Uploads, -1, most, "or -1 for no limit")
		r.within("circuit.requests", c.Requests, 0, most, "or leave it out for no limit")
		r.within("circuit.version_requests", c.VersionRequests, 0, most, "or leave it out for no limit")
	}
}

// within checks a number of which least and 0 mean something else than a count.
func (r *report) within(path string, n, least, most int, or string) {
	if n < least || n > most {
		r.add(path, fmt.Sprintf("write a number from 1 to %d, %s", most, or), "%d is out of bounds", n)
	}
}

// checkTLS checks how endpoints are known by TLS. It opens no file.
func (s *Service) checkTLS(r *report) {
	t := s.TLS
	if t == nil {
		return
	}
	if slices.Contains([]string{"", "http1", "h2c"}, s.Protocol) {
		r.add("tls", "write protocol: https or h2, or leave it out", "endpoints that speak %s have no TLS", cmp.Or(s.Protocol, "http1"))
	}
	file := func(path, name string) {
		if name != "" && !filepath.IsAbs(name) {
			r.add(path, "write where the file lies on every node, such as /etc/weir/ca.pem", "%q is not an absolute name", name)
		}
	}
	file("tls.ca", t.CA)
	file("tls.cert", t.Cert)
	file("tls.key", t.Key)
	if (t.Cert == "") != (t.Key == "") {
		r.add("tls", "name both cert and key, or neither", "a certificate and its key go together")
	}
	if t.Insecure && t.CA != "" {
		r.add("tls.insecure", "leave it out", "the authorities of tls.ca verify nothing with insecure")
	}
	if t.ServerName != "" && !isHost(t.ServerName) && !isIPv6(t.ServerName) {
		r.add("tls.server_name", "write a name such as shop.internal", "%q is not the name of a server", t.ServerName)
	}
}
