// Command origin is a version of a service for the proofs: it answers requests,
// counts them, and breaks on demand.
//
//	origin -name green -listen 127.0.0.1:9002
//	curl -X POST 'http://127.0.0.1:9002/__origin/fault?errors=0.5'
//	curl http://127.0.0.1:9002/__origin/stats
//
// /healthz is its probe and /smoke its smoke check; what begins with /__origin/ is for the proof; all else
// is a user's request.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
)

func main() {
	name := flag.String("name", "origin", "name of the version; X-Version carries it")
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	latency := flag.Duration("latency", 0, "time that every answer takes, faults aside")
	flag.Parse()
	if err := run(*name, *listen, newOrigin(*name, *latency)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(name, listen string, o *origin) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("cannot start origin %q: %w", name, err)
	}
	fmt.Printf("origin %s listens on %s\n", name, l.Addr())
	return newServer(o).Serve(l)
}
