package main

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// patience bounds how long a decision may take to be seen at all.
const patience = 15 * time.Second

// scene is a fleet of three without traffic but for who looks at the versions.
type scene struct {
	etcd  *lab.Etcd
	nodes []*lab.Node
}

func open(l *lab.Lab) (s *scene, err error) {
	s = &scene{}
	if s.etcd, err = l.Etcd("swap-etcd"); err != nil {
		return nil, err
	}
	for i := range 3 {
		node, err := l.Node(lab.NodeOptions{Name: fmt.Sprintf("swap-%d", i+1), Etcd: s.etcd})
		if err != nil {
			return nil, err
		}
		s.nodes = append(s.nodes, node)
	}
	if err := lab.AwaitMembers(s.nodes, patience); err != nil {
		return nil, err
	}
	var versions [2]*lab.Origin
	for i, name := range []string{"blue", "green"} {
		if versions[i], err = l.Origin(name, 0); err != nil {
			return nil, err
		}
	}
	err = s.nodes[0].API.Apply("shop", lab.Document(fmt.Sprintf(`kind: Service
name: shop
routes: [{path: /}]
versions: {blue: {endpoints: [%q]}, green: {endpoints: [%q]}}
stable: blue
`, versions[0].Address, versions[1].Address)))
	if err != nil {
		return nil, err
	}
	for _, seen := range s.look("blue", time.Now(), s.nodes) {
		if r := <-seen; r.err != nil {
			return nil, r.err
		}
	}
	return s, nil
}

func (s *scene) close() {
	for _, n := range s.nodes {
		n.API.Close()
	}
	_ = s.etcd.Close()
}

// seen is when a node first answered with a version.
type seen struct {
	after time.Duration // from the call until that request began
	err   error
}

// look asks nodes, each a thousand times a second, until a version answers.
func (s *scene) look(version string, asked time.Time, nodes []*lab.Node) []chan seen {
	all := make([]chan seen, len(nodes))
	for i, n := range nodes {
		all[i] = make(chan seen, 1)
		go func() { all[i] <- watch(n, version, asked) }()
	}
	return all
}

func watch(n *lab.Node, version string, asked time.Time) seen {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for time.Since(asked) < patience {
		began := time.Now()
		resp, err := client.Get("http://" + n.Clients + "/")
		if err != nil {
			return seen{err: err}
		}
		_, _ = io.Copy(io.Discard, resp.Body) // the head says it all
		_ = resp.Body.Close()
		if resp.Header.Get("X-Version") == version {
			return seen{after: max(0, began.Sub(asked))}
		}
		time.Sleep(time.Millisecond - time.Since(began))
	}
	return seen{err: fmt.Errorf("%s did not answer within %s", version, patience)}
}

// changes moves all weight there and back again.
func (s *scene) changes(n int) (own, all []time.Duration, err error) {
	for i := range n {
		to, weights := "green", map[string]string{"blue": "0%", "green": "100%"}
		if i%2 == 1 {
			to, weights = "blue", map[string]string{"blue": "100%", "green": "0%"}
		}
		asked := time.Now()
		looking := s.look(to, asked, s.nodes)
		if err := s.nodes[0].API.Weigh("shop", weights); err != nil {
			return nil, nil, err
		}
		last := time.Duration(0)
		for j, c := range looking {
			r := <-c
			if r.err != nil {
				return nil, nil, r.err
			}
			if last = max(last, r.after); j == 0 {
				own = append(own, r.after)
			}
		}
		all = append(all, last)
	}
	return own, all, nil
}

// aborts takes back rollouts that have all the traffic, with etcd stopped in
// the middle of what it does or not.
func (s *scene) aborts(n int, without bool) (took []time.Duration, err error) {
	for range n {
		one, err := s.abort(without)
		if err != nil {
			return nil, err
		}
		took = append(took, one)
	}
	return took, nil
}

func (s *scene) abort(without bool) (time.Duration, error) {
	api := s.nodes[0].API
	id, err := api.Begin(lab.Document("kind: Rollout\nservice: shop\nto: green\nstrategy: canary\nstages: [{weight: 100%, duration: 1h}]\n"))
	if err != nil {
		return 0, err
	}
	if r := <-s.look("green", time.Now(), s.nodes[:1])[0]; r.err != nil {
		return 0, r.err
	}
	if without {
		if err := s.etcd.Pause(); err != nil {
			return 0, err
		}
	}
	asked := time.Now()
	looking := s.look("blue", asked, s.nodes[:1])[0]
	answered := make(chan error, 1)
	go func() { answered <- api.Act(id, "abort") }()
	r := <-looking
	if without {
		if err := s.etcd.Resume(); err != nil {
			return 0, err
		}
	}
	if err := <-answered; err != nil {
		return 0, err
	}
	if r.err != nil {
		return 0, r.err
	}
	_, err = api.AwaitRollout(id, "over", patience, func(r *lab.Rollout) bool { return r.Phase == "aborted" || r.Phase == "rolled_back" })
	return r.after, err
}
