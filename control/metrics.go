package control

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirproxy/weir/analysis/hist"
	"github.com/weirproxy/weir/proxy/stats"
)

// counter counts by two labels. It is far from the request path. The zero
// counter is ready.
type counter struct {
	mu     sync.Mutex
	counts map[versionID]uint64
}

func (c *counter) add(id versionID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(map[versionID]uint64)
	}
	c.counts[id]++
}

func (c *counter) snapshot() map[versionID]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.counts)
}

// durationBounds are the upper bounds of weir_request_duration_seconds; each
// latency limit of a rollout in force is added to them.
func durationBounds() []time.Duration {
	return []time.Duration{
		time.Millisecond, 3 * time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond,
		500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 15 * time.Second, time.Minute,
	}
}

// WriteMetrics writes what the Controller knows in Prometheus' text format. No
// label carries request data. Safe for concurrent use.
func (c *Controller) WriteMetrics(w io.Writer) {
	m := &exposition{w: w}
	v := c.View()
	c.writeRequests(m, v)
	c.writeSplits(m, v)
	c.writeRollouts(m, v)
	c.writeEndpoints(m)
	c.writeNotifications(m)
	c.writeGates(m, v)
	m.family("weir_state_connected", "gauge", "1 if etcd answers")
	m.value("weir_state_connected", boolean(v.Store.Connected))
	m.family("weir_state_blind", "gauge", "1 if the node is cut off for so long that candidates get nothing from it")
	m.value("weir_state_blind", boolean(v.Store.Blind))
	m.family("weir_state_revision", "gauge", "revision of the state that this node has")
	m.value("weir_state_revision", float64(v.Store.Revision))
	m.family("weir_state_fenced_writes_total", "counter", "writes as the leader that etcd refused because the node had been relieved")
	m.value("weir_state_fenced_writes_total", float64(c.opts.Store.Status().Fenced))
	m.family("weir_state_age_seconds", "gauge", "time since the state was last proven fresh")
	m.value("weir_state_age_seconds", c.opts.Store.Status().Age.Seconds())
}

// row is what was counted of one version.
type row struct {
	service, version string
	totals           stats.Totals
}

func (c *Controller) writeRequests(m *exposition, v *View) {
	var rows []row
	c.opts.Recorders.Range(func(service, version string, r *stats.Recorder) {
		rows = append(rows, row{service: service, version: version})
		r.Totals(&rows[len(rows)-1].totals)
	})
	slices.SortFunc(rows, func(a, b row) int {
		if c := strings.Compare(a.service, b.service); c != 0 {
			return c
		}
		return strings.Compare(a.version, b.version)
	})
	// A version that was never used is left out.
	rows = slices.DeleteFunc(rows, func(r row) bool { return r.totals.Begun() == 0 && r.totals.Lanes[stats.Mirror] == 0 })
	m.family("weir_requests_total", "counter", "requests ended, by the status that the client got; 0: none of this attempt")
	for i := range rows {
		for code, n := range rows[i].totals.Codes {
			if n > 0 {
				m.value("weir_requests_total", float64(n), "service", rows[i].service, "version", rows[i].version, "code", fmt.Sprint(code))
			}
		}
	}
	m.family("weir_request_errors_total", "counter", "requests that count as errors of their version")
	for i := range rows {
		for reason, n := range rows[i].totals.Reasons {
			if n > 0 && stats.Reason(reason).Error() {
				m.value("weir_request_errors_total", float64(n), "service", rows[i].service, "version", rows[i].version, "reason", stats.Reason(reason).String())
			}
		}
	}
	m.family("weir_lane_requests_total", "counter", "requests begun, by why they went to their version")
	for i := range rows {
		for lane, n := range rows[i].totals.Lanes {
			if n > 0 {
				m.value("weir_lane_requests_total", float64(n), "service", rows[i].service, "version", rows[i].version, "lane", stats.Lane(lane).String())
			}
		}
	}
	writeReplays(m, rows)
	m.family("weir_requests_in_flight", "gauge", "requests begun and not ended")
	for i := range rows {
		m.value("weir_requests_in_flight", float64(rows[i].totals.InFlight), "service", rows[i].service, "version", rows[i].version)
	}
	m.family("weir_request_duration_seconds", "histogram", "time from the last request byte sent upstream to the final head")
	for i := range rows {
		m.histogram("weir_request_duration_seconds", bounds(v, rows[i].service), &rows[i].totals, "service", rows[i].service, "version", rows[i].version)
	}
}

