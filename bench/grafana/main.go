// Command grafana tries the dashboards and rules of configs/ on a real Prometheus
// that scrapes a real node under load, with a rollout in force and one that was
// put back: every query of every panel must give data, and every rule must hold.
// It exits with 1 if one does not. Prometheus must be installed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// patience bounds the wait for data: rates need a few scrapes.
const patience = 90 * time.Second

func main() {
	weir := flag.String("weir", "", "the weir binary; empty: build one")
	rules := flag.String("rules", "configs/prometheus", "folder of the rules")
	flag.Parse()
	if err := run(*weir, *rules); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(weir, rules string) (err error) {
	l, err := lab.New(weir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close(err != nil)) }()
	began := time.Now()
	s, err := open(l, rules)
	if err != nil {
		return fmt.Errorf("%w; the logs are in %s", err, l.Dir)
	}
	defer s.close()
	queries, err := s.queries()
	if err != nil {
		return err
	}
	if err := s.await(queries); err != nil {
		return fmt.Errorf("%w; the logs are in %s", err, l.Dir)
	}
	records, alerts, err := s.awaitRules()
	if err != nil {
		return fmt.Errorf("%w; the logs are in %s", err, l.Dir)
	}
	fmt.Printf("%d queries of panels, %d records and %d alerts hold; %s fired; %.0f s\n",
		len(queries), records, alerts, mustFire, time.Since(began).Seconds())
	return nil
}
