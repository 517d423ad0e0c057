package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
)

// held is what hold reports once all connections are idle, and again, when its
// input ends, with those that are still open.
type held struct {
	Connections int `json:"connections"`
}

// hold opens connections, uses each once and keeps them until its input ends.
func hold(o options) error {
	const dialers = 16
	connections := make([]net.Conn, o.connections)
	errs := make([]error, dialers)
	var done sync.WaitGroup
	for d := range dialers {
		done.Go(func() {
			request, buffer := o.request(0), make([]byte, 16<<10)
			for i := d; i < o.connections && errs[d] == nil; i += dialers {
				if connections[i], errs[d] = o.dialAs(i); errs[d] == nil {
					errs[d] = exchange(connections[i], request, buffer)
				}
			}
		})
	}
	done.Wait()
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("cannot hold %d connections: %w", o.connections, err)
		}
	}
	if err := report(held{len(connections)}); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	request, buffer := o.request(0), make([]byte, 16<<10)
	alive := 0
	for _, c := range connections {
		if exchange(c, request, buffer) == nil {
			alive++
		}
	}
	return report(held{alive})
}
