package diagnose

import (
	"slices"
	"sync"
)

// Bounds of what a Ring keeps: 4 MiB at the most.
const (
	ringLines = 1000
	ringLine  = 4 << 10
)

// Ring keeps the last lines of a log (zapcore.WriteSyncer). Safe for concurrent
// use.
type Ring struct {
	mu    sync.Mutex
	lines [][]byte // the oldest at next, once there are ringLines
	next  int
}

// Write keeps one line, cut if it is very long.
func (r *Ring) Write(line []byte) (int, error) {
	kept := slices.Clone(line[:min(len(line), ringLine)])
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.lines) < ringLines {
		r.lines = append(r.lines, kept)
	} else {
		r.lines[r.next] = kept
		r.next = (r.next + 1) % ringLines
	}
	return len(line), nil
}

// Sync does nothing: the lines are in memory.
func (r *Ring) Sync() error { return nil }

// Lines returns what is kept, the oldest first. They must not be changed.
func (r *Ring) Lines() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(slices.Clone(r.lines[r.next:]), r.lines[:r.next]...)
}
