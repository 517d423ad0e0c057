// Command flags measures feature flags: what asking for one costs beside the
// control API's plain answers, and how long a kill takes to be in force for
// applications and for routed requests. With -sdk it lets OpenFeature's SDKs for
// JavaScript, as they are, ask a weir instead, which needs node and npm. It exits
// with 1 if a bar is missed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// Bars of the project.
const (
	askBar  = .8 // of the control listener's plain throughput
	killBar = 10 * time.Millisecond
)

type options struct {
	weir   string
	sdk    bool
	rounds int
	slice  time.Duration
	kills  int
	out    string
}

func main() {
	var o options
	flag.StringVar(&o.weir, "weir", "", "the weir binary; empty: build one")
	flag.BoolVar(&o.sdk, "sdk", false, "ask through OpenFeature's SDKs for JavaScript instead of measuring")
	flag.IntVar(&o.rounds, "rounds", 5, "slices of each kind of request")
	flag.DurationVar(&o.slice, "slice", 2*time.Second, "length of a slice")
	flag.IntVar(&o.kills, "kills", 40, "kills")
	flag.StringVar(&o.out, "out", "", "file to keep the result in")
	flag.Parse()
	if err := lab.With(o.weir, func(l *lab.Lab) error { return run(l, o) }); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(l *lab.Lab, o options) error {
	s, err := open(l)
	if err != nil {
		return err
	}
	defer s.node.API.Close()
	if o.sdk {
		return s.sdk()
	}
	result := lab.NewResult(o.out)
	missed, err := s.measure(o, result)
	if err := errors.Join(err, result.Close()); err != nil {
		return err
	}
	if missed {
		return errors.New("a bar was missed")
	}
	return nil
}

func (s *scene) measure(o options, result *lab.Result) (missed bool, err error) {
	bar := func(kept bool) string {
		if kept {
			return ""
		}
		missed = true
		return "   MISSED"
	}
	plain, one, all, err := s.throughput(o)
	if err != nil {
		return false, err
	}
	result.Printf("requests a second over %d connections, medians of %d slices\n", connections, o.rounds)
	result.Printf("  control API, GET /healthz            %8.0f\n", plain)
	result.Printf("  one flag by OFREP                    %8.0f   %.2f of it, bar %.2f%s\n", one, one/plain, askBar, bar(one/plain >= askBar))
	result.Printf("  all %d flags by OFREP                 %8.0f   %.2f of it\n\n", flagsMade, all, all/plain)

	app, edge, err := s.kills(o.kills)
	if err != nil {
		return false, err
	}
	result.Printf("from the call of the API to the first evaluation by the kill, %d kills\n", o.kills)
	for _, row := range []struct {
		what string
		took []time.Duration
	}{{"applications", app}, {"routed requests", edge}} {
		median := lab.Quantile(row.took, .5)
		result.Printf("  %-20s median %8s   p99 %8s   bar %s%s\n", row.what, median.Round(10*time.Microsecond),
			lab.Quantile(row.took, .99).Round(10*time.Microsecond), killBar, bar(median <= killBar))
	}
	return missed, nil
}
