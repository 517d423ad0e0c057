package configs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/analysis"
)

// Metric is a metric of the operator's own, by a Prometheus query, which
// conditions of checks and triggers may name: `orders_per_minute < 100`. It is
// asked for by the leader alone, one query at a time. A query without an answer,
// or with no data, is an `error` of the rule and never a failure.
type Metric struct {
	// Name is what conditions call it: letters, digits and underscores.
	Name string `json:"name" yaml:"name"`

	// Prometheus is the address of a server that answers Prometheus' HTTP API:
	// http://prometheus:9090.
	Prometheus string `json:"prometheus" yaml:"prometheus"`

	// Query must give one number: a scalar, or a vector of one series.
	// `{{version}}` in it stands for the version that is measured, and makes weir
	// ask for stable too: a limit that stable breaks as well is then `shared`, and
	// one may be written against it (`< 1.5x baseline`). `{{service}}` stands for
	// the service.
	Query string `json:"query" yaml:"query"`

	// Interval is how often the query is asked. 0: the default, 10s.
	Interval Duration `json:"interval,omitempty" yaml:"interval,omitempty"`

	// Timeout is of one query. 0: the default, 5s.
	Timeout Duration `json:"timeout,omitempty" yaml:"timeout,omitempty"`

	// TokenFile holds a bearer token, below the `secrets` folder of every node.
	// Empty: none is sent.
	TokenFile string `json:"token_file,omitempty" yaml:"token_file,omitempty"`
}

// Resources says where endpoints show their memory and CPU, for `memory` and
// `cpu` in checks and triggers: a page in Prometheus' text format. Of several
// endpoints of a version the highest counts.
type Resources struct {
	// Path of the page. Empty: /metrics.
	Path string `json:"path,omitempty" yaml:"path,omitempty"`

	// Port of the page, on each endpoint's host. 0: the endpoint's own.
	Port int `json:"port,omitempty" yaml:"port,omitempty"`

	// Memory is the gauge in bytes; its series are added up. Empty:
	// process_resident_memory_bytes.
	Memory string `json:"memory,omitempty" yaml:"memory,omitempty"`

	// CPU is the counter of seconds; its series are added up. Empty:
	// process_cpu_seconds_total.
	CPU string `json:"cpu,omitempty" yaml:"cpu,omitempty"`

	// Interval is how often the page is read. 0: the default, 10s.
	Interval Duration `json:"interval,omitempty" yaml:"interval,omitempty"`

	// Timeout is of one read. 0: the default, 5s.
	Timeout Duration `json:"timeout,omitempty" yaml:"timeout,omitempty"`
}

// Defaults of Metric and Resources.
const (
	DefaultMeasureInterval = 10 * time.Second
	DefaultMeasureTimeout  = 5 * time.Second
)

const (
	maxMetrics         = 16
	maxQuery           = 8 << 10
	maxMeasureInterval = time.Minute
)

// PerVersion reports whether the query is asked for stable too.
func (m *Metric) PerVersion() bool { return strings.Contains(m.Query, "{{version}}") }

// For is the query for one version. Names of services and versions hold nothing
// that could end a string of the query language.
func (m *Metric) For(service, version string) string {
	return strings.NewReplacer("{{service}}", service, "{{version}}", version).Replace(m.Query)
}

