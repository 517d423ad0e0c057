package stats

import (
	"cmp"
	"maps"
	"runtime"
	"slices"
	"sync"
)

// Registry keeps the Recorders by service and version, so that a version's
// counts survive every change of the routing table. Safe for concurrent use;
// it has a lock and is not for the hot path, where tables hold the Recorders.
type Registry struct {
	shards int

	mu        sync.Mutex
	recorders map[identity]*Recorder // guarded by mu
}

type identity struct{ service, version string }

// NewRegistry returns an empty Registry whose Recorders have a shard per
// processor, at most 16.
func NewRegistry() *Registry {
	return &Registry{
		shards:    min(runtime.GOMAXPROCS(0), 16),
		recorders: make(map[identity]*Recorder),
	}
}

// Recorder returns the Recorder of a version, and makes it at first.
func (g *Registry) Recorder(service, version string) *Recorder {
	g.mu.Lock()
	defer g.mu.Unlock()
	id := identity{service, version}
	r := g.recorders[id]
	if r == nil {
		r = NewRecorder(g.shards)
		g.recorders[id] = r
	}
	return r
}

// Range calls f for every Recorder in the order of service and version. f may
// call methods of g.
func (g *Registry) Range(f func(service, version string, r *Recorder)) {
	g.mu.Lock()
	recorders := maps.Clone(g.recorders)
	g.mu.Unlock()
	ids := slices.SortedFunc(maps.Keys(recorders), func(a, b identity) int {
		return cmp.Or(cmp.Compare(a.service, b.service), cmp.Compare(a.version, b.version))
	})
	for _, id := range ids {
		f(id.service, id.version, recorders[id])
	}
}

// Retain forgets every Recorder for which keep is false. Requests under way
// still end on theirs. keep must not call methods of g.
func (g *Registry) Retain(keep func(service, version string) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	maps.DeleteFunc(g.recorders, func(id identity, _ *Recorder) bool {
		return !keep(id.service, id.version)
	})
}
