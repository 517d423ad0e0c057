package control

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/call"
	"github.com/weirproxy/weir/control/measure"
	"github.com/weirproxy/weir/control/rollout"
)

// smokeEvery is how often the smoke checks are made while a trigger asks for them.
const smokeEvery = 10 * time.Second

// gauges are what a trial measures besides its requests, on the leader alone. At
// most one measurement of each thing and version is under way; what comes of it is
// taken in on the Controller's goroutine.
type gauges struct {
	checks    []configs.Smoke  // nil: no trigger asks for them
	resources bool             // memory or CPU is asked for
	metrics   []configs.Metric // that are asked for
	busy      map[string]bool  // what is under way, by what and version
	next      map[string]time.Time
	rounds    map[string]int           // failed rounds of smoke checks in a row, by version
	usage     map[string]measure.Usage // the last reading, by address
	missing   map[string]string        // why a subject could not be measured last

	run *rollout.SmokeDone // of the run before users, until the state says it
}

// newGauges are those that a policy asks for.
func newGauges(policy analysis.Policy, r rollout.State, doc configs.Service) *gauges {
	g := &gauges{
		busy: map[string]bool{}, next: map[string]time.Time{}, rounds: map[string]int{},
		usage: map[string]measure.Usage{}, missing: map[string]string{},
	}
	metrics := r.Plan.Metrics
	if r.Strategy == configs.StrategyManual && doc.Guard != nil {
		metrics = doc.Guard.Metrics
	}
	for _, rule := range policy.Rules {
		switch c := rule.Condition; c.Metric {
		case analysis.SmokeTest:
			g.checks = r.Plan.Smoke
		case analysis.Memory, analysis.CPU:
			g.resources = true
		case analysis.Named:
			asked := func(m configs.Metric) bool { return m.Name == c.Name }
			if i := slices.IndexFunc(metrics, asked); i >= 0 && !slices.ContainsFunc(g.metrics, asked) {
				g.metrics = append(g.metrics, metrics[i])
			}
		}
	}
	return g
}

// due reports whether something is to be measured now, and if so that it is
// under way.
func (g *gauges) due(what string, now time.Time, every time.Duration) bool {
	if g.busy[what] || now.Before(g.next[what]) {
		return false
	}
	g.busy[what], g.next[what] = true, now.Add(every)
	return true
}

// nothing reports whether there is nothing to measure.
func (g *gauges) nothing() bool { return len(g.checks) == 0 && !g.resources && len(g.metrics) == 0 }

// gauge begins the measurements that are due of candidates with users.
func (c *Controller) gauge(t *trial, now time.Time) {
	g := t.gauges
	if g.nothing() {
		return
	}
	doc := c.mirror.services[t.service].value
	for _, s := range t.sides {
		if !c.reaches(t.service, s.version) {
			continue
		}
		if len(g.checks) > 0 && g.due("smoke "+s.version, now, smokeEvery) {
			c.gaugeSmoke(t, s, doc)
		}
		if r := resourcesOf(doc); g.resources && g.due("resources "+s.version, now, r.Interval.Std()) {
			c.gaugeResources(t, s, doc, r)
		}
		for _, m := range g.metrics {
			every := time.Duration(m.Interval)
			if every == 0 {
				every = configs.DefaultMeasureInterval
			}
			if g.due("metric "+m.Name+" "+s.version, now, every) {
				c.gaugeMetric(t, s, m)
			}
		}
	}
}

// whileOf is what a worker returns: f runs if the trial is still the one that
// asked.
func (c *Controller) whileOf(t *trial, what string, f func()) func() {
	return func() {
		t.gauges.busy[what] = false
		if c.trials[t.id] == t && t.ended.IsZero() {
			f()
		}
	}
}

func (c *Controller) gaugeSmoke(t *trial, s *side, doc configs.Service) {
	checks, timeout := t.gauges.checks, doc.Timeout.Std()
	candidate, stable := c.askable(doc, s.version), c.askable(doc, t.from)
	c.work(func(ctx context.Context) func() {
		failed := measure.SmokeAll(ctx, c.calls, candidate, checks, timeout)
		shared := failed != "" && measure.SmokeAll(ctx, c.calls, stable, checks, timeout) != ""
		if ctx.Err() != nil {
			return nil
		}
		return c.whileOf(t, "smoke "+s.version, func() {
			g := t.gauges
			if g.rounds[s.version]++; failed == "" {
				g.rounds[s.version] = 0
			}
			for _, judge := range s.judges() {
				judge.Smoke(g.rounds[s.version], shared, failed)
			}
			c.sayMissing(t, s, "smoke_test", failed)
		})
	})
}

func (c *Controller) gaugeResources(t *trial, s *side, doc configs.Service, r configs.Resources) {
	candidate, stable := c.askable(doc, s.version), c.askable(doc, t.from)
	c.work(func(ctx context.Context) func() {
		theirs, err := measure.ResourcesAll(ctx, c.calls, candidate, r)
		ours, _ := measure.ResourcesAll(ctx, c.calls, stable, r) // without them there is nothing to compare with
		if ctx.Err() != nil {
			return nil
		}
		return c.whileOf(t, "resources "+s.version, func() {
			memory, cpu := t.gauges.highest(theirs)
			stableMemory, stableCPU := t.gauges.highest(ours)
			c.gauged(t, s, "memory", memory, stableMemory, err)
			if err != nil || t.gauges.known(cpu, theirs) {
				c.gauged(t, s, "cpu", cpu, stableCPU, err)
			}
		})
	})
}

