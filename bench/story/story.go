package main

import (
	"fmt"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// patience is how long the story waits for what it says to become true. It is
// never waited for in full unless something is wrong.
const patience = 40 * time.Second

// story is what is told. Its steps do nothing once one of them went other than
// told; err says which.
type story struct {
	options options
	lab     *lab.Lab
	out     *lab.Result
	began   time.Time
	err     error

	nodes   []*lab.Node
	builds  map[string]*lab.Origin // by environment and version
	users   users
	clock   clock
	slack   *recorder
	pager   *recorder
	tracker *recorder
	github  *recorder
	figures []string // what was measured, for the end
}

// check keeps the first error.
func (s *story) check(err error) {
	if s.err == nil {
		s.err = err
	}
}

// say writes what happens.
func (s *story) say(format string, args ...any) {
	if s.err == nil {
		s.out.Printf("%s  %s\n", s.now(), fmt.Sprintf(format, args...))
	}
}

// now is the time of the story.
func (s *story) now() string {
	d := time.Since(s.began)
	return fmt.Sprintf("%02d:%06.3f", int(d.Minutes()), (d % time.Minute).Seconds())
}

// measured says a figure, and keeps it for the end.
func (s *story) measured(format string, args ...any) {
	if s.err == nil {
		text := fmt.Sprintf(format, args...)
		s.figures = append(s.figures, text)
		s.say("%s", text)
	}
}

// build starts the build of a version in an environment, unless it runs, and returns
// its address.
func (s *story) build(environment, version string) string {
	if s.err != nil {
		return ""
	}
	if o := s.builds[environment+" "+version]; o != nil {
		return o.Address
	}
	o, err := s.lab.Origin(environment+"-"+version, time.Millisecond)
	s.check(err)
	if s.err != nil {
		return ""
	}
	if s.builds == nil {
		s.builds = map[string]*lab.Origin{}
	}
	s.builds[environment+" "+version] = o
	return o.Address
}

// breaks spoils the answers of a build; the empty fault heals it.
func (s *story) breaks(environment, version, fault string) {
	if s.err != nil {
		return
	}
	_, err := s.builds[environment+" "+version].Fail(fault)
	s.check(err)
}

// awaits waits until ok is true.
func (s *story) awaits(what string, ok func() (bool, error)) {
	if s.err == nil {
		s.check(lab.Await(what, patience, ok))
	}
}

// ending tells what was measured over all.
func (s *story) ending() {
	s.users.leave(s)
	s.out.Printf("\nFigures\n\n")
	for _, line := range s.figures {
		s.out.Printf("  %s\n", line)
	}
	s.out.Printf("  the story took %s\n", time.Since(s.began).Round(time.Second))
}

// close ends what is not a process of the lab.
func (s *story) close() {
	s.users.stop()
	for _, r := range []*recorder{s.slack, s.pager, s.tracker, s.github} {
		if r != nil {
			r.server.Close()
		}
	}
	for _, n := range s.nodes {
		n.API.Close()
	}
}
