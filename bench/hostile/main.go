// Command hostile measures what clients that mean no good cost the others:
// thousands that are slow, and floods of HTTP/2 frames. It exits with 1 unless
// every bar is kept.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

type options struct {
	weir   string
	slow   int
	rps    int
	frames int
	phase  time.Duration
	rounds int
	only   string
	out    string
}

// Bars: an honest client's p99 beside what it is without, and the growth of
// resident memory under floods.
const (
	barSlower = 2.0
	barGrowth = 64 << 20
)

func main() {
	var o options
	flag.StringVar(&o.weir, "weir", "", "the weir binary; empty: build one")
	flag.IntVar(&o.slow, "slow", 5000, "slow clients")
	flag.IntVar(&o.rps, "rps", 500, "requests a second of honest clients")
	flag.IntVar(&o.frames, "frames", 50_000, "frames of each flood, evenly over a phase")
	flag.DurationVar(&o.phase, "phase", 5*time.Second, "length of each measurement")
	flag.IntVar(&o.rounds, "rounds", 3, "measurements without and beside each attack, of which the medians count")
	flag.StringVar(&o.only, "only", "", "the attack whose name begins so; empty: all")
	flag.StringVar(&o.out, "out", "", "file to keep the result in")
	flag.Parse()
	if err := lab.With(o.weir, func(l *lab.Lab) error { return run(l, o) }); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(l *lab.Lab, o options) error {
	origin, err := l.Origin("blue", 0)
	if err != nil {
		return err
	}
	node, err := l.Node(lab.NodeOptions{Name: "hostile", H2C: true, Strangers: true})
	if err != nil {
		return err
	}
	defer node.API.Close()
	document := fmt.Sprintf("kind: Service\nname: shop\nroutes: [{path: /}]\nversions: {blue: {endpoints: [%q]}}\nstable: blue\n", origin.Address)
	if err := node.API.Apply("shop", lab.Document(document)); err != nil {
		return err
	}
	r := lab.NewResult(o.out)
	r.Printf("%d honest requests a second; bars: p99 %gx of that without, resident memory +%d MiB under floods\n", o.rps, barSlower, barGrowth>>20)
	kept := true
	for _, a := range attacks(o) {
		if !strings.HasPrefix(a.name, o.only) {
			continue
		}
		ok, err := o.measure(r, node, a)
		if err != nil {
			return err
		}
		kept = kept && ok
	}
	if err := r.Close(); err != nil {
		return err
	}
	if !kept {
		return errors.New("a bar was missed")
	}
	return nil
}

// attack is one kind of hostile client.
type attack struct {
	name string
	run  func(ctx context.Context, address string) (done int, err error)
	// swing is how long it takes to be in full swing.
	swing time.Duration
	// grows says that memory is measured too: connections that are allowed to be
	// open cost what they cost.
	grows bool
}

// phase is what one measurement found.
type phase struct {
	p99 time.Duration // of honest requests
	cpu time.Duration // of weir, a second
}

// measure compares honest clients without and beside an attack, in turns, so
// that a machine that is busy with other things is so for both.
func (o options) measure(r *lab.Result, node *lab.Node, a attack) (kept bool, err error) {
	before, err := node.Resident()
	if err != nil {
		return false, err
	}
	var quiet, beside []phase
	most, frames := before, 0
	for range o.rounds {
		alone, err := o.honest(node)
		if err != nil {
			return false, fmt.Errorf("%s, before it: %w", a.name, err)
		}
		attacked, done, err := o.attacked(node, a)
		if err != nil {
			return false, fmt.Errorf("%s: %w", a.name, err)
		}
		quiet, beside, frames = append(quiet, alone), append(beside, attacked), done
		after, err := node.Resident()
		if err != nil {
			return false, err
		}
		most = max(most, after)
	}
	p99 := func(p phase) time.Duration { return p.p99 }
	cpu := func(p phase) time.Duration { return p.cpu }
	slower := float64(medianOf(beside, p99)) / float64(medianOf(quiet, p99))
	kept = slower <= barSlower && (!a.grows || most-before < barGrowth)
	verdict := "kept"
	if !kept {
		verdict = "MISSED"
	}
	r.Printf("%-13s %5d: p99 %8s without %v, %8s beside %v: %.2fx; resident %d, at most %d MiB; CPU of a second %s without, %s beside: %s\n", a.name, frames,
		medianOf(quiet, p99), each(quiet, p99), medianOf(beside, p99), each(beside, p99), slower, before>>20, most>>20,
		medianOf(quiet, cpu), medianOf(beside, cpu), verdict)
	return kept, nil
}

// attacked is honest beside the attack. done is how much of that there was.
func (o options) attacked(node *lab.Node, a attack) (found phase, done int, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	var attacking sync.WaitGroup
	var failure error
	attacking.Go(func() { done, failure = a.run(ctx, node.Clients) })
	time.Sleep(a.swing)
	found, err = o.honest(node)
	cancel()
	attacking.Wait()
	return found, done, errors.Join(err, failure)
}

// each is one figure of all phases, short enough to be read.
func each(phases []phase, figure func(phase) time.Duration) []time.Duration {
	out := make([]time.Duration, len(phases))
	for i, p := range phases {
		out[i] = figure(p).Round(10 * time.Microsecond)
	}
	return out
}

func medianOf(phases []phase, figure func(phase) time.Duration) time.Duration {
	return lab.Quantile(each(phases, figure), .5)
}

// honest measures a phase, in which no request may fail.
func (o options) honest(node *lab.Node) (phase, error) {
	before, err := node.CPU()
	if err != nil {
		return phase{}, err
	}
	traffic := lab.Load{Address: node.Clients, Users: 1000}.Open(o.rps)
	time.Sleep(o.phase)
	shots := traffic.Stop()
	after, err := node.CPU()
	if err != nil {
		return phase{}, err
	}
	if n := shots.Failed(); n > 0 {
		return phase{}, fmt.Errorf("%d honest requests failed: %s", n, shots)
	}
	took := make([]time.Duration, len(shots))
	for i, s := range shots {
		took[i] = s.Ended.Sub(s.Began)
	}
	return phase{p99: lab.Quantile(took, .99), cpu: time.Duration(float64(after-before) / o.phase.Seconds())}, nil
}
