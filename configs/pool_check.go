package configs

import (
	"cmp"
	"fmt"
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
	if c := s.Circuit; c != nil {
		const most = 1 << 20
		r.within("circuit.connections", c.Connections, 0, most, "or leave it out for 1024")
		r.within("circuit.pending", c.Pending, -1, most, "or -1 for none")
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
