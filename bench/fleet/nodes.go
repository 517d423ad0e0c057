package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// nodesFail are the faults of nodes and of what they hear of the state.
func (s *scene) nodesFail() error {
	talk := s.converse()
	defer talk.cancel()
	err := s.surviveAll([]fault{
		{"leader paused for 8 s, then resumed", "", s.stopped},
		{"two leaders: the old one does not hear of it", "", s.deaf},
		{"a node cut off from etcd for 8 s", "", s.cutOff},
	})
	if err == nil {
		err = s.leadersFall()
	}
	if err == nil {
		s.table.add(talk.check(s.dir))
	}
	return err
}

// away is how long a node is paused or cut off: longer than its lease.
const away = 8 * time.Second

// stopped pauses the leader until another one leads, and lets it go on as if it
// still did.
func (s *scene) stopped(string) (out result, err error) {
	leader, err := s.leader(s.nodes)
	if err != nil {
		return out, err
	}
	before, err := fenced(leader)
	if err != nil {
		return out, err
	}
	if err := leader.Pause(); err != nil {
		return out, err
	}
	began := time.Now()
	next, err := s.leader(s.others(leader))
	out.took = time.Since(began)
	time.Sleep(time.Until(began.Add(away)))
	if err := errors.Join(err, leader.Resume()); err != nil {
		return out, err
	}
	err = s.follows(leader, next)
	s.gone(leader, span{began, time.Now()})
	after, fencedErr := fenced(leader)
	out.note = fmt.Sprintf("%.0f of its writes refused", after-before)
	return out, errors.Join(err, fencedErr)
}

// deaf ends the leader's lease and keeps the answers of etcd from it: another one
// leads while it goes on writing as if it still did. What it writes reaches etcd
// and must be refused there.
func (s *scene) deaf(string) (out result, err error) {
	leader, err := s.leader(s.nodes)
	if err != nil {
		return out, err
	}
	before, err := fenced(leader)
	if err != nil {
		return out, err
	}
	for _, w := range s.wiresOf(leader) {
		w.Deafen()
	}
	began := time.Now()
	err = s.etcd.Expire("/weir/default/leader")
	next, leaderErr := s.leader(s.others(leader))
	out.took = time.Since(began)
	// It writes once a second, and waits two for an answer.
	time.Sleep(time.Until(began.Add(1500 * time.Millisecond)))
	for _, w := range s.wiresOf(leader) {
		w.Hear()
	}
	if err := errors.Join(err, leaderErr); err != nil {
		return out, err
	}
	err = s.follows(leader, next)
	after, fencedErr := fenced(leader)
	out.note = fmt.Sprintf("%.0f of its writes refused", after-before)
	if after <= before {
		fencedErr = errors.Join(fencedErr, errors.New("no write of the old leader was refused: the fault proves nothing"))
	}
	return out, errors.Join(err, fencedErr)
}

// fenced is how many writes of a node as the leader etcd refused.
func fenced(n *lab.Node) (float64, error) { return n.API.Metric("weir_state_fenced_writes_total") }

// follows waits until a former leader knows that another one leads.
func (s *scene) follows(former, leader *lab.Node) error {
	return lab.Await(former.Name+" following "+leader.Name, 20*time.Second, func() (bool, error) {
		name, err := former.API.Leader()
		return name != "" && name != former.Name, err
	})
}

// cutOff parts a node from etcd. It has recovered when it is connected again.
func (s *scene) cutOff(string) (out result, err error) {
	node := s.nodes[len(s.nodes)-1]
	for _, w := range s.wiresOf(node) {
		w.Cut()
	}
	time.Sleep(away)
	for _, w := range s.wiresOf(node) {
		w.Mend()
	}
	mended := time.Now()
	err = connected(node)
	out.took = time.Since(mended)
	return out, err
}
