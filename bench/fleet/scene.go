package main

import (
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// scene is a fleet that its faults share, whole between them. One goroutine
// works with it.
type scene struct {
	o       options
	name    string
	dir     string // for what is to be looked at afterwards
	table   *table
	etcd    *lab.Cluster
	wires   [][]*lab.Wire // by node, then by member of etcd
	nodes   []*lab.Node
	origins map[string]*lab.Origin // by version
	traffic []*lab.Traffic         // by node
	down    [][]span               // by node: when it was not alive
}

// span is a stretch of time.
type span struct{ from, to time.Time }

func (s span) overlaps(from, to time.Time) bool { return !to.Before(s.from) && !from.After(s.to) }

func open(l *lab.Lab, o options, name string) (s *scene, err error) {
	s = &scene{o: o, name: name, dir: l.Dir, origins: map[string]*lab.Origin{}}
	if s.etcd, err = l.Cluster(name+"-etcd", 3); err != nil {
		return nil, err
	}
	for _, version := range []string{"blue", "green"} {
		if s.origins[version], err = l.Origin(version, 0); err != nil {
			return nil, err
		}
	}
	for i := range 3 {
		var wires []*lab.Wire
		var urls []string
		for _, m := range s.etcd.Members {
			u, err := url.Parse(m.URL)
			if err != nil {
				return nil, err
			}
			w, err := l.Wire(u.Host)
			if err != nil {
				return nil, err
			}
			wires, urls = append(wires, w), append(urls, "http://"+w.Address)
		}
		node, err := l.Node(lab.NodeOptions{Name: fmt.Sprintf("%s-%d", name, i+1), Etcds: urls})
		if err != nil {
			return nil, err
		}
		s.wires, s.nodes = append(s.wires, wires), append(s.nodes, node)
	}
	if err := lab.AwaitMembers(s.nodes, 30*time.Second); err != nil {
		return nil, err
	}
	if err := s.nodes[0].API.Apply("shop", s.document("shop")); err != nil {
		return nil, err
	}
	if err := s.quiet(); err != nil {
		return nil, err
	}
	for _, n := range s.nodes {
		s.traffic = append(s.traffic, lab.Load{Address: n.Clients, Users: 5000}.Open(o.rps))
	}
	s.down = make([][]span, len(s.nodes))
	return s, nil
}

// document is a service with the two versions.
func (s *scene) document(name string) lab.Document {
	return lab.Document(fmt.Sprintf(`kind: Service
name: %s
routes: [{host: %s.example.com}]
versions: {blue: {endpoints: [%q]}, green: {endpoints: [%q]}}
stable: blue
health: {path: /healthz, interval: 500ms}
`, name, name, s.origins["blue"].Address, s.origins["green"].Address))
}

// quiet waits until all nodes know each other and serve stable alone.
func (s *scene) quiet() error {
	if err := lab.AwaitMembers(s.nodes, 40*time.Second); err != nil {
		return err
	}
	for _, n := range s.nodes {
		err := lab.Await(n.Name+" serving stable alone", 40*time.Second, func() (bool, error) {
			service, err := n.API.Service("shop")
			return err == nil && service.Rollout == "" && service.Stable != "", err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// leader is the node that leads, as those given know it. It is one of them.
func (s *scene) leader(of []*lab.Node) (*lab.Node, error) {
	var found *lab.Node
	err := lab.Await("a leader", 40*time.Second, func() (bool, error) {
		for _, n := range of {
			name, err := n.API.Leader()
			if err != nil {
				return false, err
			}
			for _, one := range of {
				if one.Name == name {
					found = one
				}
			}
		}
		return found != nil, nil
	})
	return found, err
}

func (s *scene) named(name string) *lab.Node {
	return s.nodes[slices.IndexFunc(s.nodes, func(n *lab.Node) bool { return n.Name == name })]
}

func (s *scene) others(than *lab.Node) []*lab.Node {
	return slices.DeleteFunc(slices.Clone(s.nodes), func(n *lab.Node) bool { return n == than })
}

func (s *scene) wiresOf(n *lab.Node) []*lab.Wire { return s.wires[slices.Index(s.nodes, n)] }

// gone notes that a node was not alive for a while. Its own users do not count.
func (s *scene) gone(n *lab.Node, while span) {
	i := slices.Index(s.nodes, n)
	s.down[i] = append(s.down[i], while)
}

// lost counts the requests that nodes which lived did not answer well.
func (s *scene) lost(while span) int {
	lost := 0
	for i, t := range s.traffic {
		lost += t.Shots().Count(func(shot lab.Shot) bool {
			away := slices.ContainsFunc(s.down[i], func(d span) bool { return d.overlaps(shot.Began, shot.Ended) })
			return shot.Failed() && while.overlaps(shot.Began, shot.Ended) && !away
		})
	}
	return lost
}

// candidate is the version that users are not on.
func (s *scene) candidate() (string, error) {
	service, err := s.nodes[0].API.Service("shop")
	if service.Stable == "blue" {
		return "green", err
	}
	return "blue", err
}

// begin starts a rollout of three stages and a bake, some seconds each.
func (s *scene) begin(stage time.Duration) (id string, err error) {
	to, err := s.candidate()
	if err != nil {
		return "", err
	}
	return s.nodes[0].API.Begin(lab.Document(fmt.Sprintf(`kind: Rollout
service: shop
to: %s
strategy: canary
holdback: 10%%
bake: %s
stages:
  - {weight: 10%%, duration: %s}
  - {weight: 40%%, duration: %s}
  - {weight: 70%%, duration: %s}
rollback:
  triggers:
    - {condition: error_rate > 1%%, duration: 30s}
    - {condition: health_check == failing, count: 3}
`, to, stage, stage, stage, stage)))
}

func (s *scene) close() {
	for _, t := range s.traffic {
		t.Stop()
	}
	for _, n := range s.nodes {
		n.API.Close()
		n.Kill()
	}
	for _, wires := range s.wires {
		for _, w := range wires {
			w.Close()
		}
	}
	_ = s.etcd.Close() // a client of processes that end with the lab
}
