package lab

import (
	"cmp"
	"fmt"
	"time"
)

// busy is a node with one version, under clients that never rest.
type busy struct {
	origin            *Origin
	node              *Node
	restless, pausing *Traffic
}

// busy starts a node and keeps it busy for a while. Half of the clients ask
// without rest, half pause: the one has a request under way when its listener
// or connection ends, the other may just begin one.
func (l *Lab) busy(name string, o DrainOptions) (_ *busy, err error) {
	b := &busy{}
	defer func() {
		if err != nil {
			b.end()
		}
	}()
	if b.origin, err = l.Origin("blue", 3*time.Millisecond); err != nil {
		return nil, err
	}
	if b.node, err = l.Node(NodeOptions{Name: name + "-" + b.origin.port(), Window: o.Window}); err != nil {
		return nil, err
	}
	document := fmt.Sprintf("kind: Service\nname: shop\nroutes: [{path: /}]\nversions: {blue: {endpoints: [%q]}}\nstable: blue\n", b.origin.Address)
	if err := b.node.API.Apply("shop", Document(document)); err != nil {
		return nil, err
	}
	load := Load{Address: b.node.Clients, Users: 1000}
	b.restless = load.Closed(o.Clients-o.Clients/2, 0)
	b.pausing = load.Closed(o.Clients/2, 20*time.Millisecond)
	time.Sleep(cmp.Or(o.Busy, time.Second))
	return b, nil
}

// end ends the processes.
func (b *busy) end() {
	if b.node != nil {
		b.node.API.Close()
		b.node.Kill()
	}
	if b.origin != nil {
		b.origin.Kill()
	}
}
