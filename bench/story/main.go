// Command story tells one release from its commits to the last change of its
// database, as people would live through it: a git repository, two nodes, staging
// and production with real versions and users, and those who are told. Everything
// is done by commands and documents. At each point what the API says of
// environments, tasks, pending releases and the figures of delivery, and what others
// were told, is held against what the story says; it exits with 1 where they part.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

type options struct {
	weir string
	rps  int
	out  string
}

func main() {
	var o options
	flag.StringVar(&o.weir, "weir", "", "the weir binary; empty: build one")
	flag.IntVar(&o.rps, "rps", 120, "requests a second of production's users to each node, open loop")
	flag.StringVar(&o.out, "out", "", "file to keep the story in")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// chapter is a part of the story.
type chapter struct {
	title string
	tell  func(*story)
}

func run(o options) (err error) {
	l, err := lab.New(o.weir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close(err != nil)) }()
	s := &story{options: o, lab: l, out: lab.NewResult(o.out), began: time.Now()}
	defer s.close()
	for i, c := range []chapter{
		{"The shop as it is", (*story).opening},
		{"A release is cut", (*story).release},
		{"Its database, before its code", (*story).expand},
		{"Staging", (*story).staging},
		{"Production, as far as people let it", (*story).production},
		{"A feature behind a flag goes wrong", (*story).flag},
		{"A version goes wrong", (*story).regression},
		{"The mended version", (*story).mended},
		{"The old column goes", (*story).contract},
	} {
		s.out.Printf("\n%d. %s\n\n", i, c.title)
		if c.tell(s); s.err != nil {
			return fmt.Errorf("chapter %d: %w\nthe logs are in %s", i, s.err, l.Dir)
		}
	}
	s.ending()
	return errors.Join(s.err, s.out.Close())
}
