// Command swap measures how fast a decision of a person reaches traffic: a change
// of weights on all three nodes of an idle fleet, and an abort on the node that
// took it, with etcd and without. It exits with 1 if a bar is missed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// Bars of the project, for medians.
const (
	changeBar = 20 * time.Millisecond
	abortBar  = 10 * time.Millisecond
)

type options struct {
	weir    string
	changes int
	aborts  int
	out     string
}

func main() {
	var o options
	flag.StringVar(&o.weir, "weir", "", "the weir binary; empty: build one")
	flag.IntVar(&o.changes, "changes", 200, "changes of weights")
	flag.IntVar(&o.aborts, "aborts", 20, "aborts with etcd, and as many without")
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
	defer s.close()
	result := lab.NewResult(o.out)
	result.Printf("3 idle nodes, one external etcd; from the call of the API to the first request on the new table\n\n")
	missed := false
	row := func(what string, took []time.Duration, bar time.Duration) {
		median := lab.Quantile(took, .5)
		note := ""
		if bar > 0 {
			note = fmt.Sprintf("   bar %s", bar)
			if median > bar {
				note, missed = note+"   MISSED", true
			}
		}
		result.Printf("%-42s %4d   median %8s   p99 %8s   max %8s%s\n", what, len(took), show(median),
			show(lab.Quantile(took, .99)), show(lab.Quantile(took, 1)), note)
	}

	own, all, err := s.changes(o.changes)
	if err != nil {
		return err
	}
	row("weights, the node that took the call", own, 0)
	row("weights, the last of all three", all, changeBar)
	took, err := s.aborts(o.aborts, false)
	if err != nil {
		return err
	}
	row("abort, the node that took the call", took, abortBar)
	if took, err = s.aborts(o.aborts, true); err != nil {
		return err
	}
	row("the same while etcd answers nothing", took, abortBar)
	if err := result.Close(); err != nil {
		return err
	}
	if missed {
		return errors.New("a bar was missed")
	}
	return nil
}

func show(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }
