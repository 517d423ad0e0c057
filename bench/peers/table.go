package main

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// figure is a column of a table.
type figure int

const (
	cpu figure = iota
	rps
	p50
	p99
	memory
)

var figures = [...]string{cpu: "CPU µs/req", rps: "req/s", p50: "p50 µs", p99: "p99 µs", memory: "RSS MB"}

func (f figure) of(s sample) float64 {
	switch f {
	case cpu:
		return s.micros()
	case rps:
		return s.rps()
	case p50:
		return float64(s.p50) / float64(time.Microsecond)
	case p99:
		return float64(s.p99) / float64(time.Microsecond)
	}
	return float64(s.resident)
}

// better reports whether a is better than b.
func (f figure) better(a, b float64) bool { return (a < b) != (f == rps) }

func (f figure) String() string { return figures[f] }

func (f figure) text(v float64) string {
	if v == 0 {
		return "-" // not measured
	}
	switch f {
	case cpu:
		return fmt.Sprintf("%.2f", v)
	case memory:
		return fmt.Sprintf("%.1f", v/(1<<20))
	}
	return fmt.Sprintf("%.0f", v)
}

// table is what a scenario found.
type table struct {
	scenario scenario
	proxies  []*proxy
	rounds   [][]sample // by round, then by proxy
}

func newTable(s scenario, proxies []*proxy, rounds [][]sample) *table {
	return &table{s, proxies, rounds}
}

// print writes the table and returns how many bars were missed.
func (t *table) print(r *lab.Result) (missed int) {
	r.Printf("  %-24s %10s %17s %10s %10s %10s %8s %6s\n", "", figures[cpu], "(range)", figures[rps], figures[p50], figures[p99], figures[memory], "core")
	for i, p := range t.proxies {
		times := t.column(i, cpu)
		r.Printf("  %-24s %10s %17s %10s %10s %10s %8s %5.0f%%\n", p.name, t.median(i, cpu),
			fmt.Sprintf("%.2f..%.2f", slices.Min(times), slices.Max(times)),
			t.median(i, rps), t.median(i, p50), t.median(i, p99), t.median(i, memory), 100*t.busy(i))
	}
	for i, p := range t.proxies {
		if i == 0 || p.peer.logs && !p.peer.rival {
			t.printRatios(r, i)
		}
	}
	missed = t.printLogged(r)
	for _, b := range t.scenario.bars {
		text, ok := t.judge(b)
		r.Printf("  %s\n", text)
		if !ok && !b.control {
			missed++
		}
	}
	r.Printf("\n")
	return missed
}

// printRatios holds the i-th proxy against others.
func (t *table) printRatios(r *lab.Result, i int) {
	for _, over := range t.others(i) {
		r.Printf("  %-24s", t.proxies[i].name+" / "+over)
		for _, f := range []figure{cpu, rps, p50, p99, memory} {
			ratios := t.ratios(f, i, over)
			width := 10
			if f == memory {
				width = 8
			}
			text := "-"
			if v := median(ratios); !math.IsNaN(v) {
				text = fmt.Sprintf("%.2f", v)
			}
			r.Printf(" %*s", width, text)
			if f == cpu {
				low, high := interval(ratios)
				r.Printf(" %17s", fmt.Sprintf("%.2f..%.2f", low, high))
			}
		}
		r.Printf("\n")
	}
}

// printLogged says how much of what was asked each access log holds. A log that
// saves work by leaving lines out is a bar missed.
func (t *table) printLogged(r *lab.Result) (missed int) {
	for i, p := range t.proxies {
		if p.accessLog == "" {
			continue
		}
		lines, requests := 0, 0
		for _, samples := range t.rounds {
			lines, requests = lines+samples[i].lines, requests+samples[i].requests
		}
		// The client leaves with requests under way, which are logged too.
		share := float64(lines) / float64(requests)
		text, ok := verdict(fmt.Sprintf("logged by %s ≥ 99.9 %%: %.2f %%", p.name, 100*share), share >= 0.999)
		r.Printf("  %s\n", text)
		if !ok && !p.peer.rival {
			missed++
		}
	}
	return missed
}

