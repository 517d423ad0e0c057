package release

import (
	"slices"
	"time"

	"github.com/weirproxy/weir/configs"
)

// line are the releases of one application, in the order in which they were cut.
type line struct {
	releases []configs.Release
	at       map[string]int // index by version
}

// newLine sorts releases that come in the order in which they were applied. One
// that nobody dated counts as cut with the one that was applied before it.
func newLine(applied []configs.Release) line {
	type dated struct {
		at time.Time
		r  configs.Release
	}
	all := make([]dated, len(applied))
	var at time.Time
	for i, r := range applied {
		if own := r.CutAt(); !own.IsZero() {
			at = own
		}
		all[i] = dated{at, r}
	}
	slices.SortStableFunc(all, func(a, b dated) int { return a.at.Compare(b.at) })
	l := line{releases: make([]configs.Release, len(all)), at: make(map[string]int, len(all))}
	for i, d := range all {
		l.releases[i], l.at[d.r.Version] = d.r, i
	}
	return l
}

// holds are the releases whose changes a version has: its own, and those that it
// was made from, one after the other. A release that names none, or one that
// nobody knows, is taken to hold all that was cut before it. A fix for an older
// release, cut later, thus has nothing of the newer ones. Nil: the version is no
// release.
func (l line) holds(version string) set {
	i, ok := l.at[version]
	if !ok {
		return nil
	}
	held := make(set, len(l.releases))
	for !held[i] { // releases may say that they were made from each other
		held[i] = true
		before, known := l.at[l.releases[i].Previous]
		if !known {
			for j := range i {
				held[j] = true
			}
			break
		}
		i = before
	}
	return held
}

// set are some of the releases of a line, by index. Nil is the empty one.
type set []bool

func (s set) has(i int) bool { return i < len(s) && s[i] }

// any reports whether s has one of those in t.
func (s set) any(t set) bool {
	for i := range t {
		if t[i] && s.has(i) {
			return true
		}
	}
	return false
}

// all reports whether s has all that are in t.
func (s set) all(t set) bool {
	for i := range t {
		if t[i] && !s.has(i) {
			return false
		}
	}
	return true
}

// with is s and what is in t.
func (s set) with(t set) set {
	out := make(set, max(len(s), len(t)))
	for i := range out {
		out[i] = s.has(i) || t.has(i)
	}
	return out
}

// without is s less what is in t.
func (s set) without(t set) set {
	out := slices.Clone(s)
	for i := range out {
		out[i] = out[i] && !t.has(i)
	}
	return out
}
