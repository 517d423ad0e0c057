package main

import (
	"fmt"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// users are those of both environments, who come all the time.
type users struct {
	production []*lab.Traffic // by node
	staging    *lab.Traffic
	troubles   []trouble
}

// trouble is a time in which the story lets users have bad answers.
type trouble struct {
	what     string
	from, to time.Time
}

// come begins the traffic.
func (u *users) come(s *story) {
	if s.err != nil {
		return
	}
	for i, n := range s.nodes {
		u.production = append(u.production, lab.Load{Address: n.Clients, Users: 5000, First: 5000 * i}.Open(s.options.rps))
	}
	u.staging = lab.Load{Address: s.nodes[0].Clients, Host: "staging.example.com", Users: 20, First: 50_000}.Open(20)
}

// stop ends the traffic. It may be called again.
func (u *users) stop() (shots lab.Shots) {
	if u.staging == nil {
		return nil
	}
	for _, t := range append(u.production, u.staging) {
		shots = append(shots, t.Stop()...)
	}
	u.staging, u.production = nil, nil
	return shots
}

// bad returns the answers of a time that production's users would call bad.
func (u *users) bad(from time.Time) lab.Shots {
	var shots lab.Shots
	for _, t := range u.production {
		shots = append(shots, t.Shots().Of(func(s lab.Shot) bool { return s.Failed() && !s.Began.Before(from) })...)
	}
	return shots
}

// suffer waits until no more answers are bad since a trouble began, which do says
// when it returns, and measures how long they were.
func (s *story) suffer(what string, from time.Time) {
	if s.err != nil {
		return
	}
	ended := time.Now()
	time.Sleep(time.Second) // answers that were under way
	shots := s.users.bad(from)
	if len(shots) == 0 {
		s.err = fmt.Errorf("%s: nobody had a bad answer", what)
		return
	}
	first, last := shots[0].Ended, shots[0].Began
	for _, shot := range shots {
		if shot.Ended.Before(first) {
			first = shot.Ended
		}
		last = later(last, shot.Began)
	}
	if last.After(ended) {
		s.err = fmt.Errorf("%s: a bad answer began %s after its end", what, last.Sub(ended))
		return
	}
	s.users.troubles = append(s.users.troubles, trouble{what, from, ended})
	s.measured("%s: %d bad answers; from the first to the last %s", what, len(shots), last.Sub(first).Round(time.Millisecond))
}

// leave ends the traffic, and fails the story if an answer was bad outside its
// troubles.
func (u *users) leave(s *story) {
	shots := u.stop()
	if s.err != nil {
		return
	}
	bad := shots.Of(func(shot lab.Shot) bool {
		if !shot.Failed() {
			return false
		}
		for _, t := range u.troubles {
			if !shot.Began.Before(t.from) && !shot.Began.After(t.to) {
				return false
			}
		}
		return true
	})
	s.measured("%d requests of users, %d bad, %d of them outside the two troubles", len(shots), shots.Failed(), len(bad))
	if len(bad) > 0 {
		s.err = fmt.Errorf("users had bad answers that the story does not tell of: %s", bad)
	}
}