// judge holds the figures against a bar. A bar of or over a peer that was left out
// says so and is not missed.
func (t *table) judge(b bar) (text string, ok bool) {
	i := 0
	if b.of != "" {
		i = slices.IndexFunc(t.proxies, func(p *proxy) bool { return p.name == b.of })
	}
	if i < 0 || b.over != "" && !slices.Contains(t.others(i), b.over) {
		return fmt.Sprintf("%s: %s of %s over %s: not measured", b.kind(), b.figure, cmp.Or(b.of, t.proxies[0].name), b.over), true
	}
	name := fmt.Sprintf("%s: %s of %s", b.kind(), b.figure, t.proxies[i].name)
	if b.over == "" {
		v := median(t.column(i, b.figure))
		return verdict(fmt.Sprintf("%s ≤ %s: %s", name, b.figure.text(b.limit), b.figure.text(v)), v <= b.limit)
	}
	ratios := t.ratios(b.figure, i, b.over)
	low, high := interval(ratios)
	v := median(ratios)
	text = fmt.Sprintf("%s over %s ≤ %.2f: %.3f, interval %.3f..%.3f", name, b.over, b.limit, v, low, high)
	if b.upper {
		return verdict(text+", its upper end counts", high <= b.limit)
	}
	return verdict(text, v <= b.limit)
}

func (b bar) kind() string {
	if b.control {
		return "control"
	}
	return "bar"
}

func verdict(text string, ok bool) (string, bool) {
	if ok {
		return text + ": kept", true
	}
	return text + ": MISSED", false
}

// others are what the i-th proxy is held against: the best of the rivals that do
// as much, then each of those that log if it does.
func (t *table) others(i int) []string {
	var names []string
	if slices.ContainsFunc(t.proxies, func(p *proxy) bool { return t.equal(i, p) }) {
		names = append(names, best)
	}
	for k, p := range t.proxies {
		if k != i && p.peer.logs == t.proxies[i].peer.logs {
			names = append(names, p.name)
		}
	}
	return names
}

// equal reports whether p is a rival that logs if the i-th proxy does, and not if
// it does not.
func (t *table) equal(i int, p *proxy) bool {
	return p.peer.rival && p.peer.logs == t.proxies[i].peer.logs
}

// ratios are the i-th proxy's figures over another's in the same round.
func (t *table) ratios(f figure, i int, over string) []float64 {
	out := make([]float64, len(t.rounds))
	for r, samples := range t.rounds {
		other := math.NaN()
		for k, p := range t.proxies {
			v := f.of(samples[k])
			if p.name == over || over == best && t.equal(i, p) && (math.IsNaN(other) || f.better(v, other)) {
				other = v
			}
		}
		out[r] = f.of(samples[i]) / other
	}
	return out
}

func (t *table) column(i int, f figure) []float64 {
	out := make([]float64, len(t.rounds))
	for r := range t.rounds {
		out[r] = f.of(t.rounds[r][i])
	}
	return out
}

func (t *table) median(i int, f figure) string { return f.text(median(t.column(i, f))) }

func (t *table) busy(i int) float64 {
	out := make([]float64, len(t.rounds))
	for r := range t.rounds {
		out[r] = t.rounds[r][i].core()
	}
	return median(out)
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}

// interval is where 95 % of the medians of resampled rounds lie.
func interval(v []float64) (low, high float64) {
	const draws = 10_000
	random := rand.New(rand.NewPCG(1, 2))
	medians, drawn := make([]float64, draws), make([]float64, len(v))
	for i := range medians {
		for k := range drawn {
			drawn[k] = v[random.IntN(len(v))]
		}
		medians[i] = median(drawn)
	}
	slices.Sort(medians)
	return medians[draws*25/1000], medians[draws*975/1000]
}

// line sums up a round.
func line(proxies []*proxy, samples []sample) string {
	parts := make([]string, len(proxies))
	for i, p := range proxies {
		parts[i] = fmt.Sprintf("%s %.2f", p.name, samples[i].micros())
	}
	return strings.Join(parts, ", ") + " µs"
}
