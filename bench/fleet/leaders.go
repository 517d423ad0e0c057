package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// fall is a moment of a rollout in which its leader is killed.
type fall struct {
	moment string
	// reach waits for the moment. API is of a node that does not lead and lives.
	reach func(leader *lab.Node, api *lab.API) error
	// then lets the rollout go on, once another node leads. Nil: it does by itself.
	then func(api *lab.API) error
}

// leadersFall kills the leader in every phase of rollouts.
func (s *scene) leadersFall() error {
	const name = "leader killed"
	if !strings.Contains(name, s.o.only) {
		return nil
	}
	r, err := newReceiver()
	if err != nil {
		return err
	}
	defer r.close()
	notifier := fmt.Sprintf("kind: Notifier\nname: ops\nwebhook: {url: %q}\non: [started, stage, paused, approval, succeeded, failed, rolled_back, aborted]\n", r.url+"/ops")
	a, err := s.nodes[0].API.Call(http.MethodPut, "/v1/notifiers/ops", lab.Document(notifier))
	if err != nil || a.Status >= 300 {
		return fmt.Errorf("cannot put a notifier: %w, %+v", err, a)
	}
	for _, run := range []func(*receiver) error{s.wholeRollout, s.rampedAbort, s.unansweredCut} {
		if err := run(r); err != nil {
			return fmt.Errorf("%s %w", name, err)
		}
	}
	return nil
}

// fallen is a leader's death as it is reported when the rollout's end is known.
type fallen struct {
	row   row
	while span
}

// fell kills the leader in each of some moments of a rollout.
func (s *scene) fell(id string, falls []fall) (all []fallen, err error) {
	for _, f := range falls {
		began := time.Now()
		leader, err := s.leader(s.nodes)
		if err != nil {
			return all, err
		}
		left := s.others(leader)
		api := left[0].API
		if err := f.reach(leader, api); err != nil {
			return all, fmt.Errorf("%s: %w", f.moment, err)
		}
		if now, err := api.Leader(); err == nil && now != "" && now != leader.Name { // it changed meanwhile
			leader = s.named(now)
			left = s.others(leader)
			api = left[0].API
		}
		before, err := api.Rollout(id)
		if err != nil {
			return all, err
		}
		out := fallen{row: row{fault: "leader killed: " + f.moment, bar: takeover}}
		killed := time.Now()
		leader.Kill()
		_, err = s.leader(left)
		out.row.recovery = time.Since(killed)
		if err != nil {
			return all, fmt.Errorf("%s: %w", f.moment, err)
		}
		after, err := api.Rollout(id)
		if err != nil {
			return all, err
		}
		if after.Stage < before.Stage || weight(after.Weights[after.To]) < weight(before.Weights[before.To]) && f.then == nil {
			out.row.state = fmt.Sprintf("it went from stage %d at %s to %d at %s", before.Stage, before.Weights[before.To], after.Stage, after.Weights[after.To])
		}
		if f.then != nil {
			err = f.then(api)
		}
		err = errors.Join(err, leader.Start())
		s.gone(leader, span{killed, time.Now().Add(100 * time.Millisecond)})
		if err != nil {
			return all, fmt.Errorf("%s: %w", f.moment, err)
		}
		out.while = span{began, time.Now()}
		all = append(all, out)
	}
	return all, nil
}

// tell reports what fell while a rollout went on to its end, and what its
// receivers heard of it.
func (s *scene) tell(all []fallen, id, phase string, r *receiver, paths ...string) error {
	end, err := s.nodes[0].API.AwaitPhase(id, phase, 2*time.Minute)
	if err != nil {
		return err
	}
	last := &all[len(all)-1]
	for _, path := range paths {
		err := lab.Await(path+" told of the end", time.Minute, func() (bool, error) {
			calls := r.of(path, id)
			n := len(calls)
			return n > 0 && calls[n-1].kind == phase && calls[n-1].status == http.StatusOK, nil
		})
		if err != nil {
			return fmt.Errorf("%w; it heard %+v", err, r.of(path, id))
		}
		if wrong := told(r.of(path, id), path == "told"); wrong != "" {
			last.row.state = path + ": " + wrong
		}
	}
	last.while.to = time.Now()
	for _, f := range all {
		if err := s.report(f.row, end, f.while); err != nil {
			return err
		}
	}
	return nil
}

// rampedAbort kills the leader while an abort goes in steps.
func (s *scene) rampedAbort(r *receiver) error {
	to, err := s.candidate()
	if err != nil {
		return err
	}
	id, err := s.nodes[0].API.Begin(lab.Document(fmt.Sprintf(
		"kind: Rollout\nservice: shop\nto: %s\nstrategy: canary\nabort: {ramp: 6s}\nstages: [{weight: 60%%, duration: 60s}]\n", to)))
	if err != nil {
		return err
	}
	all, err := s.fell(id, []fall{{"in an abort by steps", func(_ *lab.Node, api *lab.API) error {
		_, err := api.AwaitRollout(id, "in its stage", 30*time.Second, func(r *lab.Rollout) bool { return r.StageElapsed >= 1 })
		if err == nil {
			err = api.Act(id, "abort")
		}
		if err == nil {
			_, err = api.AwaitRollout(id, "on its way back", 20*time.Second, func(r *lab.Rollout) bool {
				now := weight(r.Weights[to])
				return now > 0 && now < 0.6
			})
		}
		return err
	}, func(*lab.API) error { return nil }}})
	if err != nil {
		return err
	}
	return s.tell(all, id, "aborted", r, "ops")
}

// unansweredCut kills a leader that did not get to answer a cut.
func (s *scene) unansweredCut(r *receiver) error {
	id, err := s.begin(time.Minute)
	if err != nil {
		return err
	}
	to, err := s.candidate()
	if err != nil {
		return err
	}
	all, err := s.fell(id, []fall{{"a cut is there, and not rolled back", func(leader *lab.Node, api *lab.API) error {
		_, err := api.AwaitRollout(id, "in its stage", 30*time.Second, func(r *lab.Rollout) bool { return r.StageElapsed >= 1 })
		if err != nil {
			return err
		}
		if err := leader.Pause(); err != nil { // it is dead from now on
			return err
		}
		bad := time.Now()
		for _, n := range s.nodes { // a candidate that fails is no loss of the fleet's
			s.gone(n, span{bad, bad.Add(takeover)})
		}
		if _, err := s.origins[to].Fail("errors=1"); err != nil {
			return err
		}
		_, err = api.AwaitRollout(id, "cut by a node", 20*time.Second, func(r *lab.Rollout) bool { return len(r.Cuts) > 0 })
		return err
	}, func(*lab.API) error { return nil }}})
	if err != nil {
		return err
	}
	_, healErr := s.origins[to].Fail("")
	return errors.Join(s.tell(all, id, "rolled_back", r, "ops"), healErr)
}