// highest are the largest memory and the busiest CPU of several endpoints; NaN:
// none shows it.
func (g *gauges) highest(readings map[string]measure.Usage) (memory, cpu float64) {
	memory, cpu = math.NaN(), math.NaN()
	larger := func(a, b float64) float64 {
		if math.IsNaN(a) || b > a {
			return b
		}
		return a
	}
	for address, u := range readings {
		memory = larger(memory, u.Memory)
		cpu = larger(cpu, measure.CPUBetween(g.usage[address], u))
		g.usage[address] = u
	}
	return memory, cpu
}

// known reports whether a CPU is known, or never will be: one reading is not
// enough to tell.
func (g *gauges) known(cpu float64, readings map[string]measure.Usage) bool {
	if !math.IsNaN(cpu) {
		return true
	}
	for _, u := range readings {
		if !math.IsNaN(u.CPU) {
			return false
		}
	}
	return true
}

func (c *Controller) gaugeMetric(t *trial, s *side, m configs.Metric) {
	secrets, service, from := call.Secrets{Dir: c.opts.Secrets}, t.service, t.from
	c.work(func(ctx context.Context) func() {
		timeout := time.Duration(m.Timeout)
		if timeout == 0 {
			timeout = configs.DefaultMeasureTimeout
		}
		ask := func(version string) (float64, error) {
			token := ""
			if m.TokenFile != "" {
				var err error
				if token, err = secrets.Read(m.TokenFile); err != nil {
					return math.NaN(), err
				}
			}
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			return measure.Query(ctx, c.calls, m.Prometheus, m.For(service, version), token)
		}
		theirs, err := ask(s.version)
		ours := math.NaN()
		if m.PerVersion() && err == nil {
			if v, err := ask(from); err == nil {
				ours = v
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		return c.whileOf(t, "metric "+m.Name+" "+s.version, func() { c.gauged(t, s, m.Name, theirs, ours, err) })
	})
}

// gauged hands a measurement to the judges of a candidate. A value that is NaN
// is not known.
func (c *Controller) gauged(t *trial, s *side, subject string, candidate, stable float64, err error) {
	m := analysis.Measurement{Candidate: candidate}
	if !math.IsNaN(stable) {
		m.Stable = &stable
	}
	switch {
	case err != nil:
		m.Missing = err.Error()
	case math.IsNaN(candidate):
		m.Missing = "no endpoint shows it"
	}
	for _, judge := range s.judges() {
		judge.Measure(subject, m)
	}
	c.sayMissing(t, s, subject, m.Missing)
}

// sayMissing logs and publishes that something cannot be measured, or can again.
func (c *Controller) sayMissing(t *trial, s *side, subject, why string) {
	key := subject + " " + s.version
	was := t.gauges.missing[key]
	t.gauges.missing[key] = why
	if (was == "") == (why == "") {
		return
	}
	text := fmt.Sprintf("%s of %s is good again", subject, s.version)
	if why != "" {
		text = fmt.Sprintf("%s of %s: %s", subject, s.version, why)
	}
	c.log.Warn("measurement changed", zap.String("service", t.service), zap.String("rollout", t.id),
		zap.String("version", s.version), zap.String("metric", subject), zap.String("reason", why))
	c.hub.publish(Event{At: time.Now(), Kind: "metric", Service: t.service, Rollout: t.id, Text: text})
}

// judges are those that decide about a candidate here.
func (s *side) judges() []*analysis.Judge {
	if s.fleet == nil {
		return []*analysis.Judge{s.judge}
	}
	return []*analysis.Judge{s.judge, s.fleet.judge}
}

// askable are the endpoints of a version as smoke checks and pages are asked for.
func (c *Controller) askable(doc configs.Service, version string) []measure.Endpoint {
	v := c.compiled(doc.Name, version)
	if v == nil {
		return nil
	}
	var endpoints []measure.Endpoint
	for _, e := range v.Pool.Endpoints() {
		endpoints = append(endpoints, measure.Endpoint{Address: e.Address, Host: cmp.Or(smokeHost(doc), e.Name), Link: e.Link})
	}
	return endpoints
}

// smokeHost is the Host header of smoke checks: that of the probes, else the
// first route's, as users send it.
func smokeHost(doc configs.Service) string {
	if doc.Health != nil && doc.Health.Host != "" {
		return doc.Health.Host
	}
	for _, route := range doc.Routes {
		if route.Host != "" && route.Host[0] != '*' {
			return route.Host
		}
	}
	return ""
}

func resourcesOf(doc configs.Service) configs.Resources {
	r := configs.Resources{}
	if doc.Resources != nil {
		r = *doc.Resources
	}
	if r.Interval == 0 {
		r.Interval = configs.Duration(configs.DefaultMeasureInterval)
	}
	if r.Timeout == 0 {
		r.Timeout = configs.Duration(configs.DefaultMeasureTimeout)
	}
	return r
}