func (r *report) metrics(path string, metrics []Metric) {
	if len(metrics) > maxMetrics {
		r.add(path, fmt.Sprintf("keep at most %d", maxMetrics), "there are %d metrics", len(metrics))
	}
	seen := map[string]bool{}
	for i := range metrics {
		m, at := &metrics[i], item(path, i)
		switch {
		case !analysis.IsMetricName(m.Name):
			r.add(field(at, "name"), "write letters, digits and underscores, such as orders_per_minute", "%q cannot be the name of a metric", m.Name)
		case seen[m.Name]:
			r.add(field(at, "name"), "give it another name", "there is another metric %q", m.Name)
		}
		seen[m.Name] = true
		r.url(field(at, "prometheus"), m.Prometheus, "http://prometheus:9090")
		switch {
		case strings.TrimSpace(m.Query) == "":
			r.add(field(at, "query"), "write a query that gives one number", "the query is missing")
		case len(m.Query) > maxQuery:
			r.add(field(at, "query"), fmt.Sprintf("write at most %d bytes, or a recording rule", maxQuery), "the query is %d bytes long", len(m.Query))
		}
		for _, variable := range regexp.MustCompile(`\{\{[^}]*\}\}`).FindAllString(m.Query, -1) {
			if variable != "{{version}}" && variable != "{{service}}" {
				r.add(field(at, "query"), "write {{version}} or {{service}}", "there is no variable %s", variable)
			}
		}
		r.measured(at, m.Interval, m.Timeout)
		if m.TokenFile != "" {
			r.secret(field(at, "token_file"), m.TokenFile, "")
		}
	}
}

func (p *Rollout) checkMetrics(r *report) {
	r.metrics("metrics", p.Metrics)
	smoke := len(p.Smoke) > 0
	for i, t := range p.Rollback.Triggers {
		r.measurable(field(item("rollback.triggers", i), "condition"), t.Condition, p.Metrics, smoke)
	}
	for i, c := range p.Checks {
		r.measurable(item("checks", i), c, p.Metrics, smoke)
	}
	for i, stage := range p.Stages {
		for j, c := range stage.Checks {
			r.measurable(item(field(item("stages", i), "checks"), j), c, p.Metrics, smoke)
		}
	}
}

func (r *report) measured(at string, interval, timeout Duration) {
	if interval != 0 && (interval < Duration(time.Second) || interval > Duration(maxMeasureInterval)) {
		r.add(field(at, "interval"), "write a duration from 1s to 1m", "%s is out of bounds", interval)
	}
	if timeout != 0 && (timeout < Duration(10*time.Millisecond) || timeout > Duration(30*time.Second)) {
		r.add(field(at, "timeout"), "write a duration up to 30s", "%s is out of bounds", timeout)
	}
}

// measurable checks that what a condition measures is declared. Smoke says that
// there are smoke checks.
func (r *report) measurable(path string, c analysis.Condition, metrics []Metric, smoke bool) {
	if c.Metric == analysis.SmokeTest && !smoke {
		r.add(path, "write smoke: [{get: /healthz}] in the rollout", "there are no smoke tests that could fail")
	}
	if c.Metric != analysis.Named {
		return
	}
	i := slices.IndexFunc(metrics, func(m Metric) bool { return m.Name == c.Name })
	if i < 0 {
		known := []string{"error_rate", "client_error_rate", "latency_p99", "memory", "cpu"}
		for _, m := range metrics {
			known = append(known, m.Name)
		}
		hint := "declare it in metrics, or write " + oneOf(known)
		if meant := nearest(c.Name, known); meant != "" {
			hint = fmt.Sprintf("did you mean %s?", meant)
		}
		r.add(path, hint, "there is no metric %q", c.Name)
		return
	}
	if c.Relative() && !metrics[i].PerVersion() {
		r.add(path, "write {{version}} into the query of "+c.Name+", or an absolute limit", "%q compares with stable, and the query does not tell versions apart", c)
	}
}

func (s *Resources) validate(r *report) {
	if s == nil {
		return
	}
	if s.Path != "" {
		if hint, wrong := cleanPath(s.Path, true); wrong != "" {
			r.add("resources.path", hint, "%q %s", s.Path, wrong)
		}
	}
	if s.Port < 0 || s.Port > 65535 {
		r.add("resources.port", "write a port from 1 to 65535, or 0 for the endpoint's own", "%d is not a port", s.Port)
	}
	for name, value := range map[string]string{"memory": s.Memory, "cpu": s.CPU} {
		if value != "" && !regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]{0,199}$`).MatchString(value) {
			r.add("resources."+name, "write the name of a metric such as process_resident_memory_bytes", "%q is not the name of a metric", value)
		}
	}
	r.measured("resources", s.Interval, s.Timeout)
}
