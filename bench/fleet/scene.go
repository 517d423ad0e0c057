package main

import (
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// scene is the fleet that all faults share, whole between them.
type scene struct {
	o     options
	etcd  *lab.Cluster
	wires [][]*lab.Wire // by node, then by member of etcd
	nodes []*lab.Node
	blue  *lab.Origin
	green *lab.Origin
}

func open(l *lab.Lab, o options) (s *scene, err error) {
	s = &scene{o: o}
	if s.etcd, err = l.Cluster("etcd", 3); err != nil {
		return nil, err
	}
	if s.blue, err = l.Origin("blue", 0); err != nil {
		return nil, err
	}
	if s.green, err = l.Origin("green", 0); err != nil {
		return nil, err
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
		node, err := l.Node(lab.NodeOptions{Name: fmt.Sprintf("node-%d", i+1), Etcds: urls})
		if err != nil {
			return nil, err
		}
		s.wires, s.nodes = append(s.wires, wires), append(s.nodes, node)
	}
	if err := lab.AwaitMembers(s.nodes, 20*time.Second); err != nil {
		return nil, err
	}
	document := lab.Document(fmt.Sprintf(`kind: Service
name: shop
routes: [{path: /}]
versions: {blue: {endpoints: [%q]}, green: {endpoints: [%q]}}
stable: blue
health: {path: /healthz, interval: 500ms}
`, s.blue.Address, s.green.Address))
	if err := s.nodes[0].API.Apply("shop", document); err != nil {
		return nil, err
	}
	return s, s.quiet()
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

// leader is the node that leads, as another one of those who are left knows it.
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

func (s *scene) others(than *lab.Node) []*lab.Node {
	return slices.DeleteFunc(slices.Clone(s.nodes), func(n *lab.Node) bool { return n == than })
}

// version that users are not on.
func (s *scene) other() (string, error) {
	service, err := s.nodes[0].API.Service("shop")
	if service.Stable == "blue" {
		return "green", err
	}
	return "blue", err
}

// begin starts a rollout of three stages and a bake, some seconds each.
func (s *scene) begin(stage time.Duration) (id string, err error) {
	to, err := s.other()
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

// load is traffic to each of some nodes.
func (s *scene) load(nodes []*lab.Node) []*lab.Traffic {
	var all []*lab.Traffic
	for _, n := range nodes {
		all = append(all, lab.Load{Address: n.Clients, Users: 5000}.Open(s.o.rps))
	}
	return all
}

func (s *scene) close() {
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
