package lab

import (
	"fmt"
	"net/http"
	"time"
)

// Fleet starts so many nodes, named after name, and waits until each knows all.
// One alone embeds its etcd; more share an external one with a single member.
func (l *Lab) Fleet(name string, size int) ([]*Node, error) {
	var etcd *Etcd
	if size > 1 {
		var err error
		if etcd, err = l.Etcd(name + "-etcd"); err != nil {
			return nil, err
		}
	}
	nodes := make([]*Node, size)
	for i := range nodes {
		var err error
		if nodes[i], err = l.Node(NodeOptions{Name: fmt.Sprintf("%s-%d", name, i+1), Etcd: etcd}); err != nil {
			return nil, err
		}
	}
	return nodes, AwaitMembers(nodes, 10*time.Second)
}

// Member is a node as another one sees it.
type Member struct {
	Name     string `json:"name"`
	Revision int64  `json:"revision"`
	Leader   bool   `json:"leader"`
}

// Members are the nodes that a node knows.
func (a *API) Members() (all []Member, err error) {
	err = a.must(http.MethodGet, "/v1/nodes", nil, &all)
	return all, err
}

// Leader is the name of the node that leads; empty: none does.
func (a *API) Leader() (string, error) {
	all, err := a.Members()
	for _, m := range all {
		if m.Leader {
			return m.Name, nil
		}
	}
	return "", err
}

// AwaitMembers waits until each of the nodes knows all of them and a leader.
func AwaitMembers(nodes []*Node, patience time.Duration) error {
	for _, n := range nodes {
		err := Await(n.name+" knowing the fleet", patience, func() (bool, error) {
			all, err := n.API.Members()
			led := false
			for _, m := range all {
				led = led || m.Leader
			}
			return led && len(all) >= len(nodes), err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
