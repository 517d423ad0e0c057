package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// etcdFails are the faults of what holds the state.
func (s *scene) etcdFails() error {
	talk := s.converse()
	defer talk.cancel()
	err := s.surviveAll([]fault{
		{"leader of etcd killed", "", s.etcdLeader},
		{"each flush of etcd's disks 300 ms longer, 10 s", "", s.slowDisks},
		{"history compacted under a node's watch", "", s.compacted},
		{fmt.Sprintf("majority of etcd gone for %s", s.o.majority), "", s.majority},
	})
	if err != nil {
		return err
	}
	s.table.add(talk.check(s.dir)) // what follows takes acknowledged changes back, as it must
	return s.surviveAll([]fault{
		{"etcd wiped, state imported again", "", s.wiped},
		{"older backup restored, after a cut", "rolled_back", s.restored},
	})
}

// etcdLeader kills the leader of etcd. It has recovered when a write goes through.
func (s *scene) etcdLeader(string) (out result, err error) {
	member, err := s.etcd.Leader()
	if err != nil {
		return out, err
	}
	member.Kill()
	began := time.Now()
	err = s.etcd.AwaitReady(30 * time.Second)
	out.took = time.Since(began)
	return out, errors.Join(err, member.Start())
}

// slowDisks makes every write of etcd slow. It has recovered when all nodes are
// connected after that.
func (s *scene) slowDisks(string) (out result, err error) {
	how, stop, err := s.etcd.Slow(300 * time.Millisecond)
	if err != nil {
		return out, err
	}
	began := time.Now()
	err = s.etcd.AwaitReady(30 * time.Second)
	write := time.Since(began)
	time.Sleep(time.Until(began.Add(10 * time.Second)))
	stop()
	if err != nil {
		return out, err
	}
	out.note = fmt.Sprintf("%s, a write took %d ms", how, write.Milliseconds())
	out.took, err = s.allConnected()
	return out, err
}

// compacted parts a node from etcd for so short a time that its watch is to go on,
// while what it would go on from is forgotten.
func (s *scene) compacted(string) (out result, err error) {
	node := s.nodes[len(s.nodes)-1]
	if err := s.nodes[0].API.Apply("gone", s.document("gone")); err != nil {
		return out, err
	}
	here := func(name string) bool {
		_, err := node.API.Service(name)
		return err == nil
	}
	if err := lab.Await("the service that is to go", 10*time.Second, func() (bool, error) { return here("gone"), nil }); err != nil {
		return out, err
	}
	for _, w := range s.wiresOf(node) {
		w.Cut()
	}
	a, err := s.nodes[0].API.Call(http.MethodDelete, "/v1/services/gone", nil)
	if err == nil && a.Status >= 300 {
		err = fmt.Errorf("cannot delete a service: %d %s", a.Status, a.Body)
	}
	err = errors.Join(err, s.nodes[0].API.Apply("fresh", s.document("fresh")), s.etcd.Compact(100))
	for _, w := range s.wiresOf(node) {
		w.Mend()
	}
	began := time.Now()
	if err == nil {
		err = lab.Await(node.Name+" knowing what it missed", 30*time.Second, func() (bool, error) { return here("fresh") && !here("gone"), nil })
	}
	out.took = time.Since(began)
	return out, errors.Join(err, connected(node))
}

// majority kills two members for long. It has recovered when all nodes are
// connected again.
func (s *scene) majority(string) (out result, err error) {
	for _, m := range s.etcd.Members[:2] {
		m.Kill()
	}
	time.Sleep(s.o.majority)
	for _, m := range s.etcd.Members[:2] {
		err = errors.Join(err, m.Start())
	}
	if err := errors.Join(err, s.etcd.AwaitReady(30*time.Second)); err != nil {
		return out, err
	}
	out.took, err = s.allConnected()
	return out, err
}

// wiped takes all away that etcd has. The nodes go on with what they know, until
// a person puts that back. It has recovered when all nodes follow it.
func (s *scene) wiped(id string) (out result, err error) {
	if err := s.etcd.Replace(lab.Wipe); err != nil {
		return out, err
	}
	for _, n := range s.nodes {
		err := lab.Await(n.Name+" noticing the loss", 30*time.Second, func() (bool, error) {
			index, err := n.API.Index()
			return !index.Connected && strings.Contains(index.Error, "lost the state"), err
		})
		if err != nil {
			return out, err
		}
	}
	time.Sleep(3 * time.Second) // of traffic without a state in etcd
	saved, err := s.nodes[1].API.Call(http.MethodGet, "/v1/state", nil)
	if err != nil || saved.Status != http.StatusOK {
		return out, fmt.Errorf("cannot export the state: %w, %+v", err, saved)
	}
	began := time.Now()
	put, err := s.nodes[0].API.Call(http.MethodPut, "/v1/state", json.RawMessage(saved.Body))
	if err != nil || put.Status != http.StatusOK {
		return out, fmt.Errorf("cannot import the state: %w, %+v", err, put)
	}
	if _, err := s.allConnected(); err != nil {
		return out, err
	}
	out.took = time.Since(began)
	r, err := s.nodes[2].API.Rollout(id)
	if err == nil && r.Phase != "progressing" {
		err = fmt.Errorf("the rollout that was in force is %s", r.Phase)
	}
	return out, err
}

// restored takes etcd back to a moment at which the candidate had weight, after
// the nodes have cut it while etcd was gone. It has recovered when the rollout is
// put back; the candidate may have no request meanwhile.
func (s *scene) restored(id string) (out result, err error) {
	if err := s.etcd.Backup(); err != nil {
		return out, err
	}
	r, err := s.nodes[0].API.AwaitRollout(id, "beyond its backup", time.Minute, func(r *lab.Rollout) bool { return r.Stage >= 1 })
	if err != nil {
		return out, err
	}
	candidate := s.origins[r.To]
	var began time.Time
	err = s.etcd.Replace(func(dirs []string) error {
		bad := time.Now()
		if _, err := candidate.Fail("errors=1"); err != nil {
			return err
		}
		if err := s.cutEverywhere(r.To); err != nil {
			return err
		}
		out.from = time.Now().Add(settled)
		for _, n := range s.nodes { // a candidate that fails is no loss of the fleet's
			s.gone(n, span{bad, out.from})
		}
		time.Sleep(settled)
		began = time.Now()
		return lab.Restore(dirs)
	})
	if err == nil {
		_, err = s.nodes[0].API.AwaitPhase(id, "rolled_back", 30*time.Second)
	}
	out.took = time.Since(began)
	met, arrivalsErr := candidate.Arrivals(lab.TickAt(out.from))
	_, healErr := candidate.Fail("")
	if n := sum(met.Counts); n > 0 {
		err = errors.Join(err, fmt.Errorf("%d requests met a candidate that was cut", n))
	}
	return out, errors.Join(err, arrivalsErr, healErr)
}

func sum(counts []int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// cutEverywhere waits until no node gives a version anything.
func (s *scene) cutEverywhere(version string) error {
	for _, n := range s.nodes {
		err := lab.Await(n.Name+" cutting "+version, 30*time.Second, func() (bool, error) {
			share, err := n.API.Metric(fmt.Sprintf("weir_split_weight_ratio{service=%q,version=%q}", "shop", version))
			return err == nil && share == 0, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
