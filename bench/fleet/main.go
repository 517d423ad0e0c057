// Command fleet breaks what is behind a fleet in the middle of rollouts: three
// nodes and an etcd of three members, all real processes, under traffic. Two such
// fleets go through their faults side by side. It prints for each fault how many
// requests were lost, how long the recovery took, whether state was lost and the
// share that the candidate had at its endpoints beside what its plan allowed, and
// exits with 1 if a bar is missed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

type options struct {
	weir     string
	rps      int
	majority time.Duration
	only     string
	out      string
}

func main() {
	var o options
	flag.StringVar(&o.weir, "weir", "", "the weir binary; empty: build one")
	flag.IntVar(&o.rps, "rps", 60, "requests a second to each node, open loop")
	flag.DurationVar(&o.majority, "majority", time.Minute, "how long the majority of etcd is gone")
	flag.StringVar(&o.only, "only", "", "faults whose name holds this; empty: all")
	flag.StringVar(&o.out, "out", "", "file to keep the result in")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// row is what one fault did.
type row struct {
	fault    string
	lost     int           // requests of users that a node which lived did not answer well
	recovery time.Duration // until the fleet went on
	bar      time.Duration // what it must not exceed; 0: none
	state    string        // what was lost of the state; empty: nothing
	share    share         // of the candidate, where it came nearest to its plan
	note     string        // what else was seen
}

func (r row) missed() bool {
	return r.lost > 0 || r.state != "" || r.bar > 0 && r.recovery > r.bar || r.share.above()
}

// table prints rows as they come. Safe for concurrent use.
type table struct {
	mu     sync.Mutex
	result *lab.Result
	missed int
}

const columns = "%-46s %5s %11s %9s  %-18s %s\n"

func (t *table) add(r row) {
	bar, state, note := "-", r.state, r.note
	if r.bar > 0 {
		bar = fmt.Sprintf("%d ms", r.bar.Milliseconds())
	}
	if state == "" {
		state = "nothing"
	}
	if note != "" {
		state += "; " + note
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.missed() {
		t.missed++
		state += "  MISSED"
	}
	recovery, share := "-", "-"
	if r.bar > 0 {
		recovery, share = fmt.Sprintf("%d ms", r.recovery.Milliseconds()), r.share.String()
	}
	t.result.Printf(columns, r.fault, fmt.Sprint(r.lost), recovery, bar, share, state)
}

func run(o options) (err error) {
	l, err := lab.New(o.weir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close(err != nil)) }()
	began := time.Now()
	t := &table{result: lab.NewResult(o.out)}
	t.result.Printf("2 fleets of 3 nodes with %d requests/s each and an etcd of 3 members\n\n", o.rps)
	t.result.Printf(columns, "fault", "lost", "recovery", "bar", "share, its plan", "state lost")
	fleets := map[string]func(*scene) error{"east": (*scene).nodesFail, "west": (*scene).etcdFails}
	problems := make(chan error, len(fleets))
	for name, fail := range fleets {
		go func() { problems <- stage(l, o, t, name, fail) }()
	}
	for range fleets {
		err = errors.Join(err, <-problems)
	}
	if err != nil {
		return fmt.Errorf("%w; the logs are in %s", err, l.Dir)
	}
	t.result.Printf("\n%d bars were missed, in %s\n", t.missed, time.Since(began).Round(time.Second))
	if err := t.result.Close(); err != nil {
		return err
	}
	if t.missed > 0 {
		return fmt.Errorf("%d bars were missed; the logs are in %s", t.missed, l.Dir)
	}
	return nil
}

// stage puts one fleet through its faults.
func stage(l *lab.Lab, o options, t *table, name string, fail func(*scene) error) error {
	s, err := open(l, o, name)
	if err != nil {
		return fmt.Errorf("fleet %s: %w", name, err)
	}
	defer s.close()
	s.table = t
	if err := fail(s); err != nil {
		return fmt.Errorf("fleet %s: %w", name, err)
	}
	return nil
}
