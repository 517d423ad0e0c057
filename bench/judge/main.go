// Command judge measures the judge as it ships, with 100 ms dispatch ticks, the
// alpha split, both horizons and one bad outcome per bucket, in simulated worlds
// with fixed seeds. It prints a table of each value beside its bar, and exits
// with 1 if one is missed. Arguments name the scenes to run; none means all. The
// scene "comparison" feeds the same traffic to judges as others have them and
// writes two plots. Bar 1 is a property test of package evidence.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/weirproxy/weir/analysis"
)

func main() {
	plots := flag.String("plots", "bench/results", "directory that the plots of the comparison are written to")
	flag.Parse()
	start := time.Now()
	var rows []row
	for _, s := range suite() {
		if flag.NArg() > 0 && !slices.Contains(flag.Args(), s.name) {
			continue
		}
		began := time.Now()
		rows = append(rows, s.run()...)
		fmt.Fprintf(os.Stderr, "%s: %s\n", s.name, time.Since(began).Round(100*time.Millisecond))
	}
	if flag.NArg() == 0 || slices.Contains(flag.Args(), "comparison") {
		compared, drawn := comparison(100)
		rows = append(rows, compared...)
		if err := draw(*plots, drawn); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	fmt.Printf("%s %s/%s, %d processors, in %s\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH,
		runtime.GOMAXPROCS(0), time.Since(start).Round(time.Second))
	if !print(os.Stdout, rows) {
		os.Exit(1)
	}
}

// print writes the table and reports whether all bars are kept.
func print(w io.Writer, rows []row) bool {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "BAR\tWORLD\tVALUE\tMUST BE\t")
	missed := 0
	for _, r := range rows {
		note := ""
		if !r.ok {
			note = "MISSED"
			missed++
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", r.bar, r.what, r.value, r.limit, note)
	}
	table.Flush()
	if missed > 0 {
		fmt.Fprintf(w, "\n%d of %d missed\n", missed, len(rows))
	}
	return missed == 0
}

type scene struct {
	name string
	run  func() []row
}

func suite() []scene {
	one := func(r row) []row { return []row{r} }
	scenes := []scene{
		{"time to the verdict", func() []row { return timeToVerdictRows(300) }},
		{"bursts", func() []row {
			return []row{
				burst(300, 50, 15*time.Second, .001), burst(300, 500, 15*time.Second, .001),
				burst(300, 50, time.Second, 0), burst(300, 500, time.Second, 0),
				burst(300, 50, time.Second, .001), burst(300, 500, time.Second, .001),
			}
		}},
	}
	for _, share := range []float64{.01, .001} {
		for _, times := range []float64{2, 5, 10} {
			scenes = append(scenes, scene{"delay", func() []row { return one(delay(1000, share, times)) }})
		}
	}
	scenes = append(scenes, scene{"after health", func() []row { return one(afterHealth(200, byJudge)) }})
	for _, o := range outages() {
		scenes = append(scenes, scene{"shared outage", func() []row { return sharedOutage(200, o) }})
	}
	scenes = append(scenes,
		scene{"inside the limit", func() []row { return one(insideTheLimit(200)) }},
		scene{"chronic users", func() []row { return []row{chronic(300, 200), chronic(300, 1000)} }},
		scene{"slower failures", func() []row {
			var rows []row
			for _, side := range []int{candidate, stable} {
				rows = append(rows,
					slowerFailures(300, side, "error rule", errorRule("error_rate > 1%")),
					slowerFailures(300, side, "documented rules", contractRules(time.Hour)))
			}
			return rows
		}},
	)
	for _, rps := range []float64{500, 1000, 5000} {
		scenes = append(scenes, scene{"distinct clients", func() []row { return one(distinctClients(300, rps)) }})
	}
	for _, share := range []float64{.01, .001} {
		for _, of := range []float64{1, .8} {
			scenes = append(scenes, scene{"on the limit", func() []row { return one(onTheLimit(400, 1e6, share, of)) }})
		}
	}
	scenes = append(scenes, completeSuite()...)
	return append(scenes, scene{"cost", func() []row { return one(cost()) }})
}

// cost is bar 17: one tick of one error rule, both horizons, in processor time,
// which other work on the machine does not add to.
func cost() row {
	const ticks = 300_000
	j := analysis.NewJudge(errorRule("error_rate > 1%"))
	sample := analysis.Sample{Stable: analysis.Counts{N: 90, X: 1, Raw: 1}, Candidate: analysis.Counts{N: 10}}
	tick := func() {
		sample.At += analysis.TickLength
		for _, sample.Horizon = range []analysis.Horizon{analysis.Settled, analysis.Final} {
			j.Observe(sample)
		}
	}
	allocs := testing.AllocsPerRun(1000, tick)
	began := processorTime()
	for range ticks {
		tick()
	}
	each := (processorTime() - began) / ticks
	return row{"17", "one rule, one tick, both horizons: processor time", fmt.Sprintf("%d ns, %g allocs", each.Nanoseconds(), allocs),
		"<= 3000 ns, 0", each <= 3*time.Microsecond && allocs == 0}
}

func processorTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic("BUG: cannot read the processor time: " + err.Error())
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
