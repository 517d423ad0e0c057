// Command scrape measures what Prometheus costs a node of 1 000 services with
// three versions each, one of them in use: the time and size of a page, what its
// users notice of it, and what a version costs that nobody uses. It exits with 1
// if a bar is missed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// Bars of the project. What users may notice has none of its own: their slowest
// requests beside those without scrapes show it.
const (
	renderBar = 50 * time.Millisecond // median, from the request to the last byte
	sizeBar   = 1 << 20               // bytes of a compressed page
	unusedBar = 1024                  // bytes of a Recorder that never counted
)

type options struct {
	weir     string
	services int
	scrapes  int
	rps      int
	out      string
}

func main() {
	var o options
	flag.StringVar(&o.weir, "weir", "", "the weir binary; empty: build one")
	flag.IntVar(&o.services, "services", 1000, "services of three versions")
	flag.IntVar(&o.scrapes, "scrapes", 50, "scrapes, two a second")
	flag.IntVar(&o.rps, "rps", 500, "requests a second meanwhile")
	flag.StringVar(&o.out, "out", "", "file to keep the result in")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(o options) (err error) {
	l, err := lab.New(o.weir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close(false)) }()
	s, err := open(l, o.services)
	if err != nil {
		return err
	}
	defer s.node.API.Close()
	result := lab.NewResult(o.out)
	result.Printf("%d services of 3 versions, one of each in use, embedded etcd; %d requests a second\n\n", o.services, o.rps)
	missed := false
	row := func(what, got string, bar string, ok bool) {
		note := ""
		if bar != "" {
			note = "   bar " + bar
		}
		if !ok {
			note, missed = note+"   MISSED", true
		}
		result.Printf("%-52s %14s%s\n", what, got, note)
	}

	alone := s.serve(o.rps, time.Duration(o.scrapes)*pause, nil)
	var pages []page
	scraped := s.serve(o.rps, time.Duration(o.scrapes)*pause, func() error {
		p, err := s.scrape()
		pages = append(pages, p)
		return err
	})
	if err := errors.Join(alone.err, scraped.err); err != nil {
		return err
	}
	took := make([]time.Duration, len(pages))
	for i, p := range pages {
		took[i] = p.took
	}
	last := pages[len(pages)-1]
	median := lab.Quantile(took, .5)
	row("a page, median", show(median), "50ms", median <= renderBar)
	row("the same, p99", show(lab.Quantile(took, .99)), "", true)
	row("its CPU time", show(scraped.cpuBeyond(alone)/time.Duration(len(pages))), "", true)
	row("its size, compressed", kilobytes(last.compressed), "1024 KB", last.compressed <= sizeBar)
	row("its size, plain", kilobytes(last.plain), "", true)
	row("series in it", fmt.Sprint(last.series), "", true)
	for _, q := range []struct {
		name string
		of   float64
	}{{"p50", .5}, {"p99", .99}, {"p99.9", .999}} {
		row("users' "+q.name+" without and with scrapes", show(alone.latency(q.of))+" "+show(scraped.latency(q.of)), "", true)
	}
	failed := alone.shots.Failed() + scraped.shots.Failed()
	row("requests that failed", fmt.Sprint(failed), "0", failed == 0)
	unused := recorderBytes(1000)
	row("memory of a version that is not used", fmt.Sprintf("%d B", unused), "1024 B", unused <= unusedBar)
	row("the same of one in use", fmt.Sprintf("%d B", usedBytes(1000)), "", true)
	resident, err := s.node.Resident()
	if err != nil {
		return err
	}
	row("resident memory of the node", kilobytes(int(resident)), "", true)
	if err := result.Close(); err != nil {
		return err
	}
	if missed {
		return errors.New("a bar was missed")
	}
	return nil
}

func show(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }

func kilobytes(n int) string { return fmt.Sprintf("%d KB", n>>10) }
