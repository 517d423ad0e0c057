// Command fleet breaks the state behind a fleet in the middle of rollouts: three
// nodes and an etcd of three members, all real processes, under traffic. It
// prints for each fault how many requests were lost, how long the recovery took
// and whether state was lost, and exits with 1 if a bar is missed.
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
	rps      int
	majority time.Duration
	out      string
}

func main() {
	var o options
	flag.StringVar(&o.weir, "weir", "", "the weir binary; empty: build one")
	flag.IntVar(&o.rps, "rps", 60, "requests a second to each node, open loop")
	flag.DurationVar(&o.majority, "majority", time.Minute, "how long the majority of etcd is gone")
	flag.StringVar(&o.out, "out", "", "file to keep the result in")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// outcome is what one fault did.
type outcome struct {
	lost     int           // requests of users that a node which lived did not answer well
	recovery time.Duration // until the fleet went on
	bar      time.Duration // what it must not exceed; 0: none
	state    string        // what was lost of the state; empty: nothing
}

func run(o options) (err error) {
	l, err := lab.New(o.weir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close(err != nil)) }()
	s, err := open(l, o)
	if err != nil {
		return fmt.Errorf("%w; the logs are in %s", err, l.Dir)
	}
	defer s.close()
	result := lab.NewResult(o.out)
	result.Printf("3 nodes with %d requests/s each, an etcd of 3 members\n\n%-44s %6s %12s %10s   %s\n", o.rps, "fault", "lost", "recovery", "bar", "state lost")
	missed := 0
	for _, f := range s.faults() {
		out, err := s.survive(f)
		if err != nil {
			return fmt.Errorf("%s: %w; the logs are in %s", f.name, err, l.Dir)
		}
		bar := "-"
		if out.bar > 0 {
			bar = fmt.Sprintf("%d ms", out.bar.Milliseconds())
		}
		note := ""
		if out.lost > 0 || out.state != "" || out.bar > 0 && out.recovery > out.bar {
			missed++
			note = "  MISSED"
		}
		if out.state == "" {
			out.state = "nothing"
		}
		result.Printf("%-44s %6d %9d ms %10s   %s%s\n", f.name, out.lost, out.recovery.Milliseconds(), bar, out.state, note)
	}
	if err := result.Close(); err != nil {
		return err
	}
	if missed > 0 {
		return fmt.Errorf("%d bars were missed; the logs are in %s", missed, l.Dir)
	}
	return nil
}
