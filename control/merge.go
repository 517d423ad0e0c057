package control

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirproxy/weir/analysis"
)

// maxBoots bounds how many lives of one node are told apart.
const maxBoots = 8

// merge adds up the reports of all nodes for one candidate of one rollout. It
// remembers what it took of each life of each node, so that nothing is taken
// twice, and an expired report takes nothing back.
type merge struct {
	id         string
	generation int
	version    string

	// Taken is by `node boot`: the counts that were consumed so far.
	Taken map[string][]takenStream `json:"taken"`
	// Order lists the keys of Taken by first sight, for the bound.
	Order []string `json:"order"`
	// Nodes are in the order of first sight. A node's index is its stratum, which
	// stays when it restarts; the last one holds all that come later.
	Nodes []string `json:"nodes"`
}

type takenStream struct {
	Horizon   analysis.Horizon `json:"horizon"`
	Limit     int              `json:"limit"`
	Stable    analysis.Counts  `json:"stable"`
	Candidate analysis.Counts  `json:"candidate"`
	Halves    [2]uint64        `json:"halves,omitzero"`
}

// take consumes what is new in a node's report and hands it to emit, one sample
// a stream, with the node's stratum. The time is the caller's to fill in.
func (m *merge) take(node string, t tally, emit func(stratum int, s analysis.Sample)) {
	for _, r := range t.rollouts {
		if r.id != m.id || r.generation != m.generation {
			continue
		}
		for _, s := range r.sides {
			if s.version == m.version {
				stratum := m.stratum(node)
				m.takeSide(fmt.Sprintf("%s %s.%d", node, t.boot, r.since), s, func(s analysis.Sample) { emit(stratum, s) })
			}
		}
	}
}

// stratum is the index of a node.
func (m *merge) stratum(node string) int {
	if i := slices.Index(m.Nodes, node); i >= 0 {
		return i
	}
	if len(m.Nodes) < analysis.MaxStrata {
		m.Nodes = append(m.Nodes, node)
	}
	return len(m.Nodes) - 1
}

func (m *merge) takeSide(life string, s sideTally, emit func(analysis.Sample)) {
	if m.Taken == nil {
		m.Taken = make(map[string][]takenStream)
	}
	if _, known := m.Taken[life]; !known {
		m.Order = append(m.Order, life)
		m.Taken[life] = nil
		m.bound(life)
	}
	for _, now := range s.streams {
		was := m.position(life, now.horizon, now.limit)
		stable, okStable := since(now.stable, was.Stable)
		candidate, okCandidate := since(now.candidate, was.Candidate)
		if !okStable || !okCandidate || now.halves[0] < was.Halves[0] || now.halves[1] < was.Halves[1] {
			continue // older than what was taken
		}
		halves := [2]uint64{now.halves[0] - was.Halves[0], now.halves[1] - was.Halves[1]}
		was.Stable, was.Candidate, was.Halves = now.stable, now.candidate, now.halves
		if stable.N > 0 || candidate.N > 0 {
			emit(analysis.Sample{Horizon: now.horizon, Limit: now.limit, Stable: stable, Candidate: candidate, Halves: halves})
		}
	}
}

func (m *merge) position(life string, h analysis.Horizon, limit int) *takenStream {
	streams := m.Taken[life]
	i := slices.IndexFunc(streams, func(t takenStream) bool { return t.Horizon == h && t.Limit == limit })
	if i < 0 {
		streams = append(streams, takenStream{Horizon: h, Limit: limit})
		m.Taken[life], i = streams, len(streams)-1
	}
	return &m.Taken[life][i]
}

// bound forgets the oldest lives of a node that restarts without end.
func (m *merge) bound(life string) {
	node, _, _ := strings.Cut(life, " ")
	var lives []string
	for _, l := range m.Order {
		if n, _, _ := strings.Cut(l, " "); n == node {
			lives = append(lives, l)
		}
	}
	for ; len(lives) > maxBoots; lives = lives[1:] {
		delete(m.Taken, lives[0])
		m.Order = slices.DeleteFunc(m.Order, func(l string) bool { return l == lives[0] })
	}
}

// since is what came on top of was. False if now is not later than was.
func since(now, was analysis.Counts) (analysis.Counts, bool) {
	if now.N < was.N || now.X < was.X || now.Raw < was.Raw {
		return analysis.Counts{}, false
	}
	now.Sub(was)
	return now, true
}
