// Command healthy runs rollouts of a good version through what makes other
// judges put it back: swings of the load, outages that both versions share, and
// a client that repeats its failing request as fast as it can. It exits with 1 if
// one is put back.
//
// All rollouts run at once, each of a service of its own, on one node or a fleet.
// Their versions share two upstream processes, so that an outage is one of all.
// Every other service has a sticky key.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

type options struct {
	weir     string
	nodes    int
	services int
	rps      int
	stage    time.Duration
	outage   time.Duration
	out      string
}

func main() {
	var o options
	flag.StringVar(&o.weir, "weir", "", "the weir binary; empty: build one")
	flag.IntVar(&o.nodes, "nodes", 1, "weir processes; more than one share an external etcd")
	flag.IntVar(&o.services, "services", 20, "services, each with a rollout")
	flag.IntVar(&o.rps, "rps", 1000, "mean requests a second over all services and nodes, open loop")
	flag.DurationVar(&o.stage, "stage", 30*time.Second, "length of each of the four stages")
	flag.DurationVar(&o.outage, "outage", 5*time.Second, "length of each of the four outages")
	flag.StringVar(&o.out, "out", "", "file to keep the result in")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(o options) (err error) {
	l, err := lab.New(o.weir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close(err != nil)) }()
	s, err := open(l, o)
	if err != nil {
		return err
	}
	defer s.close()
	result := lab.NewResult(o.out)
	result.Printf("%d nodes; %d rollouts at once, every other sticky by header; %d requests/s in all, each service swinging by %g of its mean\n",
		o.nodes, o.services, o.rps, swing)
	result.Printf("stages of %s at %s with a holdback of %s; triggers: %s\n\n", o.stage, weights, holdback, triggers)
	ids, err := s.begin()
	if err != nil {
		return err
	}
	if err := s.trouble(result); err != nil {
		return err
	}
	ends, err := s.await(ids)
	if err != nil {
		return err
	}
	putBack := report(result, ends)
	users := s.stop()
	result.Printf("\ntraffic of users: %s\ntraffic of the storming client: %s\n", users, s.storm.shots())
	result.Printf("\nput back %d of %d   bar 0\n", putBack, len(ends))
	if err := result.Close(); err != nil {
		return err
	}
	if putBack > 0 {
		return fmt.Errorf("%d good versions were put back; the logs are in %s", putBack, l.Dir)
	}
	return nil
}

// report prints how each rollout ended and counts those that were put back. One
// that was paused because stable broke the same rule counts too: its users moved.
func report(result *lab.Result, ends []lab.Rollout) (putBack int) {
	for i, r := range ends {
		result.Printf("%-10s %-12s %s\n", service(i), r.Phase, r.Reason)
		if r.Phase == "paused" || !r.InForce && r.Phase != "succeeded" {
			putBack++
		}
	}
	return putBack
}
