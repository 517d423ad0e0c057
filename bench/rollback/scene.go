package main

import (
	"fmt"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// scene is one node with two versions under traffic, which all runs share.
type scene struct {
	sticky  bool
	node    *lab.Node
	blue    *lab.Origin
	green   *lab.Origin
	traffic *lab.Traffic
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
	if s.node, err = l.Node(lab.NodeOptions{Name: "rollback"}); err != nil {
		return nil, err
	}
	sticky := ""
	if o.sticky {
		sticky = "sticky: {by: header, header: X-User-Id}\n"
	}
	err = s.node.API.Apply("shop", lab.Document(fmt.Sprintf(`kind: Service
name: shop
routes: [{path: /}]
versions: {blue: {endpoints: [%q]}, green: {endpoints: [%q]}}
stable: blue
health: {path: /healthz, interval: 500ms}
%s`, s.blue.Address, s.green.Address, sticky)))
	if err != nil {
		return nil, err
	}
	s.traffic = lab.Load{Address: s.node.Clients, Users: 50_000}.Open(o.rps)
	return s, nil
}

func (s *scene) drawn() string {
	if s.sticky {
		return "sticky by header, 50 000 users"
	}
	return "not sticky: each request draws anew"
}

func (s *scene) close() {
	s.traffic.Stop()
	s.node.API.Close()
}

// once starts a rollout, breaks the candidate after wait and follows the
// traffic back. It leaves everything healthy.
func (s *scene) once(o options, wait time.Duration) (out outcome, err error) {
	api := s.node.API
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
