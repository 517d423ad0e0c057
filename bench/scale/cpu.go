package main

import (
	"fmt"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// measureCPU reads the processor time of a node that carries out rollouts: what
// they cost without traffic, and what they add to that of light traffic.
func measureCPU(o options, result *lab.Result) (missed int, err error) {
	w, err := open(o)
	if err != nil {
		return 0, err
	}
	defer w.close()
	result.Printf("one node, an external etcd, %d services, processor time over %s as a share of one core\n", o.services, o.measure)
	row := func(what string, share float64, bar bool) {
		text := ""
		if bar {
			var n int
			text, n = beside(fmt.Sprintf("%.0f%%", 100*cpuBar), share <= cpuBar)
			missed += n
		}
		result.Printf("%-52s %5.1f%%%s\n", what, 100*share, text)
	}
	idle, err := w.busy(o.measure)
	if err != nil {
		return missed, err
	}
	row("no rollout, no traffic", idle, false)
	load := w.light(o)
	served, err := w.busy(o.measure)
	load.stop()
	if err != nil {
		return missed, err
	}
	row(fmt.Sprintf("no rollout, %d requests a second", o.rps), served, false)

	if err := w.begin(o, 0); err != nil {
		return missed, err
	}
	quiet, err := w.busy(o.measure)
	if err != nil {
		return missed, err
	}
	row(fmt.Sprintf("%d rollouts without traffic", o.rollouts), quiet, true)
	if err := w.abort(o); err != nil {
		return missed, err
	}

	load = w.light(o)
	defer load.stop()
	if err := w.begin(o, o.stage); err != nil {
		return missed, err
	}
	both, err := w.busy(o.measure)
	if err != nil {
		return missed, err
	}
	row(fmt.Sprintf("%d rollouts of a stage each %s, %d requests a second", o.rollouts, o.stage, o.rps), both, false)
	row("  beyond what the requests cost without rollouts", both-served, true)
	result.Printf("\n")
	return missed, nil
}

// busy is the share of a core that the node uses for a while.
func (w *world) busy(while time.Duration) (float64, error) {
	time.Sleep(2 * time.Second) // what came before has settled
	before, err := w.node.CPU()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	time.Sleep(while)
	after, err := w.node.CPU()
	return float64(after-before) / float64(time.Since(began)), err
}

// loads are the requests to several services.
type loads []*lab.Traffic

func (l loads) stop() {
	for _, t := range l {
		t.Stop()
	}
}

// light is traffic to every service that has a rollout.
func (w *world) light(o options) (l loads) {
	for i := range o.rollouts {
		load := lab.Load{Address: w.node.Clients, Host: host(i), Users: 1000}
		l = append(l, load.Open(max(1, o.rps/o.rollouts)))
	}
	return l
}

// begin starts the rollouts. A stage of 0 is longer than the measurement.
func (w *world) begin(o options, stage time.Duration) error {
	if stage == 0 {
		stage = time.Hour
	}
	return each(o.rollouts, func(i int) error {
		_, err := w.node.API.Begin(lab.Document(fmt.Sprintf(`kind: Rollout
service: %s
to: green
strategy: canary
stages:
  - {weight: 1%%, duration: %[2]s}
  - {weight: 5%%, duration: %[2]s}
  - {weight: 25%%, duration: %[2]s}
  - {weight: 50%%, duration: 1h}
rollback:
  triggers:
    - {condition: error_rate > 1%%, duration: 30s}
    - {condition: latency_p99 > 500ms, duration: 30s}
`, service(i), stage)))
		return err
	})
}

// abort ends the rollouts, and waits until their judges are gone.
func (w *world) abort(o options) error {
	err := each(o.rollouts, func(i int) error {
		s, err := w.node.API.Service(service(i))
		if err != nil {
			return err
		}
		return w.node.API.Act(s.Rollout, "abort")
	})
	time.Sleep(11 * time.Second)
	return err
}
