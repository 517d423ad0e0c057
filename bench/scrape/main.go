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
	if err := lab.With(o.weir, func(l *lab.Lab) error { return run(l, o) }); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(l *lab.Lab, o options) error {
	s, err := open(l, o.services)
	if err != nil {
		return err
	}
	defer s.node.API.Close()
	alone, scraped, pages, err := s.measure(o)
	if err != nil {
		return err
	}
	resident, err := s.node.Resident()
	if err != nil {
		return err
	}
	t := &table{result: lab.NewResult(o.out)}
	t.result.Printf("%d services of 3 versions, one of each in use, embedded etcd; %d requests a second\n\n", o.services, o.rps)
	t.pages(pages, scraped.cpuBeyond(alone))
	t.users(alone, scraped)
	unused := recorderBytes(1000)
	t.barred("memory of a version that is not used", fmt.Sprintf("%d B", unused), "1024 B", unused <= unusedBar)
	t.row("the same of one in use", fmt.Sprintf("%d B", usedBytes(1000)))
	t.row("resident memory of the node", kilobytes(int(resident)))
	if err := t.result.Close(); err != nil {
		return err
	}
	if t.missed {
		return errors.New("a bar was missed")
	}
	return nil
}

// measure serves users without scrapes and then with them.
func (s *scene) measure(o options) (alone, scraped served, pages []page, err error) {
	length := time.Duration(o.scrapes) * pause
	alone = s.serve(o.rps, length, nil)
	scraped = s.serve(o.rps, length, func() error {
		p, err := s.scrape()
		pages = append(pages, p)
		return err
	})
	return alone, scraped, pages, errors.Join(alone.err, scraped.err)
}

// table is what was found beside its bars.
type table struct {
	result *lab.Result
	missed bool
}

func (t *table) row(what, got string) { t.result.Printf("%-52s %14s\n", what, got) }

func (t *table) barred(what, got, bar string, ok bool) {
	note := ""
	if !ok {
		note, t.missed = "   MISSED", true
	}
	t.result.Printf("%-52s %14s   bar %s%s\n", what, got, bar, note)
}

func (t *table) pages(pages []page, cpu time.Duration) {
	took := make([]time.Duration, len(pages))
	for i, p := range pages {
		took[i] = p.took
	}
	last := pages[len(pages)-1]
	median := lab.Quantile(took, .5)
	t.barred("a page, median", show(median), "50ms", median <= renderBar)
	t.row("the same, p99", show(lab.Quantile(took, .99)))
	t.row("its CPU time", show(cpu/time.Duration(len(pages))))
	t.barred("its size, compressed", kilobytes(last.compressed), "1024 KB", last.compressed <= sizeBar)
	t.row("its size, plain", kilobytes(last.plain))
	t.row("series in it", fmt.Sprint(last.series))
}

func (t *table) users(alone, scraped served) {
	for _, q := range []struct {
		name string
		of   float64
	}{{"p50", .5}, {"p99", .99}, {"p99.9", .999}} {
		t.row("users' "+q.name+" without and with scrapes", show(alone.latency(q.of))+" "+show(scraped.latency(q.of)))
	}
	failed := alone.shots.Failed() + scraped.shots.Failed()
	t.barred("requests that failed", fmt.Sprint(failed), "0", failed == 0)
}

func show(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }

func kilobytes(n int) string { return fmt.Sprintf("%d KB", n>>10) }
