package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// takeover is how soon another node must lead, and the fleet go on.
const takeover = 10 * time.Second

// stageTime is that of each stage of a rollout that meets a fault.
const stageTime = 3 * time.Second

// fault is what goes wrong in the middle of a rollout. Breaks does it and waits
// for the recovery; afterwards everything is whole again, and the rollout comes to
// the end that is expected.
type fault struct {
	name   string
	ends   string // the phase; empty: succeeded
	breaks func(id string) (result, error)
}

// result is what a fault showed.
type result struct {
	took time.Duration // the recovery
	note string        // what else was seen
	from time.Time     // since when the share of the candidate counts; zero: the beginning
}

func (s *scene) surviveAll(faults []fault) error {
	for _, f := range faults {
		if err := s.survive(f); err != nil {
			return err
		}
	}
	return nil
}

// survive runs a rollout through a fault and to its end.
func (s *scene) survive(f fault) error {
	if !strings.Contains(f.name, s.o.only) {
		return nil
	}
	if err := s.quiet(); err != nil {
		return fmt.Errorf("before %s: %w", f.name, err)
	}
	began := time.Now()
	id, err := s.begin(stageTime)
	if err == nil {
		_, err = s.nodes[0].API.AwaitRollout(id, "in its first stage", time.Minute, func(r *lab.Rollout) bool {
			return r.Phase == "progressing" && r.Stage == 0
		})
		// Nodes other than the leader hear of a stage's time seconds later, while as
		// many rollouts as here are in force.
		time.Sleep(time.Second)
	}
	var out result
	if err == nil {
		out, err = f.breaks(id)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	want := f.ends
	if want == "" {
		want = "succeeded"
	}
	r, err := s.nodes[0].API.AwaitPhase(id, want, 2*time.Minute)
	if err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	time.Sleep(settled) // a request too many would come now
	if out.from.After(began) {
		began = out.from
	}
	return s.report(row{fault: f.name, recovery: out.took, bar: takeover, note: out.note}, r, span{began, time.Now()})
}

// report completes a row with what the endpoints and the clients saw, and with
// what a rollout shows when all nodes know its end.
func (s *scene) report(out row, r lab.Rollout, while span) error {
	if err := s.quiet(); err != nil {
		return fmt.Errorf("%s: %w", out.fault, err)
	}
	var err error
	if out.share, err = s.shareOf(r, while); err != nil {
		return err
	}
	if out.state == "" {
		if out.state, err = s.odd(r); err != nil {
			return err
		}
	}
	out.lost = s.lost(while)
	s.table.add(out)
	return nil
}

// odd says what a rollout shows that a whole one does not: a stage that was
// passed twice, or never, a weight that went back on the way, or a node that
// routes by another outcome.
func (s *scene) odd(r lab.Rollout) (string, error) {
	stable := r.From
	if r.Phase == "succeeded" {
		stable = r.To
	}
	for _, n := range s.nodes {
		if service, err := n.API.Service("shop"); err != nil || service.Stable != stable {
			return fmt.Sprintf("stable is %q on %s", service.Stable, n.Name), err
		}
	}
	var seen []string
	next, most := -1, 0.0
	for _, h := range r.History {
		seen = append(seen, fmt.Sprintf("%s %d at %s", h.To, h.Stage, h.Weights[r.To]))
		now := weight(h.Weights[r.To])
		back := now < most && r.Phase == "succeeded"
		switch {
		case h.Stage < next:
			return "stage repeated: " + strings.Join(seen, ", "), nil
		case h.Stage > next+1:
			return "stage skipped: " + strings.Join(seen, ", "), nil
		case back:
			return "weight moved back: " + strings.Join(seen, ", "), nil
		}
		next, most = h.Stage, now
	}
	return "", nil
}

// connected waits until a node is connected to the state again.
func connected(n *lab.Node) error {
	return lab.Await(n.Name+" connected", 40*time.Second, func() (bool, error) {
		index, err := n.API.Index()
		return index.Connected, err
	})
}

// allConnected does so for all nodes and returns how long it took.
func (s *scene) allConnected() (time.Duration, error) {
	began := time.Now()
	for _, n := range s.nodes {
		if err := connected(n); err != nil {
			return time.Since(began), err
		}
	}
	return time.Since(began), nil
}
