// Command scale measures a node that has 1 000 services: how long it takes to
// compile a change, what 100 rollouts at once cost it, and whether its clients
// feel that the weights of others change. It exits with 1 if a bar is missed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// Bars of the project.
const (
	changeBar = time.Millisecond       // a change of one service, compiled
	buildBar  = 100 * time.Millisecond // all services, compiled
	cpuBar    = .10                    // of a core, for all rollouts
	swapBar   = 1.15                   // upper bound of p99 with changes over p99 without
)

type options struct {
	weir     string
	services int
	rollouts int
	measure  time.Duration
	stage    time.Duration
	rps      int
	changes  int
	blocks   int
	round    time.Duration
	only     string
	out      string
}

func main() {
	var o options
	flag.StringVar(&o.weir, "weir", "", "the weir binary; empty: build one")
	flag.IntVar(&o.services, "services", 1000, "services")
	flag.IntVar(&o.rollouts, "rollouts", 100, "rollouts at once")
	flag.DurationVar(&o.measure, "measure", 20*time.Second, "how long the processor time is read for")
	flag.DurationVar(&o.stage, "stage", 15*time.Second, "length of a stage: each rollout changes its weights that often")
	flag.IntVar(&o.rps, "rps", 1000, "requests a second, of the light traffic and of the rounds")
	flag.IntVar(&o.changes, "changes", 5, "changes of weights a second in the rounds with changes")
	flag.IntVar(&o.blocks, "blocks", 10, "blocks of four rounds: without, with, with, without changes")
	flag.DurationVar(&o.round, "round", 4*time.Second, "length of a round")
	flag.StringVar(&o.only, "only", "compile,cpu,swap", "which parts to run")
	flag.StringVar(&o.out, "out", "", "file to keep the result in")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(o options) error {
	result := lab.NewResult(o.out)
	missed := 0
	for _, part := range []struct {
		name string
		run  func(options, *lab.Result) (missed int, err error)
	}{{"compile", measureCompile}, {"cpu", measureCPU}, {"swap", measureSwaps}} {
		if !strings.Contains(o.only, part.name) {
			continue
		}
		n, err := part.run(o, result)
		if err != nil {
			return err
		}
		missed += n
	}
	if err := result.Close(); err != nil {
		return err
	}
	if missed > 0 {
		return errors.New("a bar was missed")
	}
	return nil
}

// beside is what stands beside a figure: its bar, and whether it was missed.
func beside(bar string, ok bool) (text string, missed int) {
	if ok {
		return "   bar " + bar, 0
	}
	return "   bar " + bar + "   MISSED", 1
}
