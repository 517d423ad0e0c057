// Command rollback measures how long a broken version keeps its users: from the
// fault to the last request that the version saw. It exits with 1 if a bar is
// missed.
//
// One node, or a fleet on an external etcd, runs under open-loop traffic; every
// run is a rollout of its own with the candidate at 5 %. At a random moment of
// the stage half of the candidate's answers become errors, and the last request
// that the candidate gets from any node counts.
package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/weirproxy/weir/bench/lab"
)

// bar is what a median and, if it is not 0, a p90 must not exceed.
type bar struct{ median, p90 time.Duration }

// barOf is the bar of the project for so many nodes: a fleet decides on counts
// that it exchanges every 200 ms, and each node has a part of the traffic.
func barOf(nodes int) bar {
	if nodes > 1 {
		return bar{median: 2 * time.Second}
	}
	return bar{median: time.Second, p90: 1300 * time.Millisecond}
}

// within compares a measured value with a limit, of which 0 is none.
func within(value, limit time.Duration) (text string, ok bool) {
	if limit == 0 {
		return fmt.Sprintf("%5d ms", value.Milliseconds()), true
	}
	return fmt.Sprintf("%5d ms   bar %d ms", value.Milliseconds(), limit.Milliseconds()), value <= limit
}

type options struct {
	weir   string
	nodes  int
	runs   int
	rps    int
	weight string
	fault  string
	sticky bool
	seed   uint64
	out    string

	earliest, latest time.Duration // of the fault, into the stage
}

func main() {
	var o options
	flag.StringVar(&o.weir, "weir", "", "the weir binary; empty: build one")
	flag.IntVar(&o.nodes, "nodes", 1, "weir processes; more than one share an external etcd")
	flag.IntVar(&o.runs, "runs", 20, "rollouts")
	flag.IntVar(&o.rps, "rps", 1000, "requests a second over all nodes, open loop")
	flag.StringVar(&o.weight, "weight", "5%", "the candidate's weight")
	flag.StringVar(&o.fault, "fault", "errors=0.5", "what goes wrong, as bench/origin takes it")
	flag.BoolVar(&o.sticky, "sticky", false, "the service is sticky by header, with 50 000 users; else each request draws anew")
	flag.DurationVar(&o.earliest, "earliest", 5*time.Second, "earliest moment of the fault into the stage")
	flag.DurationVar(&o.latest, "latest", 15*time.Second, "latest moment of the fault into the stage")
	flag.Uint64Var(&o.seed, "seed", 1, "of the moments of the faults")
	flag.StringVar(&o.out, "out", "", "file to keep the result in")
	flag.Parse()
	if err := lab.With(o.weir, func(l *lab.Lab) error { return run(l, o) }); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(l *lab.Lab, o options) error {
	s, err := open(l, o)
	if err != nil {
		return err
	}
	defer s.close()
	result := lab.NewResult(o.out)
	result.Printf("%d nodes; %d runs; %d requests/s in all, candidate at %s, fault %s at %s to %s into the stage; %s; seed %d\n",
		o.nodes, o.runs, o.rps, o.weight, o.fault, o.earliest, o.latest, s.drawn(), o.seed)
	took, err := measure(s, o, result)
	if err != nil {
		return err
	}
	bar := barOf(o.nodes)
	median, keptMedian := within(lab.Quantile(took, .5), bar.median)
	p90, keptP90 := within(lab.Quantile(took, .9), bar.p90)
	result.Printf("\nfault to last candidate request, %d runs\n  median %s\n  p90    %s\n  max    %5d ms\n",
		len(took), median, p90, lab.Quantile(took, 1).Milliseconds())
	result.Printf("\ntraffic over all runs: %s\n", s.stop())
	if err := result.Close(); err != nil {
		return err
	}
	if !keptMedian || !keptP90 {
		return errors.New("a bar was missed")
	}
	return nil
}

func measure(s *scene, o options, result *lab.Result) (took []time.Duration, err error) {
	random := rand.New(rand.NewPCG(o.seed, 0))
	for i := range o.runs {
		wait := o.earliest + time.Duration(random.Float64()*float64(o.latest-o.earliest))
		progress("run %d of %d: fault in %s", i+1, o.runs, wait.Round(time.Millisecond))
		one, err := s.once(o, wait)
		progress("")
		if err != nil {
			return nil, fmt.Errorf("run %d: %w", i+1, err)
		}
		result.Printf("run %2d  fault at %6.3f s   last request %5d ms   known %5d ms   %d of %d requests bad, by %s\n",
			i+1, wait.Seconds(), one.last.Milliseconds(), one.known.Milliseconds(), one.bad, one.requests, one.path)
		took = append(took, one.last)
	}
	return took, nil
}

// progress replaces the line at the bottom of a terminal.
func progress(format string, args ...any) {
	if term.IsTerminal(int(os.Stderr.Fd())) {
		fmt.Fprintf(os.Stderr, "\r\x1b[K"+format, args...)
	}
}
