package configs

import (
	"cmp"
	"net/url"
	"os"
	"time"
)

// Defaults of documents. Every one is named in its field's comment.
const (
	defaultControl = "127.0.0.1:9797"
	defaultPrefix  = "/weir/default"
	defaultDir     = "weir-data"
	defaultCache   = "weir-state.json"
	defaultCookie  = "weir_id"
)

func orDuration(d Duration, otherwise time.Duration) Duration {
	return cmp.Or(d, Duration(otherwise))
}

// SetDefaults fills in what n leaves out. What n points to is copied before it
// is changed. The name is left empty if the host has none that can be used.
func (n *Node) SetDefaults() {
	if n.Name == "" {
		if host, err := os.Hostname(); err == nil && isVersionName(host) {
			n.Name = host
		}
	}
	n.Control.Address = cmp.Or(n.Control.Address, defaultControl)
	switch {
	case n.State.Etcd != nil:
		etcd := *n.State.Etcd
		etcd.Prefix = cmp.Or(etcd.Prefix, defaultPrefix)
		n.State.Etcd = &etcd
	default:
		embedded := Embedded{}
		if n.State.Embedded != nil {
			embedded = *n.State.Embedded
		}
		embedded.Dir = cmp.Or(embedded.Dir, defaultDir)
		n.State.Embedded = &embedded
	}
	n.State.Cache = cmp.Or(n.State.Cache, defaultCache)
	n.Drain.Window = orDuration(n.Drain.Window, 5*time.Second)
	n.Drain.Grace = orDuration(n.Drain.Grace, 30*time.Second)
	n.Log.Level = cmp.Or(n.Log.Level, "info")
	n.Log.Access = cmp.Or(n.Log.Access, "off")
	if n.RequestID != nil {
		id := *n.RequestID
		id.Header = cmp.Or(id.Header, "X-Request-Id")
		n.RequestID = &id
	}
	if n.Trace != nil {
		trace := *n.Trace
		trace.setDefaults()
		n.Trace = &trace
	}
}

func (t *Trace) setDefaults() {
	if t.Sample == nil {
		sample := Whole / 100
		t.Sample = &sample
	}
	if u, err := url.Parse(t.OTLP); err == nil && t.OTLP != "" && (u.Path == "" || u.Path == "/") {
		u.Path = "/v1/traces"
		t.OTLP = u.String()
	}
	t.Service = cmp.Or(t.Service, "weir")
}

// SetDefaults fills in what s leaves out. What s points to is copied before it
// is changed, so that a shallow copy of a shared document can be given. Health
// and Guard stay nil, Ejection, Circuit and Resolve do not; Weights stay empty, which means all on Stable.
func (s *Service) SetDefaults() {
	s.Application = cmp.Or(s.Application, s.Name)
	s.Environment = cmp.Or(s.Environment, "production")
	s.Timeout = orDuration(s.Timeout, 15*time.Second)
	s.IdleTimeout = orDuration(s.IdleTimeout, 5*time.Minute)
	s.ConnectTimeout = orDuration(s.ConnectTimeout, 5*time.Second)
	s.Host = cmp.Or(s.Host, "client")
	s.Protocol = cmp.Or(s.Protocol, "http1")
	routes := make([]Route, len(s.Routes))
	for i, route := range s.Routes {
		route.Path = cmp.Or(route.Path, "/")
		routes[i] = route
	}
	s.Routes = routes
	if s.Sticky != nil {
		sticky := *s.Sticky
		sticky.setDefaults()
		s.Sticky = &sticky
	}
	if s.Health != nil {
		health := *s.Health
		health.setDefaults()
		s.Health = &health
	}
	s.PanicPercent = cmp.Or(s.PanicPercent, 50)
	s.setPoolDefaults()
	if s.Guard != nil {
		guard := *s.Guard
		guard.SetDefaults()
		s.Guard = &guard
	}
	retry := Retry{}
	if s.Retry != nil {
		retry = *s.Retry
	}
	retry.setDefaults()
	s.Retry = &retry
	if s.Fallback != nil {
		fallback := *s.Fallback
		fallback.setDefaults()
		s.Fallback = &fallback
	}
}

