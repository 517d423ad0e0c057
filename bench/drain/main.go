// Command drain measures what a SIGTERM costs users, or with -upgrade a new
// binary: requests lost of 64 busy keep-alive clients, run after run with a
// fresh process. It exits with 1 unless
// every run loses none.
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
	weir    string
	runs    int
	clients int
	window  time.Duration
	upgrade bool
	out     string
}

func main() {
	var o options
	flag.StringVar(&o.weir, "weir", "", "the weir binary; empty: build one")
	flag.IntVar(&o.runs, "runs", 20, "how many processes are told to end")
	flag.IntVar(&o.clients, "clients", 64, "busy clients, half without rest, half with pauses of up to 20 ms")
	flag.DurationVar(&o.window, "window", time.Second, "drain.window of the node")
	flag.BoolVar(&o.upgrade, "upgrade", false, "SIGUSR2: hand over to the binary anew, and only then end")
	flag.StringVar(&o.out, "out", "", "file to keep the result in")
	flag.Parse()
	if err := lab.With(o.weir, func(l *lab.Lab) error { return run(l, o) }); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(l *lab.Lab, o options) error {
	result := lab.NewResult(o.out)
	signal := "SIGTERM"
	if o.upgrade {
		signal = "SIGUSR2"
	}
	result.Printf("%s under %d busy keep-alive clients, drain.window %s\n", signal, o.clients, o.window)
	clean, lost, answered := 0, 0, 0
	for i := range o.runs {
		r, err := o.once(l)
		if err != nil {
			return err
		}
		result.Printf("run %2d  %s\n", i+1, r.text)
		if r.lost > 0 {
			result.Printf("        %s\n", r.shots)
		} else {
			clean++
		}
		lost += r.lost
		answered += r.after
	}
	result.Printf("\nruns without a loss: %d of %d; bar %d\nrequests lost: %d; %d were answered after %s\n", clean, o.runs, o.runs, lost, answered, signal)
	if err := result.Close(); err != nil {
		return err
	}
	if clean < o.runs {
		return errors.New("the bar was missed")
	}
	return nil
}

// outcome is what one run came to.
type outcome struct {
	text        string
	shots       lab.Shots
	lost, after int
}

func (o options) once(l *lab.Lab) (outcome, error) {
	options := lab.DrainOptions{Clients: o.clients, Window: o.window}
	if o.upgrade {
		r, err := l.Upgrade(options)
		return outcome{r.String(), r.Shots, r.Lost, r.During + r.After}, err
	}
	r, err := l.Drain(options)
	return outcome{r.String(), r.Shots, r.Lost, r.After}, err
}
