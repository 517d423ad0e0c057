package main

import (
	"errors"
	"fmt"
	"sync"

	"github.com/weirproxy/weir/bench/lab"
)

// world is one node with an external etcd, so that the time of the node is the
// node's own, and many services that two processes serve.
type world struct {
	lab     *lab.Lab
	etcd    *lab.Etcd
	node    *lab.Node
	origins [2]*lab.Origin
}

func service(i int) string { return fmt.Sprintf("shop-%04d", i) }

func host(i int) string { return service(i) + ".example.com" }

func open(o options) (_ *world, err error) {
	w := &world{}
	if w.lab, err = lab.New(o.weir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.etcd, err = w.lab.Etcd("scale-etcd"); err != nil {
		return nil, err
	}
	if w.node, err = w.lab.Node(lab.NodeOptions{Name: "scale", Etcd: w.etcd}); err != nil {
		return nil, err
	}
	for i, name := range []string{"blue", "green"} {
		if w.origins[i], err = w.lab.Origin(name, 0); err != nil {
			return nil, err
		}
	}
	return w, each(o.services, func(i int) error {
		return w.node.API.Apply(service(i), lab.Document(fmt.Sprintf(`kind: Service
name: %s
routes: [{host: %s}]
versions: {blue: {endpoints: [%q]}, green: {endpoints: [%q]}}
stable: blue
`, service(i), host(i), w.origins[0].Address, w.origins[1].Address)))
	})
}

func (w *world) close() {
	if w.node != nil {
		w.node.API.Close()
	}
	if w.etcd != nil {
		_ = w.etcd.Close() // its process ends with the lab
	}
	_ = w.lab.Close(false) // a folder that stays is no failure of the measurement
}

// each calls f for 0 to n-1, a few at a time.
func each(n int, f func(i int) error) error {
	const atOnce = 4
	errs := make([]error, atOnce)
	var all sync.WaitGroup
	for worker := range atOnce {
		all.Go(func() {
			for i := worker; i < n && errs[worker] == nil; i += atOnce {
				errs[worker] = f(i)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
