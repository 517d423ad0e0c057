// Command migrate renames a column of a real PostgreSQL while a site is in use:
// expand, release, fill, release, contract. The versions of the site run behind a
// weir, clients check every answer, and `weir migrate up` is killed in the middle of
// every step. It exits with 1 if a bar is missed.
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
	weir    string
	rows    int
	clients int
	kills   int
	reader  time.Duration
	out     string
}

func main() {
	var o options
	flag.StringVar(&o.weir, "weir", "", "the weir binary; empty: build one")
	flag.IntVar(&o.rows, "rows", 20_000, "users that there are before anything changes")
	flag.IntVar(&o.clients, "clients", 8, "clients, each with some 100 requests a second")
	flag.IntVar(&o.kills, "kills", 3, "kills in the middle of each step")
	flag.DurationVar(&o.reader, "reader", 3*time.Second, "how long a reader keeps the table while its shape is to change")
	flag.StringVar(&o.out, "out", "", "file to keep the result in")
	flag.Parse()
	if err := lab.With(o.weir, func(l *lab.Lab) error { return run(l, o) }); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(l *lab.Lab, o options) (err error) {
	pg, err := l.Postgres()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pg.Close()) }()
	s, err := open(l, pg, o)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.walk(); err != nil {
		return err
	}
	s.summary()
	if err := s.result.Close(); err != nil {
		return err
	}
	if s.missed {
		return errors.New("a bar was missed")
	}
	return nil
}
