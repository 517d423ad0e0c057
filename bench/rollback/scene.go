package main

import (
	"fmt"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// scene is a fleet with two versions under traffic, which all runs share. A
// fleet of one embeds its etcd, a larger one has an external one.
type scene struct {
	sticky  bool
	nodes   []*lab.Node
	blue    *lab.Origin
	green   *lab.Origin
	traffic []*lab.Traffic // one a node
}

// outcome is one run, from the moment of the fault.
type outcome struct {
	last  time.Duration // to the last candidate request, as the candidate saw it
	known time.Duration // until the API said rolled_back

	bad, requests int // of the candidate, when it was proven
	path          string
}

func open(l *lab.Lab, o options) (s *scene, err error) {
	s = &scene{sticky: o.sticky}
	if s.blue, err = l.Origin("blue", 0); err != nil {
		return nil, err
	}
	if s.green, err = l.Origin("green", 0); err != nil {
		return nil, err
	}
	if s.nodes, err = l.Fleet("rollback", o.nodes); err != nil {
		return nil, err
	}
	sticky := ""
	if o.sticky {
		sticky = "sticky: {by: header, header: X-User-Id}\n"
	}
	err = s.api().Apply("shop", lab.Document(fmt.Sprintf(`kind: Service
name: shop
routes: [{path: /}]
versions: {blue: {endpoints: [%q]}, green: {endpoints: [%q]}}
stable: blue
health: {path: /healthz, interval: 500ms}
%s`, s.blue.Address, s.green.Address, sticky)))
	if err != nil {
		return nil, err
	}
	for i, node := range s.nodes {
		// What does not divide goes to the first.
		rps := o.rps*(i+1)/len(s.nodes) - o.rps*i/len(s.nodes)
		s.traffic = append(s.traffic, lab.Load{Address: node.Clients, Users: 50_000}.Open(rps))
	}
	return s, nil
}

// api is the first node's: any node takes commands.
func (s *scene) api() *lab.API { return s.nodes[0].API }

// stop ends the traffic and returns what became of all of it.
func (s *scene) stop() lab.Shots {
	var all lab.Shots
	for _, t := range s.traffic {
		all = append(all, t.Stop()...)
	}
	return all
}

func (s *scene) drawn() string {
	if s.sticky {
		return "sticky by header, 50 000 users"
	}
	return "not sticky: each request draws anew"
}

func (s *scene) close() {
	s.stop()
	for _, node := range s.nodes {
		node.API.Close()
	}
}

// once starts a rollout, breaks the candidate after wait and follows the
// traffic back. It leaves everything healthy.
func (s *scene) once(o options, wait time.Duration) (out outcome, err error) {
	api := s.api()
	id, err := api.Begin(lab.Document(fmt.Sprintf(`kind: Rollout
service: shop
to: green
strategy: canary
stages:
  - {weight: %s, duration: 60s}
rollback:
  triggers:
    - {condition: error_rate > 1%%, duration: 10s}
    - {condition: latency_p99 > 200ms, duration: 10s}
    - {condition: health_check == failing, count: 3}
`, o.weight)))
	if err != nil {
		return out, err
	}
	if _, err := api.AwaitPhase(id, "progressing", 10*time.Second); err != nil {
		return out, err
	}
	time.Sleep(wait)
	broken, err := s.green.Fail(o.fault)
	if err != nil {
		return out, err
	}
	r, err := api.AwaitPhase(id, "rolled_back", 60*time.Second)
	if err != nil {
		return out, err
	}
	out.known = time.Since(broken.NowAt())
	time.Sleep(time.Second) // for requests that would still come
	seen, err := s.green.Stats()
	if err != nil {
		return out, err
	}
	out.last = seen.LastAt().Sub(broken.NowAt())
	if d := r.Decision; d != nil {
		out.bad, out.requests, out.path = d.CandidateBad, d.CandidateRequests, d.Path
	}
	_, err = s.green.Fail("")
	return out, err
}
