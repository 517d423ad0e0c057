package control

import (
	"io"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weirproxy/weir/analysis/hist"
	"github.com/weirproxy/weir/control/exposition"
	"github.com/weirproxy/weir/proxy/route"
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

// write writes the counts in order, under labels of the given names.
func (c *counter) write(f *exposition.Family, first, second string) {
	c.mu.Lock()
	counts := maps.Clone(c.counts)
	c.mu.Unlock()
	for _, id := range slices.SortedFunc(maps.Keys(counts), versionID.compare) {
		f.Add(float64(counts[id]), first, id.service, second, id.version)
	}
}

// durationBounds are the upper bounds of weir_request_duration_seconds; each
// latency limit of a rollout in force and of a service's guard is added to them.
func durationBounds() []time.Duration {
	return []time.Duration{
		time.Millisecond, 3 * time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond,
		500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 15 * time.Second, time.Minute,
	}
}

// WriteMetrics writes what the Controller knows in Prometheus' text format. No
// label carries request data. Safe for concurrent use.
//
// It reads the table in force, the counters and the last View: neither a request
// nor the Controller ever waits for it. The short locks that it takes are those of
// counters of rare events.
func (c *Controller) WriteMetrics(w io.Writer) {
	var p exposition.Page
	v, now := c.View(), time.Now()
	services := c.servicesInOrder()
	c.writeRequests(&p, v, services)
	c.writeSplits(&p, v)
	c.writeFlags(&p, v)
	c.writeRollouts(&p, v)
	c.writeEndpoints(&p, services)
	c.writeTold(&p, v, now)
	c.writeState(&p, v, now)
	_, _ = p.WriteTo(w) // the reader went away if this fails
}

// servicesInOrder are those that the table in force routes to, by name.
func (c *Controller) servicesInOrder() []*route.Service {
	table := c.opts.Tables.Load()
	if table == nil {
		return nil
	}
	return slices.SortedFunc(slices.Values(table.Services), func(a, b *route.Service) int { return strings.Compare(a.Name, b.Name) })
}

// servicesAtOnce is how many services are written before requests that wait for
// this processor have their turn: about a third of a millisecond.
const servicesAtOnce = 32

// answers are the families of what clients were answered.
type answers struct {
	requests, errors, duration *exposition.Family

	totals stats.Totals // scratch
	within []uint64     // scratch
}

// traffic are the families that are written of each version.
type traffic struct {
	answers
	inFlight, lanes *exposition.Family

	replays replays
}

// writeRequests reads the counts of one version after the other: together they
// would be tens of megabytes. A version that was never used is left out.
func (c *Controller) writeRequests(p *exposition.Page, v *View, services []*route.Service) {
	t := &traffic{answers: answers{
		requests: p.Counter("weir_requests_total", "Requests ended, by the status that the client got; 0: none of this attempt."),
		errors:   p.Counter("weir_request_errors_total", "Requests that count as errors of their version, by reason."),
		duration: p.Histogram("weir_request_duration_seconds", "Time from the last request byte sent upstream to the final head."),
	},
		inFlight: p.Gauge("weir_requests_in_flight", "Requests begun and not ended."),
		lanes:    p.Counter("weir_lane_requests_total", "Requests begun, by why they went to their version."),
		replays:  newReplays(p),
	}
	limits, usual := latencyLimits(v), boundsWith(nil)
	for i, s := range services {
		if i%servicesAtOnce == 0 {
			runtime.Gosched()
		}
		b := usual
		if more := limits[s.Name]; len(more) > 0 {
			b = boundsWith(more)
		}
		for _, version := range s.Versions {
			version.Recorder.Totals(&t.totals)
			if t.totals.Begun() > 0 || t.totals.Lanes[stats.Mirror] > 0 {
				t.write(exposition.LabelsOf("service", s.Name, "version", version.Name), b)
			}
		}
	}
}

func (t *traffic) write(base exposition.Labels, b *bounds) {
	t.answers.write(base, b)
	for lane, n := range t.totals.Lanes {
		if n > 0 {
			t.lanes.AddTo(base, float64(n), "lane", stats.Lane(lane).String())
		}
	}
	t.inFlight.AddTo(base, float64(t.totals.InFlight))
	t.replays.write(base, &t.totals)
}

func (t *answers) write(base exposition.Labels, b *bounds) {
	for code, n := range t.totals.Codes {
		if n > 0 {
			t.requests.AddTo(base, float64(n), "code", strconv.Itoa(code))
		}
	}
	for reason, n := range t.totals.Reasons {
		if n > 0 && stats.Reason(reason).Error() {
			t.errors.AddTo(base, float64(n), "reason", stats.Reason(reason).String())
		}
	}
	t.writeDuration(base, b)
}

func (t *answers) writeDuration(base exposition.Labels, b *bounds) {
	t.within = t.within[:0]
	var within uint64
	next := 0
	for _, end := range b.ends {
		for ; next < end; next++ {
			within += t.totals.Latency[next]
		}
		t.within = append(t.within, within)
	}
	t.duration.Buckets(base, b.texts, t.within, t.totals.Latency.Total(), t.totals.LatencySum.Seconds())
}

// latencyLimits are the configured limits by service.
func latencyLimits(v *View) map[string][]time.Duration {
	limits := make(map[string][]time.Duration)
	for i := range v.Services {
		if doc := &v.Services[i].Document; doc.Guard != nil {
			limits[doc.Name] = append(limits[doc.Name], doc.GuardPolicy().Limits()...)
		}
	}
	for _, r := range v.Rollouts {
		if r.InForce {
			for _, rule := range r.Rules {
				if rule.Condition.Latency > 0 {
					limits[r.State.Service] = append(limits[r.State.Service], rule.Condition.Latency)
				}
			}
		}
	}
	return limits
}

// bounds are those of a histogram: their texts, and how many buckets of stats are
// within each. A bucket is if its middle is: right within 1.6 %.
type bounds struct {
	texts []string
	ends  []int
}

// boundsWith are the bounds for a service with the given limits.
func boundsWith(limits []time.Duration) *bounds {
	all := append(durationBounds(), limits...)
	slices.Sort(all)
	b := &bounds{}
	end := 0
	for _, bound := range slices.Compact(all) {
		for end < hist.Buckets && hist.Mid(end) <= bound {
			end++
		}
		b.texts, b.ends = append(b.texts, exposition.Bound(bound.Seconds())), append(b.ends, end)
	}
	return b
}

func (c *Controller) writeSplits(p *exposition.Page, v *View) {
	weights := p.Gauge("weir_split_weight_ratio", "Share of keys in force on this node, cuts included.")
	roles := p.Gauge("weir_version_role", "1 for what the version is: stable, candidate, kept or idle.")
	refused := p.Gauge("weir_service_refused", "1 for a service whose present document this node cannot use; it keeps the last good one.")
	for _, s := range v.Services {
		for j := range s.Versions {
			version := &s.Versions[j]
			base := exposition.LabelsOf("service", s.Document.Name, "version", version.Name)
			weights.AddTo(base, float64(version.Weight)/10_000)
			roles.AddTo(base, 1, "role", version.Role)
		}
		if s.Refused != "" {
			refused.Add(1, "service", s.Document.Name)
		}
	}
}
