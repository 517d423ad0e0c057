package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

const (
	swing    = .6 // of a service's mean rate, either way
	period   = 30 * time.Second
	users    = 20_000 // of each service
	weights  = "5%, 25%, 50%, 100%"
	holdback = "5%"
	triggers = "error_rate > 1%, error_rate > 1.5x baseline, latency_p99 > 500ms, client_error_rate > 1.5x baseline, health_check == failing"
)

// outages are what goes wrong with both versions at once, one a stage.
var outages = [...]string{"errors=1", "reset=1&unhealthy=1", "hang=1", "errors=0.5"}

// scene is a fleet that serves many services from two upstream processes.
type scene struct {
	o       options
	nodes   []*lab.Node
	origins []*lab.Origin // blue, green
	traffic []*lab.Traffic
	storm   *storm
}

func service(i int) string { return fmt.Sprintf("shop-%02d", i) }

func host(i int) string { return service(i) + ".example.com" }

func open(l *lab.Lab, o options) (*scene, error) {
	s := &scene{o: o}
	for _, version := range []string{"blue", "green"} {
		origin, err := l.Origin(version, 2*time.Millisecond)
		if err != nil {
			return nil, err
		}
		s.origins = append(s.origins, origin)
	}
	var err error
	if s.nodes, err = l.Fleet("healthy", o.nodes); err != nil {
		return nil, err
	}
	for i := range o.services {
		if err := s.nodes[0].API.Apply(service(i), s.document(i)); err != nil {
			return nil, err
		}
		for k, node := range s.nodes {
			load := lab.Load{Address: node.Clients, Host: host(i), Users: users, First: users * i}
			s.traffic = append(s.traffic, load.Swing(s.rate(i, k)))
		}
	}
	s.storm = newStorm(s.nodes[0].Clients, o.services)
	return s, nil
}

// rate is that of a service on a node: services swing one after the other, and
// the nodes of one against each other.
func (s *scene) rate(service, node int) func(time.Duration) float64 {
	mean := float64(s.o.rps) / float64(s.o.services*len(s.nodes))
	phase := float64(service)/float64(s.o.services) + float64(node)/float64(len(s.nodes))
	return func(since time.Duration) float64 {
		return mean * (1 + swing*math.Sin(2*math.Pi*(since.Seconds()/period.Seconds()+phase)))
	}
}

func (s *scene) document(i int) lab.Document {
	sticky := ""
	if i%2 == 1 {
		sticky = "sticky: {by: header, header: X-User-Id}\n"
	}
	return lab.Document(fmt.Sprintf(`kind: Service
name: %s
routes: [{host: %s}]
versions: {blue: {endpoints: [%q]}, green: {endpoints: [%q]}}
stable: blue
timeout: 3s
health: {path: /healthz, interval: 500ms}
%s`, service(i), host(i), s.origins[0].Address, s.origins[1].Address, sticky))
}

func (s *scene) plan(i int) lab.Document {
	var text strings.Builder
	fmt.Fprintf(&text, "kind: Rollout\nservice: %s\nto: green\nstrategy: canary\nholdback: %s\nstages:\n", service(i), holdback)
	for weight := range strings.SplitSeq(weights, ", ") {
		fmt.Fprintf(&text, "  - {weight: %s, duration: %s}\n", weight, s.o.stage)
	}
	text.WriteString("rollback:\n  triggers:\n")
	for condition := range strings.SplitSeq(triggers, ", ") {
		more := "duration: 30s"
		if strings.Contains(condition, "health") {
			more = "count: 3"
		}
		fmt.Fprintf(&text, "    - {condition: %s, %s}\n", condition, more)
	}
	return lab.Document(text.String())
}

// begin starts all rollouts.
func (s *scene) begin() (ids []string, err error) {
	time.Sleep(2 * time.Second) // of traffic without a rollout
	for i := range s.o.services {
		id, err := s.nodes[0].API.Begin(s.plan(i))
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// trouble breaks both versions once a stage.
func (s *scene) trouble(result *lab.Result) error {
	began := time.Now()
	for i, fault := range outages {
		time.Sleep(time.Until(began.Add(time.Duration(i)*s.o.stage + s.o.stage/3)))
		gap, err := s.fail(i, fault)
		if err != nil {
			return err
		}
		result.Printf("%5.1f s: all upstreams %s for %s, the second version %.1f ms after the first\n",
			time.Since(began).Seconds(), fault, s.o.outage, gap.Seconds()*1000)
		time.Sleep(s.o.outage)
		if _, err := s.fail(i, ""); err != nil {
			return err
		}
	}
	result.Printf("\n")
	return nil
}

// fail breaks or heals both versions, in turn one or the other first.
func (s *scene) fail(turn int, fault string) (gap time.Duration, err error) {
	first, err := s.origins[turn%2].Fail(fault)
	if err != nil {
		return 0, err
	}
	second, err := s.origins[1-turn%2].Fail(fault)
	return second.NowAt().Sub(first.NowAt()), err
}

// await waits for the end of every rollout, or for its pause. While stable breaks
// a limit too a rollout is held, so that it may take longer than its plan. What is
// held to the end of the patience is returned as it is.
func (s *scene) await(ids []string) (ends []lab.Rollout, err error) {
	s.storm.stop()
	deadline := time.Now().Add(2*s.o.stage + time.Minute)
	api := s.nodes[0].API
	for _, id := range ids {
		var r lab.Rollout
		for {
			if r, err = api.Rollout(id); err != nil {
				return nil, err
			}
			if !r.InForce || r.Phase == "paused" || time.Now().After(deadline) {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		ends = append(ends, r)
	}
	return ends, nil
}

// stop ends the traffic of users and returns what became of it.
func (s *scene) stop() lab.Shots {
	var all lab.Shots
	for _, t := range s.traffic {
		all = append(all, t.Stop()...)
	}
	s.storm.stop()
	return all
}

func (s *scene) close() {
	s.stop()
	for _, node := range s.nodes {
		node.API.Close()
	}
}
