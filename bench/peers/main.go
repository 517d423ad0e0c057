// Command peers runs weir beside the proxies that it wants to replace, and beside
// two that do nothing but forward, on one machine in one run: the proxy under
// load alone on one core, the load and the versions behind it on another.
//
// Proxies take turns in short slices, round after round, each second round
// backwards, so that what else the machine does meets all of them. Figures are
// medians over the rounds; ratios are taken within a round first.
//
//	go run ./bench/peers -weir bin/weir -scenarios small,open -rounds 9
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

type options struct {
	weir      string
	base      string
	caddy     string
	rounds    int
	slice     time.Duration
	scenarios string
	peers     string
	rate      int
	idle      time.Duration
	out       string
}

func main() {
	var o options
	flag.StringVar(&o.weir, "weir", "", "the weir binary; empty: build one")
	flag.StringVar(&o.base, "base", "", "an earlier weir binary, for -peers weir,base")
	flag.StringVar(&o.caddy, "caddy", "", "the caddy binary; empty: one in PATH, else it is built from its module")
	flag.IntVar(&o.rounds, "rounds", 5, "slices of each proxy in each scenario")
	flag.DurationVar(&o.slice, "slice", 2*time.Second, "length of a slice")
	flag.StringVar(&o.scenarios, "scenarios", "", "comma-separated; empty: all of "+scenarioNames())
	flag.StringVar(&o.peers, "peers", "", "comma-separated; empty: those of the scenario out of "+peerNames())
	flag.IntVar(&o.rate, "rate", 0, "requests a second of the open scenario; 0: half of nginx's peak")
	flag.DurationVar(&o.idle, "idle", time.Minute, "how long the connections of the idle scenario stay idle before memory is read")
	flag.StringVar(&o.out, "out", "", "file to keep the result in")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	scenarios, err := selectScenarios(o.scenarios, o.peers)
	if err != nil {
		return err
	}
	w, err := newWorld(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	result := lab.NewResult(o.out)
	describe(result, w)
	b := &bench{world: w, options: o, result: result}
	missed := 0
	for _, s := range scenarios {
		began := time.Now()
		n, err := b.scenario(s)
		if ctx.Err() != nil {
			return fmt.Errorf("cannot measure scenario %q: %w", s.name, errors.Join(ctx.Err(), err))
		}
		if err != nil {
			// The others are worth having.
			result.Printf("  not measured: %v\n\n", err)
			n = 1
		}
		missed += n
		progress("%s took %.0f s", s.name, time.Since(began).Seconds())
	}
	if err := result.Close(); err != nil {
		return err
	}
	if missed > 0 {
		return fmt.Errorf("%d bars were missed, or could not be measured", missed)
	}
	return nil
}

// describe says what was measured and what the arrangement costs.
func describe(r *lab.Result, w *world) {
	r.Printf("processor   %s\n", processor())
	for _, t := range w.tools {
		r.Printf("%-11s %s\n", t.name, t.version)
	}
	r.Printf(`
The proxy under load is alone on core %d; the load (wrk, or our own client) and the
versions behind it (nginx) share core %d. A proxy that is faster than that core
waits for it, and is woken more often per request than it would be under a
faster client: "core" is the share of its core that it used. CPU is user and
system time of all its processes over the requests of the slice, so weir's figure
holds its etcd and its judge too. Ratios under 1 are weir's favour except in req/s.

`, proxyCore, loadCore)
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}