// bounds are the histogram's bounds for a service.
func bounds(v *View, service string) []time.Duration {
	all := durationBounds()
	for i := range v.Rollouts {
		r := &v.Rollouts[i]
		if r.InForce && r.State.Service == service {
			for _, rule := range r.Rules {
				if rule.Condition.Latency > 0 {
					all = append(all, rule.Condition.Latency)
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (c *Controller) writeSplits(m *exposition, v *View) {
	m.family("weir_split_weight_ratio", "gauge", "share of keys in force on this node, cuts included")
	for i := range v.Services {
		s := &v.Services[i]
		for _, version := range s.Versions {
			m.value("weir_split_weight_ratio", float64(version.Weight)/10_000, "service", s.Document.Name, "version", version.Name)
		}
	}
}

func (c *Controller) writeRollouts(m *exposition, v *View) {
	m.family("weir_rollout_phase", "gauge", "1 for the phase of each rollout in force")
	for i := range v.Rollouts {
		if r := &v.Rollouts[i]; r.InForce {
			m.value("weir_rollout_phase", 1, "service", r.State.Service, "rollout", r.State.ID, "phase", string(r.State.Phase))
		}
	}
	m.family("weir_rollout_evidence", "gauge", "evidence against the candidate as a share of what proves it worse, by rule")
	for i := range v.Rollouts {
		r := &v.Rollouts[i]
		if !r.InForce {
			continue
		}
		for _, rule := range r.Rules {
			if rule.Threshold > 0 {
				m.value("weir_rollout_evidence", rule.Evidence/rule.Threshold, "service", r.State.Service, "rollout", r.State.ID, "rule", rule.Rule)
			}
		}
	}
	m.family("weir_rollbacks_total", "counter", "candidates that this node took to 0, by what proved them worse")
	rollbacks := c.rollbacks.snapshot()
	for _, id := range slices.SortedFunc(maps.Keys(rollbacks), func(a, b versionID) int { return strings.Compare(a.service+a.version, b.service+b.version) }) {
		m.value("weir_rollbacks_total", float64(rollbacks[id]), "service", id.service, "path", id.version)
	}
}

// exposition writes Prometheus' text format. Errors are the reader's: it went away.
type exposition struct{ w io.Writer }

func (m *exposition) family(name, kind, help string) {
	fmt.Fprintf(m.w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// value writes one sample. Labels are pairs of name and value.
func (m *exposition) value(name string, value float64, labels ...string) {
	fmt.Fprintf(m.w, "%s%s %v\n", name, formatLabels(labels), value)
}

func (m *exposition) histogram(name string, bounds []time.Duration, t *stats.Totals, labels ...string) {
	var below uint64
	next := 0
	for _, bound := range bounds {
		// A bucket belongs below the bound if its middle does: within 1.6 %.
		for ; next < len(t.Latency) && hist.Mid(next) <= bound; next++ {
			below += t.Latency[next]
		}
		m.value(name+"_bucket", float64(below), append(slices.Clone(labels), "le", fmt.Sprint(bound.Seconds()))...)
	}
	total := float64(t.Latency.Total())
	m.value(name+"_bucket", total, append(slices.Clone(labels), "le", "+Inf")...)
	m.value(name+"_sum", t.LatencySum.Seconds(), labels...)
	m.value(name+"_count", total, labels...)
}

func formatLabels(pairs []string) string {
	if len(pairs) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteByte('{')
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(pairs[i])
		b.WriteString(`="`)
		b.WriteString(strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(pairs[i+1]))
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
