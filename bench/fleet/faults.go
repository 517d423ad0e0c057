package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// fault is what goes wrong in the middle of a rollout. Break does it, waits for
// the recovery and returns how long that took; afterwards everything is whole
// again. Suspect is a node whose own users do not count, because it is killed.
type fault struct {
	name    string
	phase   string        // of the rollout when it happens
	stage   time.Duration // of each stage
	bar     time.Duration
	suspect func() (*lab.Node, error)
	breaks  func(id string, suspect *lab.Node) (time.Duration, error)
}

// takeover is how soon another node must lead.
const takeover = 10 * time.Second

func (s *scene) faults() []fault {
	leader := func() (*lab.Node, error) { return s.leader(s.nodes) }
	nobody := func() (*lab.Node, error) { return nil, nil }
	last := func() (*lab.Node, error) { return s.nodes[len(s.nodes)-1], nil }
	return []fault{
		{"leader killed while progressing", "progressing", 5 * time.Second, takeover, leader, s.killed},
		{"leader killed while paused", "paused", 4 * time.Second, takeover, leader, s.killed},
		{"leader killed while baking", "baking", 4 * time.Second, takeover, leader, s.killed},
		{"leader paused for 12 s, then resumed", "progressing", 5 * time.Second, takeover, leader, s.stopped},
		{"a node cut off from etcd for 10 s", "progressing", 6 * time.Second, takeover, last, s.cutOff},
		{"leader of etcd killed", "progressing", 5 * time.Second, takeover, nobody, s.etcdLeader},
		{fmt.Sprintf("majority of etcd gone for %s", s.o.majority), "progressing", 5 * time.Second, takeover, nobody, s.majority},
	}
}

// survive runs a rollout through a fault and to its end.
func (s *scene) survive(f fault) (out outcome, err error) {
	out.bar = f.bar
	suspect, err := f.suspect()
	if err != nil {
		return out, err
	}
	survivors := s.others(suspect)
	traffic := s.load(survivors)
	id, err := s.begin(f.stage)
	if err == nil {
		err = s.reach(id, f.phase, survivors[0])
	}
	if err == nil {
		out.recovery, err = f.breaks(id, suspect)
	}
	if err == nil {
		if f.phase == "paused" {
			err = survivors[0].API.Act(id, "resume")
		}
	}
	var r lab.Rollout
	if err == nil {
		r, err = survivors[0].API.AwaitPhase(id, "succeeded", 8*f.stage+60*time.Second)
	}
	for _, t := range traffic {
		out.lost += t.Stop().Failed()
	}
	if err != nil {
		return out, err
	}
	if err := s.quiet(); err != nil {
		return out, err
	}
	out.state, err = s.odd(r)
	return out, err
}

// reach waits for a phase, which a person asks for if it is a pause.
func (s *scene) reach(id, phase string, node *lab.Node) error {
	want := phase
	if phase == "paused" {
		want = "progressing"
	}
	if _, err := node.API.AwaitPhase(id, want, time.Minute); err != nil {
		return err
	}
	time.Sleep(time.Second)
	if phase == "paused" {
		return node.API.Act(id, "pause")
	}
	return nil
}

// odd says what a rollout shows that a whole one does not: a stage that was
// passed twice, or never, or a node that routes by another outcome.
func (s *scene) odd(r lab.Rollout) (string, error) {
	for _, n := range s.nodes {
		if service, err := n.API.Service("shop"); err != nil || service.Stable != r.To {
			return fmt.Sprintf("stable is %q on %s", service.Stable, n.Name), err
		}
	}
	seen, next := []string{}, -1
	for _, h := range r.History {
		seen = append(seen, fmt.Sprintf("%s %d", h.To, h.Stage))
		switch {
		case h.Stage < next:
			return "stage repeated: " + strings.Join(seen, ", "), nil
		case h.Stage > next+1:
			return "stage skipped: " + strings.Join(seen, ", "), nil
		}
		next = h.Stage
	}
	return "", nil
}

// killed ends the leader with SIGKILL. It has recovered when another one leads.
func (s *scene) killed(id string, leader *lab.Node) (time.Duration, error) {
	leader.Kill()
	began := time.Now()
	_, err := s.leader(s.others(leader))
	took := time.Since(began)
	if err != nil {
		return took, err
	}
	return took, leader.Start()
}

// stopped pauses the leader until another one leads, and lets it go on as if it
// still did. What it writes then must be refused.
func (s *scene) stopped(id string, leader *lab.Node) (time.Duration, error) {
	if err := leader.Pause(); err != nil {
		return 0, err
	}
	began := time.Now()
	next, err := s.leader(s.others(leader))
	took := time.Since(began)
	if err != nil {
		return took, err
	}
	time.Sleep(time.Until(began.Add(12 * time.Second)))
	if err := leader.Resume(); err != nil {
		return took, err
	}
	return took, lab.Await(leader.Name+" following "+next.Name, 20*time.Second, func() (bool, error) {
		name, err := leader.API.Leader()
		return name != "" && name != leader.Name, err
	})
}

// cutOff parts a node from etcd. It has recovered when it is connected again.
func (s *scene) cutOff(id string, node *lab.Node) (time.Duration, error) {
	wires := s.wires[len(s.nodes)-1]
	for _, w := range wires {
		w.Cut()
	}
	alone := s.load([]*lab.Node{node})
	time.Sleep(10 * time.Second)
	for _, w := range wires {
		w.Mend()
	}
	mended := time.Now()
	err := connected(node)
	took := time.Since(mended)
	for _, t := range alone {
		if n := t.Stop().Failed(); n > 0 && err == nil {
			err = fmt.Errorf("the node that was cut off failed %d requests", n)
		}
	}
	return took, err
}

func connected(n *lab.Node) error {
	return lab.Await(n.Name+" connected", 40*time.Second, func() (bool, error) {
		index, err := n.API.Index()
		return index.Connected, err
	})
}

// etcdLeader kills the leader of etcd. It has recovered when a write goes through.
func (s *scene) etcdLeader(string, *lab.Node) (time.Duration, error) {
	member, err := s.etcd.Leader()
	if err != nil {
		return 0, err
	}
	member.Kill()
	began := time.Now()
	err = s.etcd.AwaitReady(30 * time.Second)
	took := time.Since(began)
	if err != nil {
		return took, err
	}
	return took, member.Start()
}

// majority kills two members for long. It has recovered when all nodes are
// connected again.
func (s *scene) majority(string, *lab.Node) (time.Duration, error) {
	for _, m := range s.etcd.Members[:2] {
		m.Kill()
	}
	time.Sleep(s.o.majority)
	for _, m := range s.etcd.Members[:2] {
		if err := m.Start(); err != nil {
			return 0, err
		}
	}
	if err := s.etcd.AwaitReady(30 * time.Second); err != nil {
		return 0, err
	}
	back := time.Now()
	for _, n := range s.nodes {
		if err := connected(n); err != nil {
			return time.Since(back), err
		}
	}
	return time.Since(back), nil
}