// setPoolDefaults fills in how endpoints are ejected and limited.
func (s *Service) setPoolDefaults() {
	ejection, circuit := Ejection{}, Circuit{}
	if s.Ejection != nil {
		ejection = *s.Ejection
	}
	ejection.Failures = cmp.Or(ejection.Failures, 5)
	ejection.Time = orDuration(ejection.Time, 30*time.Second)
	ejection.MaxTime = orDuration(ejection.MaxTime, max(300*time.Second, ejection.Time.Std()))
	ejection.MaxPercent = cmp.Or(ejection.MaxPercent, 10)
	if s.Circuit != nil {
		circuit = *s.Circuit
	}
	circuit.Connections = cmp.Or(circuit.Connections, 1024)
	circuit.Pending = cmp.Or(circuit.Pending, 1024)
	circuit.Uploads = cmp.Or(circuit.Uploads, max(min(512, circuit.Connections/2), 1))
	resolve := Resolve{}
	if s.Resolve != nil {
		resolve = *s.Resolve
	}
	resolve.Interval = orDuration(resolve.Interval, 5*time.Second)
	resolve.Family = cmp.Or(resolve.Family, "auto")
	s.Ejection, s.Circuit, s.Resolve = &ejection, &circuit, &resolve
}

func (k *Sticky) setDefaults() {
	k.Mode = cmp.Or(k.Mode, "follow")
	if k.By != "cookie" {
		return
	}
	cookie := StickyCookie{}
	if k.Cookie != nil {
		cookie = *k.Cookie
	}
	cookie.Name = cmp.Or(cookie.Name, defaultCookie)
	cookie.MaxAge = orDuration(cookie.MaxAge, 24*time.Hour)
	cookie.Path = cmp.Or(cookie.Path, "/")
	k.Cookie = &cookie
}

func (h *Health) setDefaults() {
	h.Interval = orDuration(h.Interval, 2*time.Second)
	h.Timeout = orDuration(h.Timeout, min(time.Second, h.Interval.Std()))
	h.Fall = cmp.Or(h.Fall, 3)
	h.Rise = cmp.Or(h.Rise, 2)
}

// SetDefaults fills in what g leaves out. Triggers stay empty, which means the
// default guard. The zero Guard with defaults judges a service without `guard:`.
func (g *Guard) SetDefaults() {
	g.Bake = orDuration(g.Bake, 10*time.Minute)
	g.UnreadyFor = orDuration(g.UnreadyFor, 5*time.Second)
	g.Triggers = triggerDefaults(g.Triggers, "rollback")
}

// SetDefaults fills in what p leaves out. What p points to is copied before it
// is changed. Afterwards every stage has a weight.
func (p *Rollout) SetDefaults() {
	p.OnInconclusive = cmp.Or(p.OnInconclusive, "hold")
	p.UnreadyFor = orDuration(p.UnreadyFor, 5*time.Second)
	p.KeepPrevious = orDuration(p.KeepPrevious, time.Hour)
	if p.Switches() {
		p.Bake = orDuration(p.Bake, 10*time.Minute)
	}
	if p.Strategy == StrategyRolling {
		p.Batch = cmp.Or(p.Batch, 1)
	}
	p.Rollback.Action = cmp.Or(p.Rollback.Action, "revert_to_previous")
	action := "rollback"
	if p.Rollback.Action == "pause" {
		action = "pause"
	}
	p.Rollback.Triggers = triggerDefaults(p.Rollback.Triggers, action)
	var stages []Stage
	weight := Weight(0)
	for _, stage := range p.Stages {
		if stage.Weight != nil {
			weight = *stage.Weight
		}
		own := weight
		stage.Weight = &own
		stage.OnFail = cmp.Or(stage.OnFail, "rollback")
		stages = append(stages, stage)
	}
	p.Stages = stages
}

func triggerDefaults(triggers []Trigger, action string) []Trigger {
	var out []Trigger
	for _, t := range triggers {
		t.Action = cmp.Or(t.Action, action)
		if counted(t.Condition) {
			t.Duration = orDuration(t.Duration, 5*time.Minute)
		} else {
			t.Count = cmp.Or(t.Count, 3)
		}
		out = append(out, t)
	}
	return out
}
